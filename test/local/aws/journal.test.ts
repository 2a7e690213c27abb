import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Journal, openJournal } from '../../../local/aws/journal.ts';
import { openStream } from '../../../local/aws/streams.ts';

const HOUR_MS = 3_600_000;
let dir: string;
let nowMs = 1_000;
const clock = { nowMs: () => nowMs };
const bounds = { maxLines: 1_000, maxBytes: 1_000_000 };

beforeEach(() => {
  nowMs = 1_000;
  dir = mkdtempSync(join(tmpdir(), 'tollgate-journal-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const open = (segmentBytes?: number): Journal =>
  openJournal({ dir, clock, ...(segmentBytes === undefined ? {} : { segmentBytes }) });

function linesOf(journal: Journal): string[] {
  const lines: string[] = [];
  for (let from = journal.start; from < journal.end; ) {
    const page = journal.read(from, bounds);
    lines.push(...page.lines);
    from += page.lines.length;
  }
  return lines;
}

describe('a journal', () => {
  it('gives lines back in order after it was opened again, over several segments', () => {
    const lines = Array.from({ length: 50 }, (_, index) => `line ${index} ü`);
    const first = open(100);
    for (const line of lines) first.append([line]);
    first.close();
    const second = open(100);
    expect(readdirSync(dir).length).toBeGreaterThan(3);
    expect(linesOf(second)).toEqual(lines);
    expect(second.append(['next'])).toBe(second.start + 50);
    second.close();
  });

  it('cuts off a last line that was not written to its end', () => {
    const first = open();
    first.append(['whole']);
    first.close();
    appendFileSync(join(dir, readdirSync(dir)[0] ?? ''), 'torn, without an end');
    const second = open();
    second.append(['after']);
    second.close();
    const third = open();
    expect(linesOf(third)).toEqual(['whole', 'after']);
    third.close();
  });

  it('reads at least one line, and not more than either bound', () => {
    const journal = open();
    const from = journal.append(['12345', '12345', '12345']);
    expect(journal.read(from, { maxLines: 2, maxBytes: 100 }).lines).toHaveLength(2);
    expect(journal.read(from, { maxLines: 9, maxBytes: 12 }).lines).toHaveLength(2);
    expect(journal.read(from, { maxLines: 9, maxBytes: 1 }).lines).toHaveLength(1);
    expect(journal.read(journal.end, bounds).lines).toEqual([]);
    expect(journal.bytesFrom(from + 1)).toBe(12);
    journal.close();
  });

  it('never uses a position twice, also after its folder was deleted', () => {
    const first = open();
    first.append(['a', 'b']);
    const { end } = first;
    first.close();
    rmSync(dir, { recursive: true });
    nowMs += 1;
    const second = open();
    expect(second.start).toBeGreaterThanOrEqual(end);
    second.close();
  });
});

describe('a stream', () => {
  const record = { partitionKey: 'k', dataBase64: 'eHh4eHh4eHh4eHh4eHh4' };
  const openSmall = () => openStream({ name: 's', dir, clock, segmentBytes: 200 });
  const segments = () => readdirSync(join(dir, 'records')).length;

  it('drops the segments that every consumer has passed, and no other', () => {
    const stream = openSmall();
    const slow = stream.cursor('slow');
    const fast = stream.cursor('fast');
    for (let index = 0; index < 50; index += 1) stream.append([record]);
    const before = segments();
    fast.commit(stream.end);
    expect(segments()).toBe(before);
    slow.commit(stream.start + 25);
    expect(segments()).toBeLessThan(before);
    expect(stream.start).toBeLessThanOrEqual(slow.position);
    slow.commit(stream.end);
    expect(segments()).toBe(1);
    stream.close();
  });

  it('keeps cursors over a restart, and waits for a consumer that has not come back yet', () => {
    const first = openSmall();
    for (let index = 0; index < 20; index += 1) first.append([record]);
    first.cursor('late').commit(first.start + 5);
    first.cursor('early').commit(first.start + 6);
    const position = first.cursor('late').position;
    first.close();
    const second = openSmall();
    second.cursor('early').commit(second.end);
    expect(second.cursor('late').position).toBe(position);
    expect(second.read(position, bounds)[0]?.position).toBe(position);
    second.close();
  });

  it('does not wait for ever for a consumer that is gone', () => {
    const first = openSmall();
    first.cursor('gone');
    for (let index = 0; index < 20; index += 1) first.append([record]);
    first.close();
    const second = openSmall();
    nowMs += HOUR_MS + 1;
    second.cursor('here').commit(second.end);
    expect(segments()).toBe(1);
    second.close();
  });
});
