import { describe, expect, it } from 'vitest';
import { type Hours, referenceHours, usualAt } from '../../../core/alerts/baseline.ts';
import { detectTeam, detectWhole } from '../../../core/alerts/detect.ts';
import { incidentEvent } from '../../../core/alerts/event-schema.ts';
import type { Finding } from '../../../core/alerts/finding.ts';
import { afterFinding } from '../../../core/alerts/incidents.ts';
import { DETECTOR_KINDS } from '../../../core/alerts/thresholds.ts';
import type { TeamView, WholeView } from '../../../core/alerts/view.ts';
import { AMOUNTS, type Rollup } from '../../../core/rollups/amounts.ts';
import { bucketCode } from '../../../core/rollups/histogram.ts';

const NOW_MS = Date.UTC(2026, 10, 20, 10, 9);
const HOUR_MS = 3_600_000;

/** A hundred calls of two thousand tokens, or what the test makes of them. */
function rollup(
  fields: Partial<Record<keyof typeof AMOUNTS, number>> = {},
  more: Rollup = {},
): Rollup {
  const all = {
    requests: 100,
    inputTokens: 200_000,
    squaredTokens: 40_000,
    nanoUsd: 4e8,
    ...fields,
  };
  const codes: Record<string, string> = AMOUNTS;
  return {
    ...Object.fromEntries(
      Object.entries(all).map(([name, amount]) => [codes[name] ?? name, amount]),
    ),
    ...more,
  };
}

function scaled(one: Rollup, times: number): Rollup {
  return Object.fromEntries(Object.entries(one).map(([code, amount]) => [code, amount * times]));
}

const calm = rollup();
const usualHours = (hour: Rollup): Hours => new Map(referenceHours(NOW_MS).map((at) => [at, hour]));
const usual = usualAt(usualHours(scaled(calm, 12)), NOW_MS);

function team(fields: Partial<TeamView> = {}): TeamView {
  const recent = fields.recent ?? [calm, calm, calm, calm];
  return {
    labels: { tenant: 'acme', team: 'search' },
    overrides: {},
    elapsed: 1,
    isHourBegun: true,
    recent,
    usual,
    tenant: recent.map((window) => scaled(window, 3)),
    features: new Map([['answers', recent]]),
    models: new Map([['small', recent]]),
    dedicated: new Set(),
    ...fields,
  };
}

function whole(window: Rollup, fields: Partial<WholeView> = {}): WholeView {
  const { labels, overrides, elapsed, isHourBegun } = team();
  return { labels, overrides, elapsed, isHourBegun, usual, recent: [window, window], ...fields };
}

/** Kinds that would open an incident. */
function kinds(findings: readonly Finding[]): string[] {
  return findings.filter(({ isLingering }) => !isLingering).map(({ kind }) => kind);
}

const rising = (now: Rollup) => [now, calm, calm, calm];

const slow: Rollup = { [bucketCode('latency', 9_000)]: 60, [bucketCode('ttft', 4_000)]: 60 };
const fast: Rollup = { [bucketCode('latency', 900)]: 600, [bucketCode('ttft', 300)]: 600 };
const usualWithTimes = usualAt(usualHours({ ...scaled(calm, 12), ...fast }), NOW_MS);
const errors = rollup({ errors: 20, retried: 20 });

const FOUND: readonly (readonly [string, Finding[]])[] = [
  ['spike', detectTeam(team({ recent: rising(scaled(calm, 5)) }))],
  ['denial-storm', detectTeam(team({ models: new Map([['small', [rollup({ denied: 40 })]]]) }))],
  [
    'premium-switch',
    detectTeam(team({ recent: rising(rollup({ premiumNanoUsd: 3e8, premiumTokens: 5e4 })) })),
  ],
  ['expensive-model', detectTeam(team({ recent: rising(rollup({ nanoUsd: 4e9 })) }))],
  ['feature-share', detectTeam(team({ tenant: [1, 2, 3, 4].map(() => scaled(calm, 1.2)) }))],
  [
    'share-doubled',
    detectTeam(
      team({
        tenant: [calm, calm, calm, calm].map((window) => scaled(window, 1.5)),
        features: new Map([['answers', [calm, calm, scaled(calm, 0.2), scaled(calm, 0.2)]]]),
      }),
    ),
  ],
  ['pool-headroom', detectWhole(whole(calm, { perMinute: { requests: 25, tokens: 1e9 } }))],
  ['error-rate', detectWhole(whole(errors))],
  ['latency', detectWhole(whole(rollup({}, slow), { usual: usualWithTimes }))],
  ['first-token', detectWhole(whole(rollup({}, slow), { usual: usualWithTimes }))],
  ['retry-rate', detectWhole(whole(errors))],
  ['estimated-usage', detectWhole(whole(rollup({ estimated: 8 })))],
  ['unpriced-usage', detectWhole(whole(rollup({ unpriced: 5 })))],
  ['expired-holds', detectWhole(whole(rollup({ expired: 5 })))],
];

describe('detectors', () => {
  it('find nothing in calm traffic', () => {
    expect(
      kinds(detectTeam(team({ tenant: [calm, calm].map((each) => scaled(each, 3)) }))),
    ).toEqual([]);
    expect(kinds(detectWhole(whole(calm, { perMinute: { requests: 100 } })))).toEqual([]);
  });

  it.each(FOUND)('find %s', (kind, findings) => {
    expect(kinds(findings)).toContain(kind);
  });

  it('are all tested here, but the one that looks at accounts', () => {
    expect([...FOUND.map(([kind]) => kind), 'budget-projection'].toSorted()).toEqual(
      DETECTOR_KINDS.toSorted(),
    );
  });

  it.each(FOUND)('give %s the numbers that the schema of its event says', (kind, findings) => {
    const finding = findings.find((each) => each.kind === kind);
    if (finding === undefined) throw new Error('not found');
    const scope = { kind: 'team', tenantId: 'acme', teamId: 'search' } as const;
    const incident = afterFinding(undefined, { finding, scope, owner: 'ann' }, NOW_MS);
    if (incident === undefined) throw new Error('not opened');
    expect(incidentEvent(incident)).toMatchObject({
      kind,
      state: 'opened',
      tenant: 'acme',
      owner: 'ann',
      since: '2026-11-20T10:09:00.000Z',
      runbook: `docs/runbook.md#${kind}`,
    });
  });

  it('say what a million tokens cost in dollars', () => {
    // Four dollars for 200,000 tokens.
    const [finding] = detectTeam(team({ recent: rising(rollup({ nanoUsd: 4e9 })) })).filter(
      ({ kind }) => kind === 'expensive-model',
    );
    expect(finding?.numbers).toEqual({
      times: 10,
      usdPerMillionTokens: 20,
      usualUsdPerMillionTokens: 2,
    });
    expect(finding?.summary).toBe('a million tokens cost $20, where $2 is usual');
  });

  it('say nothing when the policy turns them off, and use its threshold', () => {
    const recent = rising(scaled(calm, 5));
    expect(kinds(detectTeam(team({ recent, overrides: { spike: 'off' } })))).not.toContain('spike');
    expect(kinds(detectTeam(team({ recent, overrides: { spike: 50 } })))).not.toContain('spike');
    expect(kinds(detectTeam(team({ recent, overrides: { spike: 'on' } })))).toContain('spike');
  });

  it('compare nothing for a team without a history, and make no noise of it', () => {
    const recent = rising(scaled(calm, 50));
    const findings = detectTeam(team({ recent, usual: undefined, features: new Map() }));
    expect(kinds(findings)).toEqual([]);
  });

  it('find nothing in empty windows, whatever is usual', () => {
    expect(
      detectTeam(team({ recent: [], tenant: [], features: new Map([['answers', []]]) })),
    ).toEqual([]);
    expect(detectWhole(whole({}))).toEqual([]);
  });

  it('bear negative and absurd sums', () => {
    for (const amount of [-1e9, Number.MAX_VALUE, Number.NaN]) {
      const odd = rollup({
        inputTokens: amount,
        requests: amount,
        nanoUsd: amount,
        denied: amount,
      });
      expect(() => detectTeam(team({ recent: [odd, odd, odd, odd] }))).not.toThrow();
      expect(() => detectWhole(whole(odd))).not.toThrow();
    }
  });
});

describe('a share of tokens', () => {
  it('needs two windows', () => {
    const tenant = [scaled(calm, 1.2), scaled(calm, 3), scaled(calm, 3), scaled(calm, 3)];
    expect(kinds(detectTeam(team({ tenant })))).not.toContain('feature-share');
  });

  it('is the feature\u2019s own where it has limits of its own, or nobody else calls', () => {
    const tenant = [1, 2, 3, 4].map(() => scaled(calm, 1.2));
    const dedicated = new Set(['answers']);
    expect(kinds(detectTeam(team({ tenant, dedicated })))).not.toContain('feature-share');
    expect(kinds(detectTeam(team({ tenant: [calm, calm, calm, calm] })))).not.toContain(
      'feature-share',
    );
  });
});

describe('what is usual', () => {
  const at = (days: number) => Date.UTC(2026, 10, 20, 10) - days * 24 * HOUR_MS;
  const hours = (tokens: Readonly<Record<number, number>>): Hours =>
    new Map(
      Object.entries(tokens).map(([days, inputTokens]) => [
        at(Number(days)),
        rollup({ inputTokens }),
      ]),
    );

  it('is the median of the same hour of earlier weeks, which one outlier does not move', () => {
    const steady = usualAt(hours({ 7: 1200, 14: 1200, 21: 1200, 28: 1200 }), NOW_MS);
    const outlier = usualAt(hours({ 7: 9e9, 14: 1200, 21: 1200, 28: 1200 }), NOW_MS);
    expect(steady?.tokens).toBe(100);
    expect(outlier?.tokens).toBe(100);
    expect(outlier?.relativeDeviation).toBe(steady?.relativeDeviation);
  });

  it('is taken from the last days until there are three weeks', () => {
    const days = usualAt(hours({ 1: 1200, 2: 1200, 3: 1200, 4: 1200 }), NOW_MS);
    expect(days?.tokens).toBe(100);
    expect(usualAt(hours({ 1: 1200, 2: 1200, 3: 1200 }), NOW_MS)).toBeUndefined();
    expect(usualAt(new Map(), NOW_MS)).toBeUndefined();
  });

  it('counts an hour without events as quiet only after the subject began', () => {
    expect(usualAt(hours({ 7: 2400, 21: 2400 }), NOW_MS)?.tokens).toBe(200);
    expect(usualAt(hours({ 7: 2400, 14: 0, 35: 2400 }), NOW_MS)?.tokens).toBe(0);
  });
});
