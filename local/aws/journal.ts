import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { type AppendFile, openAppendFile } from './files.ts';

/** An append-only list of lines on disk, cut into segments so that what is consumed can be dropped. */
export interface Journal {
  /** Positions of the lines held: from `start`, before `end`. A position is never used twice. */
  readonly start: number;
  readonly end: number;
  /** Durable on return. Gives the position of the first line. */
  append(lines: readonly string[]): number;
  /** At least one line if there is one at or after `from`, then as many as both bounds allow. */
  read(from: number, bounds: { maxLines: number; maxBytes: number }): JournalPage;
  bytesFrom(position: number): number;
  /** Drops whole segments before the position, never the one being written. */
  dropBefore(position: number): void;
  /** Drops whole segments that were last written before the time. */
  dropOlderThan(time: EpochMs): void;
  onAppend(listener: () => void): void;
  close(): void;
}

interface JournalPage {
  /** Position of the first line. */
  readonly from: number;
  readonly lines: readonly string[];
}

interface Segment {
  readonly first: number;
  readonly path: string;
  readonly file: AppendFile;
  /** End of each line, bytes from the start of the file. */
  readonly ends: number[];
}

const SUFFIX = '.ndjson';
const POSITION_DIGITS = 16;
const POSITIONS_PER_MS = 1000;
const SCAN_BYTES = 1_048_576;
const NEWLINE = 10;

export function openJournal(options: {
  dir: string;
  clock: Clock;
  segmentBytes?: number;
}): Journal {
  const { dir, clock, segmentBytes = 16_777_216 } = options;
  mkdirSync(dir, { recursive: true });
  const segments = segmentFiles(dir).map((first) => openSegment(dir, first));
  // A new journal counts from the time, so that positions stay unique after its folder was deleted:
  // delivered files are named by position, and one must not overwrite another.
  if (segments.length === 0) segments.push(openSegment(dir, clock.nowMs() * POSITIONS_PER_MS));
  const listeners: (() => void)[] = [];

  function active(): Segment {
    const last = lastOf(segments);
    if (last.file.bytes < segmentBytes) return last;
    const next = openSegment(dir, endOf(last));
    segments.push(next);
    return next;
  }

  function dropWhile(isDroppable: (segment: Segment) => boolean): void {
    for (
      let oldest = segments[0];
      oldest !== undefined && segments.length > 1;
      oldest = segments[0]
    ) {
      if (!isDroppable(oldest)) return;
      segments.shift();
      oldest.file.close();
      rmSync(oldest.path);
    }
  }

  return {
    get start() {
      return segments[0]?.first ?? 0;
    },
    get end() {
      return endOf(lastOf(segments));
    },
    append(lines) {
      const segment = active();
      const position = endOf(segment);
      let at = segment.file.bytes;
      segment.file.append(lines.map((line) => `${line}\n`).join(''));
      for (const line of lines) {
        at += Buffer.byteLength(line) + 1;
        segment.ends.push(at);
      }
      for (const listener of listeners) listener();
      return position;
    },
    read(from, bounds) {
      const segment = segments.find((candidate) => endOf(candidate) > from);
      return segment === undefined ? { from, lines: [] } : readSegment(segment, from, bounds);
    },
    bytesFrom(position) {
      return segments.reduce((sum, segment) => {
        if (endOf(segment) <= position) return sum;
        return sum + segment.file.bytes - startOfLine(segment, Math.max(position, segment.first));
      }, 0);
    },
    dropBefore(position) {
      dropWhile((segment) => endOf(segment) <= position);
    },
    dropOlderThan(time) {
      dropWhile((segment) => statSync(segment.path).mtimeMs < time);
    },
    onAppend(listener) {
      listeners.push(listener);
    },
    close() {
      for (const segment of segments) segment.file.close();
    },
  };
}

function segmentFiles(dir: string): number[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => Number(name.slice(0, -SUFFIX.length)))
    .sort((a, b) => a - b);
}

function openSegment(dir: string, first: number): Segment {
  const path = join(dir, `${String(first).padStart(POSITION_DIGITS, '0')}${SUFFIX}`);
  const file = openAppendFile(path);
  const ends: number[] = [];
  for (let from = 0; from < file.bytes; from += SCAN_BYTES) {
    const block = file.read(from, Math.min(file.bytes, from + SCAN_BYTES));
    for (let at = block.indexOf(NEWLINE); at !== -1; at = block.indexOf(NEWLINE, at + 1)) {
      ends.push(from + at + 1);
    }
  }
  return { first, path, file, ends };
}

function readSegment(
  segment: Segment,
  from: number,
  bounds: { maxLines: number; maxBytes: number },
): JournalPage {
  const first = Math.max(from, segment.first);
  const startByte = startOfLine(segment, first);
  let next = first + 1;
  const last = Math.min(endOf(segment), first + bounds.maxLines);
  while (next < last && startOfLine(segment, next + 1) - startByte <= bounds.maxBytes) next += 1;
  const text = segment.file.read(startByte, startOfLine(segment, next)).toString('utf8');
  return { from: first, lines: text.slice(0, -1).split('\n') };
}

function startOfLine(segment: Segment, position: number): number {
  const index = position - segment.first;
  return index === 0 ? 0 : (segment.ends[index - 1] ?? segment.file.bytes);
}

function endOf(segment: Segment): number {
  return segment.first + segment.ends.length;
}

function lastOf(segments: readonly Segment[]): Segment {
  const last = segments.at(-1);
  if (last === undefined) throw new Error('a journal has at least one segment');
  return last;
}
