/**
 * Reads the rollups table. One item for each window of a subject: its sums, and for each shard the sequence number up to
 * which they hold (core/rollups/apply-batch.ts). Windows of a collection lie beside one another, so that a team is read
 * with its features and models at once:
 *
 *   5m/team/acme/search   1790000100/all              it, ot, nu, rq ..., m0000 = sequence number
 *   5m/team/acme/search   1790000100/feature/answers
 */
import type { EpochMs } from '../../core/clock.ts';
import { TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import type { RollupReader, StoredRollup } from '../../core/rollups/rollup-reader.ts';
import { collectionOf, type Subject } from '../../core/rollups/subjects.ts';
import { GRANULARITIES, type Granularity } from '../../core/rollups/windows.ts';
import type { Item } from './attribute-values.ts';
import type { DynamoPort } from './dynamo-port.ts';
import { queryItems } from './query-items.ts';

export interface RollupTable {
  readonly dynamo: Pick<DynamoPort, 'query'>;
  readonly tableName: string;
}

export function createRollupReader({ dynamo, tableName }: RollupTable): RollupReader {
  return {
    async readCollection(subject, { granularity, fromMs, toMs }) {
      const items = await queryItems(dynamo, {
        tableName,
        partition: partitionOf(granularity, subject),
        // `/` comes before `0`, so that all members of the last window are below its end.
        between: [secondsOf(fromMs), `${secondsOf(toMs)}0`],
      });
      return items.map(storedOf);
    },
  };
}

export function partitionOf(granularity: Granularity, subject: Subject): string {
  return `${GRANULARITIES[granularity].code}/${collectionOf(subject)}`;
}

/** Ten digits until the year 2286, so that text and time sort alike. */
export function secondsOf(ms: EpochMs): string {
  return String(Math.floor(ms / 1000)).padStart(10, '0');
}

export function storedOf(item: Item): StoredRollup {
  const [seconds = '', ...member] = String(item[TABLE_SORT]).split('/');
  const amounts = Object.entries(item).flatMap(([name, value]): [string, number][] =>
    typeof value === 'number' && name !== TABLE_TTL ? [[name, value]] : [],
  );
  return {
    member: member.join('/'),
    startMs: Number(seconds) * 1000,
    rollup: Object.fromEntries(amounts),
  };
}
