/** What the sums of a team take at most, as docs/adr/0018 and docs/alerts.md state it. */
import { expect, it } from 'vitest';
import { DIMENSION_NAMES } from '../../../core/limits/dimensions.ts';
import { addInto } from '../../../core/rollups/amounts.ts';
import { foldEvents } from '../../../core/rollups/fold.ts';
import { collectionOf, MAX_FEATURES, OTHER_FEATURES } from '../../../core/rollups/subjects.ts';
import { GRANULARITIES, GRANULARITY_NAMES, windowExpiry } from '../../../core/rollups/windows.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { itemSize } from '../../support/item-size.ts';
import { AT_MS, usageEvent } from './usage-events.ts';

const SHARDS = 10;
const SEQUENCE = '4'.repeat(56);

/** Calls that leave nothing out: every refusal, every bucket of both histograms, every flag. */
function everything(): UsageEvent[] {
  const tokens = {
    input_tokens: 99_999_999,
    cached_input_tokens: 12_345_678,
    output_tokens: 99_999_999,
  };
  const durations = Array.from({ length: 16 }, (_, bucket) => 45 * 2 ** bucket);
  return [
    ...durations.map((ms) => ({ duration_ms: ms, ttft_ms: ms, tier: 'premium' as const })),
    ...DIMENSION_NAMES.map((name) => ({ outcome: 'denied' as const, denied_dimension: name })),
    {
      outcome: 'error' as const,
      status: 429,
      attempts: 3,
      fallback_from: 'other',
      estimated: true,
    },
    { outcome: 'cancelled' as const, cache_result: 'hit' as const, price_version: null },
    { outcome: 'expired' as const },
  ].map((fields) => usageEvent({ ...tokens, cost_nano_usd: 99_999_999_999, ...fields }));
}

const streamOf = (events: readonly UsageEvent[]) =>
  events.map((event) => ({ event, sequence: SEQUENCE, arrivedAtMs: AT_MS }));

it('an item with every sum that there is, of ten shards, is below a kilobyte and a half', () => {
  const [addition] = foldEvents(streamOf(everything()), () => undefined).values();
  const sums: Record<string, number> = {};
  for (let times = 0; times < 10_000; times += 1) addInto(sums, addition?.amounts ?? {});
  const marks = Object.fromEntries(Array.from({ length: SHARDS }, (_, at) => [`m${at}`, SEQUENCE]));
  const bytes = itemSize(
    { ...sums, ...marks, ttl: 1_795_000_000, sk: `1795000000/feature/${'f'.repeat(64)}` },
    '5m/team/acme/search',
  );
  expect(bytes).toBeGreaterThan(800);
  expect(bytes).toBeLessThan(1_536);
});

it('an item of one shard with two hundred calls alike is below a quarter of a kilobyte', () => {
  const events = Array.from({ length: 200 }, (_, at) => usageEvent({ duration_ms: 500 + 20 * at }));
  const [addition] = foldEvents(streamOf(events), () => undefined).values();
  const bytes = itemSize(
    { ...addition?.amounts, m0: SEQUENCE, ttl: 1_795_000_000, sk: '1795000000/all' },
    '5m/team/acme/search',
  );
  expect(bytes).toBeLessThan(256);
});

it('a team has so many items a window at most, whatever its callers invent, and all of them expire', () => {
  const events = Array.from({ length: 5_000 }, (_, at) =>
    usageEvent({ feature: `f${at}`, model_alias: `m${at % 20}` }),
  );
  const own = new Set(Array.from({ length: MAX_FEATURES }, (_, at) => `f${at}`));
  const additions = foldEvents(streamOf(events), ({ feature }) =>
    feature !== null && own.has(feature) ? feature : OTHER_FEATURES,
  );
  for (const granularity of GRANULARITY_NAMES) {
    const ofTeam = [...additions.values()].filter(
      (each) => each.granularity === granularity && collectionOf(each.subject).startsWith('team/'),
    );
    expect(ofTeam).toHaveLength(1 + MAX_FEATURES + 1 + 20);
    const { keptSeconds } = GRANULARITIES[granularity];
    for (const { startMs } of ofTeam)
      expect(windowExpiry(granularity, startMs)).toBe(startMs / 1000 + keptSeconds);
  }
  const itemsADay = (lengthMs: number) => 86_400_000 / lengthMs;
  expect(GRANULARITY_NAMES.map((name) => itemsADay(GRANULARITIES[name].lengthMs))).toEqual([
    288, 24,
  ]);
});
