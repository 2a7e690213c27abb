import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { TEMPORARY_SUFFIX, writeFileAtomically } from './files.ts';
import { type Journal, openJournal } from './journal.ts';

/** A record as kept in the journal, one JSON line each. */
const storedRecordSchema = z.object({
  /** Arrival, epoch milliseconds. */
  t: z.number(),
  /** Partition key; Firehose's own records have none. */
  k: z.optional(z.string()),
  /** Data in base64, as it came. */
  d: z.string(),
});

interface RecordInput {
  readonly partitionKey?: string | undefined;
  readonly dataBase64: string;
}

export interface StreamRecord extends RecordInput {
  readonly position: number;
  readonly arrivedAtMs: EpochMs;
}

/** How far one consumer has come; kept on disk, committed after the work is done. */
interface Cursor {
  readonly position: number;
  commit(position: number): void;
}

/** One shard's records, and its consumers' cursors. Records that every consumer has passed are dropped. */
export interface RecordStream {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  append(records: readonly RecordInput[]): number;
  read(from: number, bounds: { maxLines: number; maxBytes: number }): readonly StreamRecord[];
  bytesFrom(position: number): number;
  /** The cursor of this name, at its last commit, or at the oldest record when it is new. */
  cursor(name: string): Cursor;
  onAppend(listener: () => void): void;
  close(): void;
}

const RETENTION_MS = 86_400_000;
/** Consumers come back within seconds of a start; a cursor that nobody claims belongs to one that is gone. */
const UNCLAIMED_CURSOR_MS = 3_600_000;

export function openStream(options: {
  name: string;
  dir: string;
  clock: Clock;
  segmentBytes?: number;
}): RecordStream {
  const { name, dir, clock } = options;
  const journal = openJournal({ ...options, dir: join(dir, 'records') });
  const cursorDir = join(dir, 'cursors');
  mkdirSync(cursorDir, { recursive: true });
  const positions = new Map(
    readdirSync(cursorDir)
      .filter((file) => !file.endsWith(TEMPORARY_SUFFIX))
      .map((file) => [file, Number(readFileSync(join(cursorDir, file), 'utf8'))]),
  );
  const claimed = new Set<string>();
  const openedAtMs = clock.nowMs();

  function dropConsumed(): void {
    if (clock.nowMs() - openedAtMs > UNCLAIMED_CURSOR_MS) {
      for (const file of positions.keys()) {
        if (claimed.has(file)) continue;
        positions.delete(file);
        rmSync(join(cursorDir, file));
      }
    }
    journal.dropBefore(Math.min(...positions.values()));
  }

  return {
    name,
    get start() {
      return journal.start;
    },
    get end() {
      return journal.end;
    },
    append(records) {
      // Without a consumer nothing is ever consumed: such a stream forgets by age, as on AWS.
      if (positions.size === 0) journal.dropOlderThan(clock.nowMs() - RETENTION_MS);
      return journal.append(encode(records, clock.nowMs()));
    },
    read: (from, bounds) => decode(journal, from, bounds),
    bytesFrom: (position) => journal.bytesFrom(position),
    cursor(consumer) {
      const file = encodeURIComponent(consumer);
      const path = join(cursorDir, file);
      claimed.add(file);
      if (!existsSync(path)) writeFileAtomically(path, String(journal.start));
      // A journal that was deleted restarts above any old cursor, and one that was cut starts later.
      positions.set(file, Math.max(positions.get(file) ?? 0, journal.start));
      return {
        get position() {
          return positions.get(file) ?? journal.start;
        },
        commit(position) {
          writeFileAtomically(path, String(position));
          positions.set(file, position);
          dropConsumed();
        },
      };
    },
    onAppend: (listener) => journal.onAppend(listener),
    close: () => journal.close(),
  };
}

function encode(records: readonly RecordInput[], nowMs: EpochMs): string[] {
  return records.map(({ partitionKey, dataBase64 }) =>
    JSON.stringify({ t: nowMs, k: partitionKey, d: dataBase64 } satisfies z.input<
      typeof storedRecordSchema
    >),
  );
}

function decode(
  journal: Journal,
  from: number,
  bounds: { maxLines: number; maxBytes: number },
): readonly StreamRecord[] {
  const page = journal.read(from, bounds);
  return page.lines.map((line, index) => {
    const { t, k, d } = storedRecordSchema.parse(JSON.parse(line));
    return { position: page.from + index, arrivedAtMs: t, partitionKey: k, dataBase64: d };
  });
}
