import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type LimitPlan,
  limitsAt,
  mapLimits,
  planFromCodes,
  planToCodes,
  type Raise,
} from '../../../core/limits/schedule.ts';
import { shardCount, sliceOf } from '../../../core/limits/shards.ts';
import { hot } from '../../support/hot-team.ts';

const HOUR = 3_600_000;
/** A week before the month's end. */
const START = Date.UTC(2026, 10, 24);
const MONTH_END = Date.UTC(2026, 11, 1);

const someRaises = fc
  .array(
    fc.record({
      hours: fc.integer({ min: 1, max: 48 }),
      gap: fc.integer({ min: 0, max: 12 }),
      nanoUsdPerMonth: fc.integer({ min: -500, max: 2_000 }),
      requestsPerSecond: fc.option(fc.integer({ min: 0, max: 500 }), { nil: undefined }),
    }),
    { maxLength: 4 },
  )
  .map((windows): Raise[] => {
    let fromMs = START;
    return windows.map(({ hours, gap, nanoUsdPerMonth, requestsPerSecond }) => {
      fromMs += gap * HOUR;
      const untilMs = fromMs + hours * HOUR;
      const limits = {
        nanoUsdPerMonth,
        ...(requestsPerSecond === undefined ? {} : { requestsPerSecond }),
      };
      const raise = { fromMs, untilMs, limits, endsWithPeriod: untilMs === MONTH_END };
      fromMs = untilMs;
      return raise;
    });
  });

describe('a raise', () => {
  const raise = { fromMs: START, untilMs: START + HOUR, limits: { nanoUsdPerMonth: 50 } };
  const plan: LimitPlan = {
    nanoUsdPerMonth: 100,
    raises: [{ ...raise, endsWithPeriod: false }],
  };

  it('is added from its first instant to before its last', () => {
    const budgetAt = (nowMs: number) => limitsAt(plan, nowMs).nanoUsdPerMonth;
    expect([START - 1, START, START + HOUR - 1, START + HOUR].map(budgetAt)).toEqual([
      100, 150, 150, 100,
    ]);
  });

  it('limits nothing that had no limit', () => {
    const { nanoUsdPerMonth: _, ...free } = plan;
    expect(limitsAt(free, START)).toEqual({});
  });

  it('comes on top of what a schedule says', () => {
    const schedules = [
      { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 0, toMinute: 1440, timeZone: 'UTC' },
    ].map((window) => ({ ...window, limits: { nanoUsdPerMonth: 10 } }));
    expect(limitsAt({ ...plan, schedules }, START).nanoUsdPerMonth).toBe(60);
  });

  it('survives being stored in an account', () => {
    fc.assert(
      fc.property(someRaises, (raises) => {
        const stored = { nanoUsdPerMonth: 1_000, requestsPerSecond: 2_000, raises };
        const { raises: _, ...without } = stored;
        expect(planFromCodes(planToCodes(stored))).toEqual(raises.length === 0 ? without : stored);
      }),
    );
  });

  it('is shared so that the slices sum to the limit at any time', () => {
    fc.assert(
      fc.property(someRaises, fc.nat(400), (raises, hours) => {
        const whole = { nanoUsdPerMonth: 1_001, requestsPerSecond: 2_003, raises };
        const nowMs = START + hours * HOUR;
        const slices = Array.from({ length: 7 }, (_, index) => sliceOf(whole, index, 7));
        for (const dimension of ['nanoUsdPerMonth', 'requestsPerSecond'] as const) {
          const sum = slices.reduce(
            (all, each) => all + (limitsAt(each, nowMs)[dimension] ?? 0),
            0,
          );
          expect(sum).toBe(limitsAt(whole, nowMs)[dimension]);
        }
        expect(mapLimits(whole, (limit) => limit)).toEqual(whole);
      }),
    );
  });

  it('leaves a hot scope its shards where it ends with the month, and none where it ends before', () => {
    const hotPlan = (endsWithPeriod: boolean): LimitPlan => ({
      ...hot(1_000),
      raises: [{ ...raise, endsWithPeriod }],
    });
    expect(shardCount(hotPlan(true))).toBe(shardCount(hot(1_000)));
    expect(shardCount(hotPlan(true))).toBeGreaterThan(1);
    expect(shardCount(hotPlan(false))).toBe(1);
  });
});
