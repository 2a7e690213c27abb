import { describe, expect, it } from 'vitest';
import { MAX_FEATURES, OTHER_FEATURES } from '../../../core/rollups/subjects.ts';
import type { UsageEvent } from '../../../core/usage/event.ts';
import { createFeatureNames } from '../../../lambdas/usage-monitor/feature-names.ts';
import { AT_MS, usageEvent } from '../../core/rollups/usage-events.ts';

const DAY_MS = 86_400_000;

/** As the table does it: a feature has a sum of its own unless so many others of the team and day have one. */
function index() {
  const admitted = new Map<string, Set<string>>();
  const asked: string[] = [];
  return {
    asked,
    async admitFeature(team: string, day: number, feature: string) {
      asked.push(`${team} ${feature}`);
      const names = admitted.get(`${team} ${day}`) ?? new Set();
      if (names.size < MAX_FEATURES) names.add(feature);
      admitted.set(`${team} ${day}`, names);
      return new Set(names);
    },
  };
}

function streamOf(fields: readonly Partial<UsageEvent>[]) {
  return fields.map((each, at) => {
    const event = usageEvent(each);
    return { event, sequence: String(at), arrivedAtMs: event.event_time_ms };
  });
}

async function namesOf(
  names: ReturnType<typeof createFeatureNames>,
  fields: readonly Partial<UsageEvent>[],
) {
  const events = streamOf(fields);
  const featureOf = await names.resolve(events);
  return events.map(({ event }) => featureOf(event));
}

describe('features of a batch', () => {
  it('are asked for once, and none where a call has none', async () => {
    const store = index();
    const names = createFeatureNames(store);
    const calls = [{ feature: 'a' }, { feature: null }, { feature: 'b' }, { feature: 'a' }];
    expect(await namesOf(names, calls)).toEqual(['a', undefined, 'b', 'a']);
    expect(await namesOf(names, calls)).toEqual(['a', undefined, 'b', 'a']);
    expect(store.asked).toEqual(['team/acme/search a', 'team/acme/search b']);
  });

  it('beyond so many of a team a day are one, and the table is not asked for more', async () => {
    const store = index();
    const names = createFeatureNames(store);
    const invented = Array.from({ length: MAX_FEATURES + 40 }, (_, at) => ({ feature: `f${at}` }));
    const found = await namesOf(names, invented);
    expect(found.slice(0, MAX_FEATURES)).toEqual(
      invented.slice(0, MAX_FEATURES).map(({ feature }) => feature),
    );
    expect(new Set(found.slice(MAX_FEATURES))).toEqual(new Set([OTHER_FEATURES]));
    expect(store.asked).toHaveLength(MAX_FEATURES);
  });

  it('have the same names in another environment that sees the records again', async () => {
    const store = index();
    const invented = Array.from({ length: MAX_FEATURES + 9 }, (_, at) => ({ feature: `f${at}` }));
    const first = await namesOf(createFeatureNames(store), invented);
    expect(await namesOf(createFeatureNames(store), invented)).toEqual(first);
  });

  it('are told apart by team and by day', async () => {
    const store = index();
    const names = createFeatureNames(store);
    const full = Array.from({ length: MAX_FEATURES }, (_, at) => ({ feature: `f${at}` }));
    await namesOf(names, full);
    const more = [{}, { team_id: 'support' }, { event_time_ms: AT_MS - DAY_MS }];
    expect(
      await namesOf(
        names,
        more.map((each) => ({ ...each, feature: 'new' })),
      ),
    ).toEqual([OTHER_FEATURES, 'new', 'new']);
  });

  it('fail the batch when the table does, and are asked for again with the next', async () => {
    const store = index();
    let isDown = true;
    const names = createFeatureNames({
      async admitFeature(team, day, feature) {
        if (isDown) throw new Error('throttled');
        return store.admitFeature(team, day, feature);
      },
    });
    await expect(namesOf(names, [{ feature: 'a' }])).rejects.toThrow('throttled');
    isDown = false;
    expect(await namesOf(names, [{ feature: 'a' }])).toEqual(['a']);
  });
});
