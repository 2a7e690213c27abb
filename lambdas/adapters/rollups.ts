/** Writes the rollups table, and reads it for the monitor (rollup-reader.ts says what is where). */
import {
  type AttributeValue,
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { EpochMs } from '../../core/clock.ts';
import { TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import type { Rollup } from '../../core/rollups/amounts.ts';
import type { RollupSink } from '../../core/rollups/apply-batch.ts';
import type { Addition, WindowKey } from '../../core/rollups/fold.ts';
import type { RollupReader } from '../../core/rollups/rollup-reader.ts';
import { memberOf, type Subject } from '../../core/rollups/subjects.ts';
import { windowExpiry } from '../../core/rollups/windows.ts';
import { fromAttributes } from './attribute-values.ts';
import { overSdk } from './dynamo-sdk.ts';
import { createRollupReader, partitionOf, secondsOf, storedOf } from './rollup-reader.ts';

export interface RollupsOptions {
  readonly client: DynamoDBClient;
  readonly tableName: string;
}

export interface Rollups extends RollupSink, RollupReader {
  /** The subject's hours that begin then, by begin; at most 100. */
  readHours(subject: Subject, starts: readonly EpochMs[]): Promise<ReadonlyMap<EpochMs, Rollup>>;
}

export function createRollups({ client, tableName }: RollupsOptions): Rollups {
  return {
    ...createRollupReader({ dynamo: overSdk(client), tableName }),
    async readHours(subject, starts) {
      const keys = starts.map((startMs) => keyOf({ subject, granularity: 'hour', startMs }));
      const items = await getAll(client, tableName, keys);
      return new Map(items.map(storedOf).map(({ startMs, rollup }) => [startMs, rollup]));
    },
    async add(shard, addition) {
      const mark = markOf(shard);
      try {
        await client.send(addCommand(tableName, mark, addition));
        return { kind: 'added' };
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        // What refused was the mark, so it is there; an engine that gives no item back leaves all to the next delivery.
        const stored = error.Item?.[mark]?.S;
        if (stored === undefined) throw error;
        return { kind: 'refused', mark: stored };
      }
    },
  };
}

/** In five minutes of 5,000 events a second every shard is in every busy item: short names keep it under a kilobyte. */
function markOf(shard: string): string {
  return `m${shard.replace(/^shardId-0*/, '') || '0'}`;
}

function addCommand(tableName: string, mark: string, addition: Addition): UpdateItemCommand {
  const amounts = Object.entries(addition.amounts);
  const names = amounts.map(([code], index): [string, string] => [`#${index}`, code]);
  const values = amounts.map(([, amount], index): [string, AttributeValue] => [
    `:${index}`,
    { N: String(amount) },
  ]);
  const sums = amounts.map((_, index) => `#${index} :${index}`).join(', ');
  const expiry = windowExpiry(addition.granularity, addition.startMs);
  return new UpdateItemCommand({
    TableName: tableName,
    Key: keyOf(addition),
    UpdateExpression: `SET #mark = :last, #ttl = :ttl ADD ${sums}`,
    ConditionExpression: 'attribute_not_exists(#mark) OR #mark < :first',
    ExpressionAttributeNames: { '#mark': mark, '#ttl': TABLE_TTL, ...Object.fromEntries(names) },
    ExpressionAttributeValues: {
      ':first': { S: addition.first },
      ':last': { S: addition.last },
      ':ttl': { N: String(expiry) },
      ...Object.fromEntries(values),
    },
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  });
}

type Key = Record<string, AttributeValue>;

function keyOf({ subject, granularity, startMs }: WindowKey): Key {
  return {
    [TABLE_KEY]: { S: partitionOf(granularity, subject) },
    [TABLE_SORT]: { S: `${secondsOf(startMs)}/${memberOf(subject)}` },
  };
}

const MAX_ROUNDS = 5;

async function getAll(client: DynamoDBClient, tableName: string, keys: readonly Key[]) {
  const items: Readonly<Record<string, unknown>>[] = [];
  let left = [...keys];
  for (let round = 0; left.length > 0; round += 1) {
    if (round === MAX_ROUNDS) throw new Error('rollups are throttled');
    const { Responses = {}, UnprocessedKeys = {} } = await client.send(
      new BatchGetItemCommand({ RequestItems: { [tableName]: { Keys: left } } }),
    );
    items.push(...(Responses[tableName] ?? []).map((item) => fromAttributes(item) ?? {}));
    left = UnprocessedKeys[tableName]?.Keys ?? [];
  }
  return items;
}
