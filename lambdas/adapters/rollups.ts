/** Writes the rollups table, and reads it for the monitor (rollup-reader.ts says what is where). */
import type { EpochMs } from '../../core/clock.ts';
import { TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import type { Rollup } from '../../core/rollups/amounts.ts';
import type { RollupSink } from '../../core/rollups/apply-batch.ts';
import type { Addition, WindowKey } from '../../core/rollups/fold.ts';
import type { RollupReader } from '../../core/rollups/rollup-reader.ts';
import { memberOf, type Subject } from '../../core/rollups/subjects.ts';
import { windowExpiry } from '../../core/rollups/windows.ts';
import type { Attribute, Attributes } from './attribute-values.ts';
import { DynamoFault, type DynamoPort, type UpdateInput } from './dynamo-port.ts';
import { createRollupReader, partitionOf, secondsOf, storedOf } from './rollup-reader.ts';

export interface RollupsOptions {
  readonly dynamo: Pick<DynamoPort, 'getItem' | 'updateItem' | 'query'>;
  readonly tableName: string;
}

export interface Rollups extends RollupSink, RollupReader {
  /** The subject's hours that begin then, by begin. */
  readHours(subject: Subject, starts: readonly EpochMs[]): Promise<ReadonlyMap<EpochMs, Rollup>>;
}

export function createRollups({ dynamo, tableName }: RollupsOptions): Rollups {
  return {
    ...createRollupReader({ dynamo, tableName }),
    async readHours(subject, starts) {
      const items = await Promise.all(
        starts.map((startMs) => {
          const Key = keyOf({ subject, granularity: 'hour', startMs });
          return dynamo.getItem({ TableName: tableName, Key });
        }),
      );
      const hours = items.flatMap((item) => (item === undefined ? [] : [storedOf(item)]));
      return new Map(hours.map(({ startMs, rollup }) => [startMs, rollup]));
    },
    async add(shard, addition) {
      const mark = markOf(shard);
      try {
        await dynamo.updateItem(additionOf(tableName, mark, addition));
        return { kind: 'added' };
      } catch (fault) {
        const outcome = fault instanceof DynamoFault ? fault.outcome : undefined;
        if (outcome?.kind !== 'condition-failed') throw fault;
        // What refused was the mark, so it is there; an engine that gives no item back leaves all to the next delivery.
        const stored = outcome.item?.[mark];
        if (typeof stored !== 'string') throw fault;
        return { kind: 'refused', mark: stored };
      }
    },
  };
}

/** In five minutes of 5,000 events a second every shard is in every busy item: short names keep it under a kilobyte. */
function markOf(shard: string): string {
  return `m${shard.replace(/^shardId-0*/, '') || '0'}`;
}

function additionOf(tableName: string, mark: string, addition: Addition): UpdateInput {
  const amounts = Object.entries(addition.amounts);
  const names = amounts.map(([code], index): [string, string] => [`#${index}`, code]);
  const values = amounts.map(([, amount], index): [string, Attribute] => [
    `:${index}`,
    { N: String(amount) },
  ]);
  const sums = amounts.map((_, index) => `#${index} :${index}`).join(', ');
  const expiry = windowExpiry(addition.granularity, addition.startMs);
  return {
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
  };
}

function keyOf({ subject, granularity, startMs }: WindowKey): Attributes {
  return {
    [TABLE_KEY]: { S: partitionOf(granularity, subject) },
    [TABLE_SORT]: { S: `${secondsOf(startMs)}/${memberOf(subject)}` },
  };
}
