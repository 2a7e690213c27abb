/**
 * A table that takes conditional writes as DynamoDB does, over its wire, in this process's memory. It answers after a given time,
 * takes so many write units of one item in a second and throttles the rest, and counts what its callers do. It also takes
 * usage events (Kinesis) and gives secrets, so that a whole proxy can stand before it.
 */

import { asRecord, asText, type JsonRecord } from '../../core/dialects/json-record.ts';
import { applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { fromAttributes } from '../../lambdas/adapters/attribute-values.ts';
import { readWrite } from './expressions.ts';

interface Answer {
  readonly status: number;
  readonly body: object;
}

interface TableCounts {
  reads: number;
  writes: number;
  /** Write units as DynamoDB bills them: one for each KB of the item, refused writes included. */
  units: number;
  throttled: number;
  events: number;
  /** The most write units that one item has taken in one second of the clock, by the kind of its scope. */
  busiestUnits: Record<string, number>;
}

export interface TableStub {
  answer(target: string, input: JsonRecord): Answer;
  /** Since the last time it was asked. */
  takeCounts(): TableCounts;
  /** Calls that hold something of an account now. */
  openHolds(): number;
}

/** Name of the one secret that is no pool of provider keys. */
export const CACHE_SECRET = 'cache';
const PROVIDER_KEYS = '{"keys":[{"id":"bench","value":"any"}]}';
const UNIT_BYTES = 1_024;
const HOLDS = 'h';
const TAKEN = { ShardId: 'shardId-000000000000', SequenceNumber: '1' };

export function createTableStub(options: { readonly unitsPerSecond: number }): TableStub {
  const items = new Map<string, StoredItem>();
  const meter = createMeter(items, options.unitsPerSecond);
  const operations: Readonly<Record<string, (input: JsonRecord) => Answer>> = {
    UpdateItem: (input) => update({ items, meter }, input),
    TransactWriteItems(input) {
      const puts = recordsOf(input['TransactItems']).flatMap((each): JsonRecord[] => {
        const one = asRecord(each['Put']);
        return one === undefined ? [] : [one];
      });
      return puts.length > 0 ? put(items, puts) : transact({ items, meter }, input);
    },
    GetItem(input) {
      meter.counts.reads += 1;
      const item = items.get(addressOf(input));
      return { status: 200, body: item === undefined ? {} : { Item: wire(item) } };
    },
    // Of the control plane, which fills the table before anything is measured; its conditions are not read.
    PutItem: (input) => put(items, [input]),
    CreateTable: () => ({ status: 200, body: {} }),
    GetSecretValue: ({ SecretId }) => ({
      status: 200,
      body: { SecretString: SecretId === CACHE_SECRET ? 'x'.repeat(32) : PROVIDER_KEYS },
    }),
    PutRecords({ Records }) {
      const taken = recordsOf(Records).map(() => TAKEN);
      meter.counts.events += taken.length;
      return { status: 200, body: { FailedRecordCount: 0, Records: taken } };
    },
  };
  return {
    answer(target, input) {
      const operation = operations[target.slice(target.indexOf('.') + 1)];
      return operation === undefined ? refused('UnknownOperationException') : operation(input);
    },
    takeCounts: meter.takeCounts,
    openHolds: () =>
      [...items.values()].reduce((sum, item) => sum + Object.keys(Object(item[HOLDS])).length, 0),
  };
}

function put(items: Map<string, StoredItem>, puts: readonly JsonRecord[]): Answer {
  for (const each of puts) {
    const item = fromAttributes(each['Item']) ?? {};
    items.set(`${asText(each['TableName'])} ${String(item[TABLE_KEY])}`, item);
  }
  return { status: 200, body: {} };
}

interface State {
  readonly items: Map<string, StoredItem>;
  readonly meter: Meter;
}

function update({ items, meter }: State, input: JsonRecord): Answer {
  const key = addressOf(input);
  if (!meter.takes(key)) return refused('ProvisionedThroughputExceededException');
  const old = items.get(key);
  const next = applyWrite(old, writeOf(input));
  if (next === undefined) {
    const Item = old === undefined ? {} : { Item: wire(old) };
    return refused('ConditionalCheckFailedException', Item);
  }
  const item = { ...next, [TABLE_KEY]: keyIn(input) };
  items.set(key, item);
  return {
    status: 200,
    body: input['ReturnValues'] === 'ALL_NEW' ? { Attributes: wire(item) } : {},
  };
}

function transact({ items, meter }: State, input: JsonRecord): Answer {
  const updates = recordsOf(input['TransactItems']).map((each) => asRecord(each['Update']) ?? {});
  const next = updates.map((each) => applyWrite(items.get(addressOf(each)), writeOf(each)));
  const reasons = updates.map((each, index) => {
    const key = addressOf(each);
    // A transaction writes each item twice.
    if (![meter.takes(key), meter.takes(key)].every(Boolean)) return { Code: 'ThrottlingError' };
    return { Code: next[index] === undefined ? 'ConditionalCheckFailed' : 'None' };
  });
  if (reasons.some(({ Code }) => Code !== 'None'))
    return refused('TransactionCanceledException', { CancellationReasons: reasons });
  for (const [index, each] of updates.entries())
    items.set(addressOf(each), { ...next[index], [TABLE_KEY]: keyIn(each) });
  return { status: 200, body: {} };
}

interface Meter {
  readonly counts: TableCounts;
  takeCounts(): TableCounts;
  /** Every write costs, refused or not. False when the item has had its share of this second. */
  takes(key: string): boolean;
}

function createMeter(items: ReadonlyMap<string, StoredItem>, unitsPerSecond: number): Meter {
  let counts = noCounts();
  let second = 0;
  const used = new Map<string, number>();
  return {
    get counts() {
      return counts;
    },
    takeCounts() {
      const taken = counts;
      counts = noCounts();
      return taken;
    },
    takes(key) {
      const now = Math.floor(performance.now() / 1_000);
      if (now !== second) used.clear();
      second = now;
      const units = Math.max(1, Math.ceil(bytesOf(items.get(key)) / UNIT_BYTES));
      const taken = (used.get(key) ?? 0) + units;
      used.set(key, taken);
      counts.writes += 1;
      counts.units += units;
      const kind = /[a-z]+(?=\/)/.exec(key)?.[0] ?? key;
      counts.busiestUnits[kind] = Math.max(counts.busiestUnits[kind] ?? 0, taken);
      if (taken <= unitsPerSecond) return true;
      counts.throttled += 1;
      return false;
    },
  };
}

function noCounts(): TableCounts {
  return {
    ...{ reads: 0, writes: 0, units: 0, throttled: 0, events: 0, busiestUnits: {} },
  };
}

function refused(type: string, more: object = {}): Answer {
  const __type = `com.amazonaws.dynamodb.v20120810#${type}`;
  return { status: 400, body: { __type, message: 'refused by the stub', ...more } };
}

function writeOf(input: JsonRecord) {
  const condition = asText(input['ConditionExpression']) ?? '';
  const update = asText(input['UpdateExpression']) ?? '';
  const names = asRecord(input['ExpressionAttributeNames']) ?? {};
  const values = fromAttributes(input['ExpressionAttributeValues']) ?? {};
  return readWrite({ condition, update }, { names, values });
}

function addressOf(input: JsonRecord): string {
  return `${asText(input['TableName'])} ${keyIn(input)}`;
}

function keyIn(input: JsonRecord): string {
  return String(fromAttributes(input['Key'])?.[TABLE_KEY]);
}

function recordsOf(list: unknown): readonly JsonRecord[] {
  return Array.isArray(list) ? list.map((each) => asRecord(each) ?? {}) : [];
}

/** In one pass, because the stub shares the machine with what is measured. */
function wire(item: StoredItem): Record<string, object> {
  const attributes: Record<string, object> = {};
  for (const [name, value] of Object.entries(item)) attributes[name] = attributeOf(value);
  return attributes;
}

function attributeOf(value: unknown): object {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (value instanceof Uint8Array) return { B: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return { L: value.map(attributeOf) };
  return { M: wire(asRecord(value) ?? {}) };
}

/** As DynamoDB measures items: text by its bytes, a number by half its digits, a list or map by three and one an entry. */
function bytesOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value === 'number') return Math.ceil(String(value).length / 2) + 1;
  if (typeof value !== 'object' || value === null) return 1;
  let bytes = 3;
  for (const [name, each] of Object.entries(value))
    bytes += (Array.isArray(value) ? 0 : name.length) + bytesOf(each) + 1;
  return bytes;
}
