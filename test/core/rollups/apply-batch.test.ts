import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addInto, type Rollup } from '../../../core/rollups/amounts.ts';
import { applyBatch, type RollupSink } from '../../../core/rollups/apply-batch.ts';
import { createDuplicateFilter } from '../../../core/rollups/duplicates.ts';
import type { StreamEvent } from '../../../core/rollups/fold.ts';
import { subjectKey } from '../../../core/rollups/subjects.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { AT_MS, usageEvent } from './usage-events.ts';

const SHARD = 'shardId-000000000000';

interface Item {
  readonly sums: Record<string, number>;
  readonly marks: Map<string, string>;
}

/** The table's twin. `fault` says what becomes of the next write: it may fail, and then may have been applied all the same. */
function memorySink(fault: () => 'none' | 'lost' | 'applied' = () => 'none') {
  const items = new Map<string, Item>();
  const sink: RollupSink = {
    async add(shard, { granularity, startMs, subject, first, last, amounts }) {
      const what = fault();
      if (what === 'lost') throw new Error('not applied');
      const key = `${granularity} ${startMs} ${subjectKey(subject)}`;
      const item = items.get(key) ?? { sums: {}, marks: new Map() };
      items.set(key, item);
      const mark = item.marks.get(shard);
      if (mark !== undefined && mark >= first) return { kind: 'refused', mark };
      addInto(item.sums, amounts);
      item.marks.set(shard, last);
      if (what === 'applied') throw new Error('timed out');
      return { kind: 'added' };
    },
  };
  const sums = (): [string, Rollup][] =>
    [...items].map(([key, item]): [string, Rollup] => [key, item.sums]).toSorted();
  return { sink, sums };
}

function streamOf(events: readonly UsageEvent[]): StreamEvent[] {
  return events.map((event, index) => ({
    event,
    sequence: String(index).padStart(8, '0'),
    arrivedAtMs: AT_MS + 60_000,
  }));
}

const FAULTS = ['lost', 'applied'] as const;

const featureOf = (event: UsageEvent) => event.feature ?? undefined;

const someEvent = fc
  .record({
    tenant_id: fc.constantFrom('acme', 'globex'),
    team_id: fc.constantFrom('search', 'support'),
    feature: fc.constantFrom(null, 'answers', 'chat'),
    model_alias: fc.constantFrom('small', 'large'),
    input_tokens: fc.nat(10_000),
    outcome: fc.constantFrom('ok' as const, 'error' as const, 'denied' as const),
    event_time_ms: fc.integer({ min: AT_MS - 900_000, max: AT_MS }),
  })
  .map(usageEvent);

async function wholeSums(events: readonly UsageEvent[]): Promise<[string, Rollup][]> {
  const { sink, sums } = memorySink();
  await applyBatch(sink, { shard: SHARD, events: streamOf(events), featureOf });
  return sums();
}

describe('a stream added up', () => {
  it('comes to the same sums whatever fails, is delivered again, and in which batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(someEvent, { minLength: 1, maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 12 })),
        fc.infiniteStream(fc.nat(79)),
        async (events, sizes, faults) => {
          const fault = () => FAULTS[faults.next().value ?? 0] ?? 'none';
          const { sink, sums } = memorySink(fault);
          const stream = streamOf(events);
          // As an event source does: a batch of any size from the position, and again from there when it fails.
          for (let from = 0, tries = 0; from < stream.length && tries < 5_000; tries += 1) {
            const batch = stream.slice(from, from + sizes.next().value);
            try {
              await applyBatch(sink, { shard: SHARD, events: batch, featureOf });
              from += batch.length;
            } catch {
              // It comes again.
            }
          }
          expect(sums()).toEqual(await wholeSums(events));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is not added twice by an old invocation that is still at work', async () => {
    const events = [usageEvent(), usageEvent({ feature: 'chat' }), usageEvent()];
    const { sink, sums } = memorySink();
    const stream = streamOf(events);
    const whole = { shard: SHARD, events: stream, featureOf };
    await Promise.all([
      applyBatch(sink, { ...whole, events: stream.slice(0, 2) }),
      applyBatch(sink, whole),
      applyBatch(sink, { ...whole, events: stream.slice(0, 1) }),
    ]);
    await applyBatch(sink, whole);
    expect(sums()).toEqual(await wholeSums(events));
  });

  it('counts the shards of a stream apart', async () => {
    const { sink, sums } = memorySink();
    const stream = streamOf([usageEvent()]);
    for (const shard of ['shardId-000000000000', 'shardId-000000000001'])
      await applyBatch(sink, { shard, events: stream, featureOf });
    expect(sums()[0]?.[1]['rq']).toBe(2);
  });

  it('makes one write for each subject and window, however many events there are', async () => {
    const { sink } = memorySink();
    const events = Array.from({ length: 300 }, () => usageEvent());
    const additions = await applyBatch(sink, { shard: SHARD, events: streamOf(events), featureOf });
    expect(additions).toHaveLength(12);
  });
});

describe('copies of an event', () => {
  const copy = usageEvent();
  const records = (...sequences: string[]): StreamEvent[] =>
    sequences.map((sequence) => ({ event: copy, sequence, arrivedAtMs: AT_MS }));
  const kept = (events: readonly StreamEvent[]) => events.map(({ sequence }) => sequence);

  it('are left out, in one batch and across batches', () => {
    const filter = createDuplicateFilter();
    expect(kept(filter.firstOnly(SHARD, records('01', '05')))).toEqual(['01']);
    expect(kept(filter.firstOnly(SHARD, records('09')))).toEqual([]);
  });

  it('are told from the same record delivered again', () => {
    const filter = createDuplicateFilter();
    for (let delivery = 0; delivery < 3; delivery += 1)
      expect(kept(filter.firstOnly(SHARD, records('01', '05')))).toEqual(['01']);
  });

  it('are forgotten after the bound, and not before half of it', () => {
    const filter = createDuplicateFilter(10);
    filter.firstOnly(SHARD, records('01'));
    const others = (count: number) =>
      Array.from({ length: count }, () => ({ ...records('02')[0], event: usageEvent() })).flatMap(
        ({ event }) => [{ event, sequence: '02', arrivedAtMs: AT_MS }],
      );
    filter.firstOnly(SHARD, others(4));
    expect(kept(filter.firstOnly(SHARD, records('09')))).toEqual([]);
    filter.firstOnly(SHARD, others(10));
    expect(kept(filter.firstOnly(SHARD, records('09')))).toEqual(['09']);
  });
});
