import { describe, expect, it } from 'vitest';
import { amountOf, isAbsurd, tokensOf } from '../../../core/rollups/amounts.ts';
import { foldEvents } from '../../../core/rollups/fold.ts';
import { quantileOf } from '../../../core/rollups/histogram.ts';
import { featureName, memberOf, nameOfMember, subjectKey } from '../../../core/rollups/subjects.ts';
import { type UsageEvent, usageEventSchema } from '../../../core/usage/event.ts';
import { AT_MS, usageEvent } from './usage-events.ts';

function fold(events: readonly UsageEvent[], arrivedAtMs = AT_MS + 1_000) {
  const stream = events.map((event, index) => ({ event, sequence: String(index), arrivedAtMs }));
  return [...foldEvents(stream, (event) => event.feature ?? undefined).values()];
}

function only(event: Partial<UsageEvent>) {
  const [addition] = fold([usageEvent(event)]);
  if (addition === undefined) throw new Error('nothing was added');
  return addition.amounts;
}

describe('a usage event in rollups', () => {
  it('counts for its tenant, team, feature, model and pool, in five minutes and an hour', () => {
    const additions = fold([usageEvent()]);
    expect(
      additions.map(({ subject, granularity }) => `${granularity} ${subjectKey(subject)}`),
    ).toEqual(
      ['fiveMinutes', 'hour'].flatMap((granularity) =>
        [
          'tenant/acme:all',
          'team/acme/search:all',
          'team/acme/search:feature/answers',
          'team/acme/search:model/small',
          'model/small:all',
          'pool/main:all',
        ].map((key) => `${granularity} ${key}`),
      ),
    );
    expect(new Set(additions.map(({ startMs }) => new Date(startMs).toISOString()))).toEqual(
      new Set(['2026-11-20T10:00:00.000Z']),
    );
  });

  it('says what became of the call', () => {
    expect(
      only({ outcome: 'denied', denied_dimension: 'tokensPerMinute', model: null }),
    ).toMatchObject({
      dn: 1,
      d_tm: 1,
      rq: 1,
    });
    expect(only({ outcome: 'error', status: 429 })).toMatchObject({ er: 1, th: 1 });
    expect(only({ attempts: 3, fallback_from: 'a/b', cache_result: 'hit' })).toMatchObject({
      rt: 1,
      fb: 1,
      ch: 1,
    });
    expect(only({ tier: 'premium' })).toMatchObject({ pr: 1, pt: 150, pn: 1_000 });
    expect(only({ price_version: null, estimated: true })).toMatchObject({ up: 1, es: 1 });
    expect(only({ outcome: 'expired' })).toMatchObject({ xp: 1 });
  });

  it('does not count a refused call as one without a price or of a premium tier', () => {
    const amounts = only({ outcome: 'denied', model: null, price_version: null, tier: 'premium' });
    expect(amountOf(amounts, 'unpriced')).toBe(0);
    expect(amountOf(amounts, 'premiumRequests')).toBe(0);
  });

  it('counts by its own time, and by its arrival where its clock is far ahead', () => {
    const startOf = (event_time_ms: number) => fold([usageEvent({ event_time_ms })])[0]?.startMs;
    expect(startOf(AT_MS - 600_000)).toBe(Date.UTC(2026, 10, 20, 9, 50));
    expect(startOf(AT_MS + 240_000)).toBe(Date.UTC(2026, 10, 20, 10, 5));
    expect(startOf(AT_MS + 86_400_000 * 365)).toBe(Date.UTC(2026, 10, 20, 10, 0));
  });

  it('makes no window again that is forgotten by now', () => {
    const yesterday = fold([usageEvent({ event_time_ms: AT_MS - 3 * 86_400_000 })]);
    expect(new Set(yesterday.map(({ granularity }) => granularity))).toEqual(new Set(['hour']));
    expect(fold([usageEvent({ event_time_ms: 0 })])).toEqual([]);
  });

  it('is bounded where its figures are absurd, and refused where they are negative', () => {
    const absurd = usageEvent({ input_tokens: Number.MAX_SAFE_INTEGER, cost_nano_usd: 9e15 });
    expect(isAbsurd(absurd)).toBe(true);
    const [addition] = fold([absurd]);
    expect(tokensOf(addition?.amounts ?? {})).toBe(100_000_050);
    expect(addition?.amounts['nu']).toBe(1e14);
    expect(usageEventSchema.safeParse({ ...usageEvent(), input_tokens: -1 }).success).toBe(false);
  });
});

describe('a member of a collection', () => {
  it.each(['a/b', 'a%2Fb', '%other', 'x'.repeat(300), 'naïve\u0000', 'answers'])(
    'has a name of its own for the feature %j',
    (feature) => {
      const name = featureName(feature);
      const member = memberOf({ kind: 'feature', tenantId: 't', teamId: 'm', feature: name });
      expect(nameOfMember(member)).toEqual({ kind: 'feature', name });
      expect(name).not.toContain('/');
      expect(name).not.toBe('%other');
      expect(name.length).toBeLessThan(200);
    },
  );

  it('is read back as the model it is', () => {
    const model = 'org/model%8b';
    expect(
      nameOfMember(memberOf({ kind: 'team-model', tenantId: 't', teamId: 'm', model })),
    ).toEqual({
      kind: 'model',
      name: model,
    });
  });
});

describe('a histogram', () => {
  it('gives quantiles within their bucket', () => {
    const events = [
      ...Array.from({ length: 90 }, () => usageEvent({ duration_ms: 300 })),
      ...Array.from({ length: 10 }, () => usageEvent({ duration_ms: 5_000 })),
    ];
    const [addition] = fold(events);
    const amounts = addition?.amounts ?? {};
    const at = (share: number) => quantileOf(amounts, 'latency', share)?.ms ?? 0;
    expect(at(0.5)).toBeGreaterThan(200);
    expect(at(0.5)).toBeLessThanOrEqual(400);
    expect(at(0.95)).toBeGreaterThan(3_200);
    expect(at(0.95)).toBeLessThanOrEqual(6_400);
    expect(quantileOf({}, 'latency', 0.5)).toBeUndefined();
  });

  it('takes any duration', () => {
    for (const duration_ms of [0, 1, 50, 51, 1e9, Number.MAX_SAFE_INTEGER])
      expect(quantileOf(only({ duration_ms }), 'latency', 0.5)?.count).toBe(1);
  });
});
