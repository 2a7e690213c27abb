import { describe, expect, it } from 'vitest';
import { projectedOverrun } from '../../../core/alerts/budget.ts';
import { type Account, counterName } from '../../../core/limits/account.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';

const DAY_MS = 86_400_000;
const MONTH = 202611;
/** Ten of November's thirty days are over. */
const TENTH_MS = Date.UTC(2026, 10, 11);

function accountOf(plan: LimitPlan, spentNanoUsd: number): Account {
  return {
    status: 'active',
    limitsVersion: '1',
    plan,
    policyVersion: 1,
    latestSecond: 0,
    latestMinute: 0,
    latestDay: 0,
    holds: new Map(),
    voided: new Map(),
    counters: new Map([[counterName('settledNanoUsd', MONTH), spentNanoUsd]]),
    told: new Map(),
    shards: 1,
  };
}

function projected({ spentUsd = 40, plan = {}, nowMs = TENTH_MS, overrides = {} }) {
  const limits = { nanoUsdPerMonth: 100e9, ...plan };
  return projectedOverrun({
    account: accountOf(limits, spentUsd * 1e9),
    labels: { tenant: 'acme', team: 'search' },
    overrides,
    nowMs: nowMs,
    timeZone: 'UTC',
  });
}

describe('a budget that does not last', () => {
  it('is found by the pace of the month so far', () => {
    expect(projected({})).toMatchObject([
      {
        kind: 'budget-projection',
        isLingering: false,
        numbers: { percent: 120, spentUsd: 40, limitUsd: 100 },
      },
    ]);
  });

  it.each([
    ['that lasts', { spentUsd: 33 }],
    ['of which less than a quarter is spent', { spentUsd: 24, nowMs: TENTH_MS - 6 * DAY_MS }],
    ['in the first tenth of the month', { spentUsd: 60, nowMs: TENTH_MS - 8 * DAY_MS }],
    ['that is spent', { spentUsd: 100 }],
    ['whose team turned it off', { overrides: { 'budget-projection': 'off' } }],
    ['that is none', { plan: { nanoUsdPerMonth: undefined } }],
  ] as const)('is none %s', (_, facts) => {
    expect(projected(facts)).toEqual([]);
  });

  it('counts what an override has added', () => {
    const raise = {
      fromMs: TENTH_MS - DAY_MS,
      untilMs: TENTH_MS + 20 * DAY_MS,
      limits: { nanoUsdPerMonth: 50e9 },
      endsWithPeriod: true,
    };
    expect(projected({ plan: { raises: [raise] } })).toEqual([]);
    expect(projected({ spentUsd: 60, plan: { raises: [raise] } })).toMatchObject([
      { numbers: { percent: 120, spentUsd: 60, limitUsd: 150 } },
    ]);
  });
});
