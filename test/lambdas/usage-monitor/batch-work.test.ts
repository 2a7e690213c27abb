import type { KinesisStreamRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import type { Addition } from '../../../core/rollups/fold.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { createBatchWork } from '../../../lambdas/usage-monitor/batch-work.ts';
import { kinesisRecord } from '../../support/kinesis-record.ts';
import { USAGE_EVENT } from '../../support/ledger-lake.ts';

const ARRIVED_SECONDS = USAGE_EVENT.event_time_ms / 1000;

function recordOf(sequence: number, data: string): KinesisStreamRecord {
  return kinesisRecord(sequence, { data, arrivedSeconds: ARRIVED_SECONDS });
}

function usage(sequence: number, changed: Partial<UsageEvent> = {}): KinesisStreamRecord {
  const event = { ...USAGE_EVENT, request_id: `req_${sequence}`, ...changed };
  return recordOf(sequence, JSON.stringify(event));
}

/** Everything around the batch; the test says which part is out of order. */
function world() {
  const down = new Set<'budgets' | 'softLimits' | 'rollups' | 'watchman'>();
  const failIf = (part: Parameters<typeof down.has>[0]) => {
    if (down.has(part)) throw new Error(`${part} is out`);
  };
  const added: Addition[] = [];
  const checked: (readonly UsageEvent[])[] = [];
  const watched: number[] = [];
  const measured: Record<string, number> = {};
  const reported: string[] = [];
  const work = createBatchWork({
    budgets: {
      async check(events) {
        checked.push(events);
        failIf('budgets');
        return [];
      },
    },
    softLimits: { check: async () => failIf('softLimits') },
    rollups: {
      async add(_shard, addition) {
        failIf('rollups');
        added.push(addition);
        return { kind: 'added' };
      },
    },
    index: { admitFeature: async (_team, _day, feature) => new Set([feature]) },
    watchman: {
      async afterBatch(additions) {
        failIf('watchman');
        watched.push(additions.length);
      },
    },
    measure: (name, count) => {
      measured[name] = (measured[name] ?? 0) + (count ?? 1);
    },
    report: (incident) => reported.push(incident),
  });
  return { work, down, added, checked, watched, measured, reported };
}

const DONE = { batchItemFailures: [] };

describe('a batch', () => {
  it('that is done asks for nothing again', async () => {
    const { work, added, watched } = world();
    expect(await work([usage(1), usage(2)])).toEqual(DONE);
    expect(added.length).toBeGreaterThan(0);
    expect(watched).toEqual([added.length]);
  });

  it.each([
    ['budgets', 'budget check failed'],
    ['softLimits', 'budget check failed'],
    ['rollups', 'rollups not written'],
    ['watchman', 'incidents not checked'],
  ] as const)('comes again from its first record when %s fails', async (part, incident) => {
    const { work, down, reported } = world();
    down.add(part);
    expect(await work([usage(7), usage(8)])).toEqual({
      batchItemFailures: [{ itemIdentifier: '7' }],
    });
    expect(reported).toEqual([incident]);
  });

  it('has its sums kept and its incidents looked for while budgets cannot be told', async () => {
    const { work, down, added, watched } = world();
    down.add('budgets');
    await work([usage(1)]);
    expect(added.length).toBeGreaterThan(0);
    expect(watched).toEqual([added.length]);
  });

  it('is not held up by a poison record, which is reported and passed over', async () => {
    const { work, checked, reported } = world();
    expect(await work([recordOf(1, 'no JSON'), recordOf(2, '{}'), usage(3)])).toEqual(DONE);
    expect(checked.map((events) => events.length)).toEqual([1]);
    expect(reported).toEqual(['record not readable', 'record not readable']);
  });

  it('counts copies once, and measures copies, absurd usage and clocks far ahead', async () => {
    const { work, checked, measured } = world();
    const copy = { request_id: 'req_1' };
    await work([
      usage(1),
      usage(2, copy),
      usage(3, { input_tokens: 10 ** 12 }),
      usage(4, { event_time_ms: USAGE_EVENT.event_time_ms + 86_400_000 }),
    ]);
    expect(checked.map((events) => events.length)).toEqual([3]);
    expect(measured).toEqual({ duplicateEvents: 1, absurdUsage: 1, eventsOutOfTime: 1 });
  });
});
