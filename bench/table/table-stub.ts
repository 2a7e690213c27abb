/**
 * A table that takes conditional writes as DynamoDB does, over its wire, in this process's memory. It answers after a given time,
 * takes so many writes of one item in a second and throttles the rest, and counts what its callers do. It also takes
 * usage events (Kinesis) and gives secrets, so that a whole proxy can stand before it.
 */

import { asRecord, asText, type JsonRecord } from '../../core/dialects/json-record.ts';
import { applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import { TABLE_KEY } from '../../core/names.ts';
import {
  type Attributes,
  fromAttributes,
  type Plain,
  toAttributes,
} from '../../lambdas/adapters/attribute-values.ts';
import { readWrite } from './expressions.ts';

export interface Answer {
  readonly status: number;
  readonly body: object;
}

export interface TableCounts {
  reads: number;
  writes: number;
  /** Write units as DynamoDB bills them: one for each KB of the item, refused writes included. */
  units: number;
  throttled: number;
  events: number;
  /** The most writes, and write units, that one item has seen in one second of the clock. */
  busiestWrites: number;
  busiestUnits: number;
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

export function createTableStub({
  writesPerSecond,
}: {
  readonly writesPerSecond: number;
}): TableStub {
  const items = new Map<string, StoredItem>();
  let counts = noCounts();
  const meter = createMeter();

  /** Every write costs, refused or not. False when the item has had its share of this second. */
  const takes = (key: string): boolean => {
    const units = Math.max(1, Math.ceil(bytesOf(items.get(key)) / UNIT_BYTES));
    counts.writes += 1;
    counts.units += units;
    const used = meter.count(key, units);
    counts.busiestWrites = Math.max(counts.busiestWrites, used.writes);
    counts.busiestUnits = Math.max(counts.busiestUnits, used.units);
    if (used.writes <= writesPerSecond) return true;
    counts.throttled += 1;
    return false;
  };

  const update = (input: JsonRecord): Answer => {
    const key = addressOf(input);
    if (!takes(key)) return refused('ProvisionedThroughputExceededException');
    const old = items.get(key);
    const next = applyWrite(old, writeOf(input));
    if (next === undefined)
      return refused(
        'ConditionalCheckFailedException',
        old === undefined ? {} : { Item: wire(old) },
      );
    const item = { ...next, [TABLE_KEY]: keyIn(input) };
    items.set(key, item);
    return { status: 200, body: { Attributes: wire(item) } };
  };

  const transact = (input: JsonRecord): Answer => {
    const updates = recordsOf(input['TransactItems']).map((each) => asRecord(each['Update']) ?? {});
    // A transaction writes each item twice.
    const taken = updates.map((each) => takes(addressOf(each)) && takes(addressOf(each)));
    const next = updates.map((each) => applyWrite(items.get(addressOf(each)), writeOf(each)));
    const reasons = next.map((item, index) => ({
      Code:
        taken[index] === false
          ? 'ThrottlingError'
          : item === undefined
            ? 'ConditionalCheckFailed'
            : 'None',
    }));
    if (reasons.some(({ Code }) => Code !== 'None'))
      return refused('TransactionCanceledException', { CancellationReasons: reasons });
    for (const [index, each] of updates.entries())
      items.set(addressOf(each), { ...next[index], [TABLE_KEY]: keyIn(each) });
    return { status: 200, body: {} };
  };

  const get = (input: JsonRecord): Answer => {
    counts.reads += 1;
    const item = items.get(addressOf(input));
    return { status: 200, body: item === undefined ? {} : { Item: wire(item) } };
  };

  /** Of the control plane, which fills the table before anything is measured; its conditions are not read. */
  const put = (input: JsonRecord): Answer => {
    const item = fromAttributes(input['Item']) ?? {};
    items.set(`${asText(input['TableName'])} ${String(item[TABLE_KEY])}`, item);
    return { status: 200, body: {} };
  };

  const operations: Readonly<Record<string, (input: JsonRecord) => Answer>> = {
    UpdateItem: update,
    TransactWriteItems: transact,
    GetItem: get,
    PutItem: put,
    CreateTable: () => ({ status: 200, body: {} }),
    GetSecretValue: ({ SecretId }) => ({
      status: 200,
      body: { SecretString: SecretId === CACHE_SECRET ? 'x'.repeat(32) : PROVIDER_KEYS },
    }),
    PutRecord: () => {
      counts.events += 1;
      return { status: 200, body: { ShardId: 'shardId-000000000000', SequenceNumber: '1' } };
    },
  };
  return {
    answer(target, input) {
      const operation = operations[target.slice(target.indexOf('.') + 1)];
      return operation === undefined ? refused('UnknownOperationException') : operation(input);
    },
    takeCounts() {
      const taken = counts;
      counts = noCounts();
      return taken;
    },
    openHolds: () =>
      [...items.values()].reduce((sum, item) => sum + Object.keys(Object(item[HOLDS])).length, 0),
  };
}

function noCounts(): TableCounts {
  return {
    ...{ reads: 0, writes: 0, units: 0, throttled: 0, events: 0 },
    ...{ busiestWrites: 0, busiestUnits: 0 },
  };
}

function createMeter() {
  let second = 0;
  const used = new Map<string, { writes: number; units: number }>();
  return {
    count(key: string, units: number) {
      const now = Math.floor(performance.now() / 1_000);
      if (now !== second) used.clear();
      second = now;
      const before = used.get(key);
      const after = { writes: (before?.writes ?? 0) + 1, units: (before?.units ?? 0) + units };
      used.set(key, after);
      return after;
    },
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

function wire(item: StoredItem): Attributes {
  const entries = Object.entries(item).map(([name, value]) => [name, plainOf(value)] as const);
  return toAttributes(Object.fromEntries(entries));
}

function plainOf(value: unknown): Plain {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  if (Array.isArray(value)) return value.map(plainOf);
  const entries = Object.entries(Object(value));
  return Object.fromEntries(entries.map(([name, each]) => [name, plainOf(each)]));
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
