/**
 * A day of calls whose events have a hard time: puts are refused, processes die between every two steps,
 * deliveries come one to five times, in any order, up to a day late. Gives what arrives in the lake and when,
 * and what each request is worth in the end. The steps are the project's own code; the world around them is seeded.
 */
import { nanoUsd } from '../../../core/money.ts';
import { costOfUsage } from '../../../core/usage/cost.ts';
import { type UsageEvent, usageEventSchema } from '../../../core/usage/event.ts';
import type { TokenUsage } from '../../../core/usage/tokens.ts';
import { usageSink } from '../../../lambdas/adapters/usage-stream.ts';
import { drain } from '../../../lambdas/spill-drain/drain.ts';
import { EXPIRED_EVENT, USAGE_EVENT } from '../../support/ledger-lake.ts';
import { createRandom, type Random } from '../random.ts';

interface Arrival {
  readonly atMs: number;
  readonly event: UsageEvent;
}

export interface History {
  readonly arrivals: readonly Arrival[];
  /** The best that is known of each request in the end. */
  readonly truth: ReadonlyMap<string, UsageEvent>;
  readonly counts: Readonly<Record<Count, number>>;
}

type Count = 'refusedPuts' | 'spilled' | 'drained' | 'crashes' | 'expired' | 'delivered';

/** The last twelve hours of a month and the first twelve of the next. */
export const FIRST_CALL_MS = Date.parse('2026-10-31T12:00:00Z');
const DAY_MS = 86_400_000;
/** Holds live for 15 minutes, and the reaper comes once a minute. */
const REAPED_AFTER_MS = 16 * 60_000;

const PRICE = { version: 'p1', input: 1_250_001, cachedInput: 125_003, output: 10_000_007 };
const MODELS = ['small', 'large', 'huge'];

export async function makeHistory({
  seed,
  requests,
}: {
  seed: number;
  requests: number;
}): Promise<History> {
  const world = createWorld(createRandom(seed));
  for (let index = 0; index < requests; index += 1) await world.call(index);
  return world;
}

/** Where a process may die. Between two steps each; `never` is the usual case. */
const DEATHS = {
  never: 0.94,
  beforePut: 0.015,
  afterPut: 0.015,
  afterSpill: 0.015,
  inReaper: 0.015,
};

function createWorld(random: Random) {
  const arrivals: Arrival[] = [];
  const truth = new Map<string, UsageEvent>();
  const counts = { refusedPuts: 0, spilled: 0, drained: 0, crashes: 0, expired: 0, delivered: 0 };
  let nowMs = FIRST_CALL_MS;

  /** True when the record is durable: from now on it is delivered, at least once. */
  function streamTakes(json: string): boolean {
    if (random.chance(0.1)) {
      counts.refusedPuts += 1;
      return false;
    }
    const event = usageEventSchema.parse(JSON.parse(json));
    for (let copies = random.between(1, 5); copies > 0; copies -= 1) {
      counts.delivered += 1;
      arrivals.push({ atMs: nowMs + random.between(1_000, DAY_MS), event });
    }
    return true;
  }

  async function spill(event: UsageEvent): Promise<void> {
    counts.spilled += 1;
    let queue = [{ messageId: event.request_id, body: JSON.stringify(event) }];
    while (queue.length > 0) {
      const staying = await drain(
        {
          putRecords: async (records) => records.map(({ data }) => streamTakes(data)),
          report: (incident) => {
            if (incident === 'record not readable') throw new Error('no event of ours is poison');
          },
        },
        queue,
      );
      // The drain's answer may be lost: then what was put comes again.
      const isAnswerLost = random.chance(0.05);
      queue = isAnswerLost ? queue : queue.filter(({ messageId }) => staying.includes(messageId));
    }
    counts.drained += 1;
  }

  const sink = usageSink({
    putToStream: async (event) => {
      const isTaken = streamTakes(JSON.stringify(event));
      // A put that was taken may still look refused.
      if (!isTaken || random.chance(0.01)) throw new Error('refused');
    },
    spill,
    report: () => undefined,
  });

  async function reap(event: UsageEvent, isReaperDying: boolean): Promise<void> {
    counts.expired += 1;
    nowMs += REAPED_AFTER_MS;
    const expired: UsageEvent = {
      ...EXPIRED_EVENT,
      request_id: event.request_id,
      event_time_ms: nowMs,
      period: event.period,
      input_tokens: 4_000,
      output_tokens: 1_000,
      cost_nano_usd: event.held_nano_usd,
      held_nano_usd: event.held_nano_usd,
    };
    await sink.put(expired);
    // Died after the event and before the hold: the next round does both again.
    if (isReaperDying) await sink.put(expired);
    nowMs -= REAPED_AFTER_MS;
    if (!truth.has(event.request_id)) truth.set(event.request_id, expired);
  }

  return {
    arrivals,
    truth,
    counts,
    async call(index: number) {
      nowMs = FIRST_CALL_MS + random.between(0, DAY_MS);
      const event = eventOf(random, index, nowMs);
      const death = random.weighted(DEATHS);
      if (death !== 'never') counts.crashes += 1;
      if (death === 'beforePut' || death === 'inReaper') return reap(event, death === 'inReaper');
      truth.set(event.request_id, event);
      await (death === 'afterSpill' ? spill(event) : sink.put(event));
      // The event is safe and the hold is not settled: the reaper cannot know.
      if (death !== 'never') await reap(event, random.chance(0.1));
    },
  };
}

function eventOf(random: Random, index: number, nowMs: number): UsageEvent {
  const usage: TokenUsage = {
    inputTokens: random.between(0, 200_000),
    cachedInputTokens: random.between(0, 50_000),
    outputTokens: random.between(0, 16_000),
    reasoningTokens: undefined,
  };
  const model = random.pick(MODELS);
  return {
    ...USAGE_EVENT,
    request_id: `req_${index}_${random.text(8)}`,
    event_time_ms: nowMs,
    period: new Date(nowMs).toISOString().slice(0, 7),
    team_id: `team-${random.between(1, 20)}`,
    model,
    model_alias: model,
    input_tokens: usage.inputTokens,
    cached_input_tokens: usage.cachedInputTokens,
    output_tokens: usage.outputTokens,
    cost_nano_usd: costOfUsage(usage, PRICE),
    held_nano_usd: nanoUsd(random.between(1_000_000, 900_000_000)),
    duration_ms: random.between(1, 60_000),
  };
}
