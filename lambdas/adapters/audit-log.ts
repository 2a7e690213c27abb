/**
 * The audit log. A record is written to a table in the same transaction as its change, and from there to a bucket whose
 * objects nobody can change or delete (ADR 0022). What was not shipped at once is shipped by the sweeper; the bucket takes
 * each record once, whoever ships it.
 */
import {
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
  type TransactWriteItem,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import * as z from 'zod/mini';
import type { Clock } from '../../core/clock.ts';
import {
  type AuditQuestion,
  type AuditRecord,
  auditObjectKey,
  auditRecordSchema,
  matchesQuestion,
} from '../../core/governance/audit.ts';
import { TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import type { Report } from '../../core/report.ts';
import { fromAttributes, toAttribute } from './attribute-values.ts';
import type { Objects } from './objects.ts';

export interface AuditLog {
  /** For the transaction that makes the change: no change without its record. */
  item(record: AuditRecord): TransactWriteItem;
  /** After the transaction. Never throws: what it cannot ship, the sweeper will. */
  ship(record: AuditRecord): Promise<void>;
  /** For changes of more than one item, before the first of them: a record of what may have been tried. */
  record(record: AuditRecord): Promise<void>;
  /** Newest first, of the last days only. */
  recent(range: AuditRange, question: AuditQuestion): Promise<RecentRecords>;
  /** Ships what is still waiting; how many records were, and how many could not be. */
  sweep(): Promise<{ shipped: number; failed: number }>;
}

/** Instants in ISO 8601, the end not included. */
interface AuditRange {
  readonly from: string;
  readonly to: string;
  readonly limit: number;
}

interface RecentRecords {
  readonly records: readonly AuditRecord[];
  /** Where there are more: the instant to ask on with, as `to`. */
  readonly nextTo: string | undefined;
}

/** Days that the table keeps what it has shipped. */
export const RECENT_DAYS = 30;
/** A shipper that is broken for longer leaves its records to whoever mends it: nothing unshipped ever expires. */
const SWEPT_DAYS = 45;
const DAY_MS = 86_400_000;
const PAGE = 200;

export interface AuditLogOptions {
  readonly client: DynamoDBClient;
  readonly tableName: string;
  /** Of the bucket that keeps what it gets. */
  readonly objects: Pick<Objects, 'putIfAbsent'>;
  readonly clock: Clock;
  readonly report: Report;
}

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { client, tableName, objects, clock, report } = options;
  const put = (record: AuditRecord) => ({
    TableName: tableName,
    Item: { ...keyOf(record), document: { S: JSON.stringify(record) } },
    ConditionExpression: `attribute_not_exists(${TABLE_KEY})`,
  });

  async function shipOne(record: AuditRecord): Promise<void> {
    await objects.putIfAbsent(auditObjectKey(record), `${JSON.stringify(record)}\n`);
    const goneAt = Math.floor(clock.nowMs() / 1000) + RECENT_DAYS * 86_400;
    await client.send(
      new UpdateItemCommand({
        TableName: tableName,
        Key: keyOf(record),
        UpdateExpression: 'SET #s = :s, #t = :t',
        ExpressionAttributeNames: { '#s': 'shipped', '#t': TABLE_TTL },
        ExpressionAttributeValues: { ':s': { BOOL: true }, ':t': { N: String(goneAt) } },
      }),
    );
  }
  async function ship(record: AuditRecord): Promise<boolean> {
    try {
      await shipOne(record);
      return true;
    } catch (fault) {
      report('audit record not shipped', fault);
      return false;
    }
  }

  return {
    item: (record) => ({ Put: put(record) }),
    ship: async (record) => void (await ship(record)),
    async record(record) {
      await client.send(new PutItemCommand(put(record)));
      await ship(record);
    },
    recent: (range, question) => readRecent(options, range, question),
    async sweep() {
      const count = { shipped: 0, failed: 0 };
      for (const day of daysBack(clock.nowMs(), SWEPT_DAYS))
        for await (const record of recordsOf(options, { day, isWaiting: true }))
          count[(await ship(record)) ? 'shipped' : 'failed'] += 1;
      return count;
    },
  };
}

async function readRecent(
  options: AuditLogOptions,
  { from, to, limit }: AuditRange,
  question: AuditQuestion,
): Promise<RecentRecords> {
  const records: AuditRecord[] = [];
  const last = Math.min(options.clock.nowMs(), Date.parse(to) - 1);
  for (const day of daysBack(last, RECENT_DAYS + 1)) {
    if (day < from.slice(0, 10)) break;
    for await (const record of recordsOf(options, { day, from, to })) {
      if (!matchesQuestion(record, question)) continue;
      // Records of one millisecond are never parted, or asking on would lose some.
      const previous = records.at(-1)?.changed_at;
      if (records.length >= limit && previous !== record.changed_at)
        return { records, nextTo: previous };
      records.push(record);
    }
  }
  return { records, nextTo: undefined };
}

interface DayQuestion {
  readonly day: string;
  readonly from?: string;
  readonly to?: string;
  readonly isWaiting?: boolean;
}

const itemSchema = z.object({ document: z.string() });

/** Of one day, newest first; consistent, so that nobody misses their own change. */
async function* recordsOf(
  { client, tableName }: AuditLogOptions,
  { day, from = '0', to = '~', isWaiting = false }: DayQuestion,
): AsyncGenerator<AuditRecord> {
  let start: QueryCommand['input']['ExclusiveStartKey'];
  do {
    const page = await client.send(
      new QueryCommand({
        TableName: tableName,
        KeyConditionExpression: '#p = :p AND #k BETWEEN :from AND :to',
        ExpressionAttributeNames: {
          '#p': TABLE_KEY,
          '#k': TABLE_SORT,
          ...(isWaiting ? { '#s': 'shipped' } : {}),
        },
        ExpressionAttributeValues: { ':p': { S: day }, ':from': { S: from }, ':to': { S: to } },
        ...(isWaiting ? { FilterExpression: 'attribute_not_exists(#s)' } : {}),
        ScanIndexForward: false,
        ConsistentRead: true,
        Limit: PAGE,
        ExclusiveStartKey: start,
      }),
    );
    for (const item of page.Items ?? []) {
      const { document } = itemSchema.parse(fromAttributes(item));
      const record = auditRecordSchema.parse(JSON.parse(document));
      if (record.changed_at < to) yield record;
    }
    start = page.LastEvaluatedKey;
  } while (start !== undefined);
}

function keyOf({ changed_at: at, id }: AuditRecord) {
  return { [TABLE_KEY]: toAttribute(at.slice(0, 10)), [TABLE_SORT]: toAttribute(`${at}/${id}`) };
}

function daysBack(fromMs: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    new Date(fromMs - index * DAY_MS).toISOString().slice(0, 10),
  );
}
