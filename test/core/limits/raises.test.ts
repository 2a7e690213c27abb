import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAccount } from '../../../core/limits/account.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import { calendarDay } from '../../../core/limits/periods.ts';
import { momentOf } from '../../../core/limits/reserve.ts';
import {
  type LimitPlan,
  limitsAt,
  mapLimits,
  planFromCodes,
  planToCodes,
  type Raise,
} from '../../../core/limits/schedule.ts';
import { shardCount, sliceOf, sumAccounts } from '../../../core/limits/shards.ts';
import { hot, TEAM } from '../../support/hot-team.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

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

const operation = fc.record({
  kind: fc.constantFrom('reserve', 'reserve', 'reserve', 'settle', 'release', 'wait', 'raise'),
  pick: fc.nat(1_000),
  nanoUsd: fc.integer({ min: 0, max: 400 }),
  hours: fc.integer({ min: 1, max: 60 }),
  amount: fc.integer({ min: 0, max: 1_500 }),
  endsWithPeriod: fc.boolean(),
});

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Reserves, settles, waits and raises; after each step the account is held to plain arithmetic. */
async function live(plan: LimitPlan, operations: readonly Operation[]) {
  const memory = createMemoryStore();
  let nowMs = START;
  const monthOf = (at: number) => calendarDay(at, 'UTC').month;
  const setUp = (next: LimitPlan) =>
    memory.setUp(TEAM, next, momentOf(nowMs, calendarDay(nowMs, 'UTC')));
  setUp(plan);
  let current = plan;
  const environments = [0, 1].map(() =>
    createAccounts({ store: memory, clock: { nowMs: () => nowMs } }),
  );
  const open: { reservation: Reservation; nanoUsd: number; month: number }[] = [];
  const committed = new Map<number, number>();
  const spend = (month: number, nanoUsd: number) =>
    committed.set(month, (committed.get(month) ?? 0) + nanoUsd);
  for (const [index, { kind, pick, nanoUsd, ...op }] of operations.entries()) {
    const accounts =
      environments[pick % 2] ?? createAccounts({ store: memory, clock: { nowMs: () => nowMs } });
    const month = monthOf(nowMs);
    if (kind === 'wait') nowMs += op.hours * HOUR;
    else if (kind === 'raise') {
      const untilMs = op.endsWithPeriod && nowMs < MONTH_END ? MONTH_END : nowMs + op.hours * HOUR;
      const raise = {
        fromMs: nowMs,
        untilMs,
        limits: { nanoUsdPerMonth: op.amount },
        endsWithPeriod: untilMs === MONTH_END,
      };
      current = { ...plan, raises: [raise] };
      setUp(current);
    } else if (kind === 'reserve') {
      const outcome = await accounts.reserve({
        requestId: `req_${index.toString(36).padStart(8, '0')}`,
        alias: 'm',
        demand: { nanoUsd, inputTokens: 0, outputTokens: 0 },
        scopes: [{ scope: TEAM, limits: plan }],
        timeZone: 'UTC',
        holdSeconds: 10_000_000,
      });
      const budget = limitsAt(current, nowMs).nanoUsdPerMonth ?? 0;
      const fits = (committed.get(month) ?? 0) + nanoUsd <= budget;
      expect(outcome.kind).toBe(fits ? 'reserved' : 'refused');
      if (outcome.kind !== 'reserved') continue;
      open.push({ reservation: outcome, nanoUsd, month });
      spend(month, nanoUsd);
    } else {
      const [call] = open.splice(open.length === 0 ? 0 : pick % open.length, 1);
      if (call === undefined) continue;
      const actual = kind === 'settle' ? Math.min(nanoUsd, call.nanoUsd) : 0;
      spend(call.month, actual - call.nanoUsd);
      if (kind === 'release') await accounts.release(call.reservation);
      else
        await accounts.settle(call.reservation, {
          nanoUsd: actual,
          inputTokens: 0,
          outputTokens: 0,
        });
    }
    const [first, ...others] = memory.shardsOf(TEAM).map(({ account }) => account);
    const whole = sumAccounts([first ?? parseAccount({}), ...others]);
    expect(limitsAt(whole.plan, nowMs)).toEqual(limitsAt(current, nowMs));
    expect(limitsAt(whole.plan, MONTH_END + 90 * 24 * HOUR)).toEqual(limitsAt(plan, 0));
  }
}

describe('a budget that is raised for a while', () => {
  it('is never spent beyond what holds at the moment, and never refuses what fits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), (operations) =>
        live({ nanoUsdPerMonth: 1_000 }, operations),
      ),
      { numRuns: 200 },
    );
  });

  it('does so in all shards of a hot scope together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), (operations) =>
        live(hot(1_000), operations),
      ),
      { numRuns: 200 },
    );
  });
});
