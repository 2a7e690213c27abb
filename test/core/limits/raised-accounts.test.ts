import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endOfPeriod, type Override } from '../../../core/governance/overrides.ts';
import { withOverrides } from '../../../core/governance/raises-of.ts';
import { parseAccount } from '../../../core/limits/account.ts';
import { type Accounts, createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import { usedOf } from '../../../core/limits/denial.ts';
import { calendarDay } from '../../../core/limits/periods.ts';
import { momentOf } from '../../../core/limits/reserve.ts';
import { type LimitPlan, limitsAt } from '../../../core/limits/schedule.ts';
import { hasScheduledBudget, sumAccounts } from '../../../core/limits/shards.ts';
import { hot, TEAM } from '../../support/hot-team.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** What was refused is remembered for a second. */
const MEMORY = 1_001;
/** Some hours before a day's end, and a day before a month's. */
const START = Date.UTC(2026, 10, 29, 18);
const FAR = START + 400 * DAY;
const BUDGETS = ['nanoUsdPerDay', 'nanoUsdPerMonth'] as const;

type Budget = (typeof BUDGETS)[number];

type Operation =
  | {
      readonly kind: 'reserve';
      readonly nanoUsd: number;
      readonly environment: number;
      /** It asks for what is left, and `nanoUsd` decides whether for a little more or less. */
      readonly isRest?: boolean;
    }
  | { readonly kind: 'settle' | 'release'; readonly pick: number; readonly nanoUsd: number }
  | { readonly kind: 'wait'; readonly hours: number }
  | { readonly kind: 'policy'; readonly pick: number }
  | {
      readonly kind: 'override';
      readonly what: 'raise' | 'allocation' | 'transfer';
      readonly dimension: Budget | 'requestsPerSecond';
      readonly amount: number;
      readonly hours: number;
    };

const amounts = fc.oneof(fc.nat(12), fc.nat(60), fc.nat(400));
const hours = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 40 }));
const reserveOperation = fc.record({
  kind: fc.constant('reserve' as const),
  nanoUsd: amounts,
  environment: fc.nat(2),
  isRest: fc.constantFrom(false, false, false, true),
});
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { arbitrary: reserveOperation, weight: 8 },
  {
    arbitrary: fc.record({
      kind: fc.constantFrom('settle' as const, 'release' as const),
      pick: fc.nat(1_000),
      nanoUsd: amounts,
    }),
    weight: 4,
  },
  { arbitrary: fc.record({ kind: fc.constant('wait' as const), hours }), weight: 2 },
  {
    arbitrary: fc.record({
      kind: fc.constant('override' as const),
      what: fc.constantFrom(
        'raise' as const,
        'raise' as const,
        'allocation' as const,
        'transfer' as const,
      ),
      dimension: fc.constantFrom(
        ...BUDGETS,
        'nanoUsdPerMonth' as const,
        'requestsPerSecond' as const,
      ),
      amount: fc.integer({ min: 1, max: 1_500 }),
      hours,
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ kind: fc.constant('policy' as const), pick: fc.nat(10) }), weight: 1 },
);

/** Reserves, settles, waits, overrides and policies; each answer is held to plain arithmetic. */
async function live(policies: readonly LimitPlan[], operations: readonly Operation[]) {
  const world = createWorld(policies);
  for (const [index, op] of operations.entries()) {
    switch (op.kind) {
      case 'wait':
        world.wait(op.hours);
        break;
      case 'policy':
        world.apply(policies[op.pick % policies.length] ?? {});
        break;
      case 'override':
        world.override(index, op);
        break;
      case 'reserve':
        await world.reserve(index, op);
        break;
      case 'settle':
      case 'release':
        await world.close(op);
    }
    world.check();
  }
}

function createWorld([first = {}]: readonly LimitPlan[]) {
  const memory = createMemoryStore();
  const overrides: Override[] = [];
  const books = createBooks();
  const open: { reservation: Reservation; nanoUsd: number; atMs: number; by: Accounts }[] = [];
  let nowMs = START;
  let base = first;
  let plans: readonly LimitPlan[] = [first, first, first];
  const environments = plans.map(() =>
    createAccounts({ store: memory, clock: { nowMs: () => nowMs } }),
  );
  const current = () => plans[2] ?? first;
  const at = () => momentOf(nowMs, calendarDay(nowMs, 'UTC'));
  const setUp = (next: LimitPlan) => {
    base = next;
    nowMs += MEMORY;
    // The first environment never hears of a change, the second one late.
    plans = [first, current(), raised(base, overrides, nowMs)];
    memory.setUp(TEAM, current(), at());
    const isExact = memory.shardsOf(TEAM).length === 1 || hasScheduledBudget(current());
    books.noteChange(limitsAt(current(), nowMs), { nowMs, isExact });
  };
  setUp(first);
  return {
    wait(hours: number) {
      nowMs += hours * HOUR;
    },
    apply: setUp,
    override(index: number, { what, dimension, ...op }: Extract<Operation, { kind: 'override' }>) {
      const kind = dimension === 'requestsPerSecond' ? 'raise' : what;
      const untilMs =
        kind === 'raise' ? nowMs + op.hours * HOUR : endOfPeriod(dimension, nowMs, 'UTC');
      overrides.push(
        newOverride({
          id: `o${index}`,
          kind,
          dimension,
          amount: op.amount,
          fromMs: nowMs,
          untilMs,
        }),
      );
      setUp(base);
    },
    async reserve(index: number, op: Extract<Operation, { kind: 'reserve' }>) {
      const { environment, isRest } = op;
      const limits = limitsAt(current(), nowMs);
      const rest = Math.max(0, books.left(limits, nowMs) + (op.nanoUsd % 5) - 3);
      const nanoUsd = isRest === true ? rest : op.nanoUsd;
      const by =
        environments[environment] ??
        createAccounts({ store: memory, clock: { nowMs: () => nowMs } });
      const outcome = await by.reserve({
        requestId: `req_${index.toString(36).padStart(8, '0')}`,
        alias: 'm',
        demand: { nanoUsd, inputTokens: 0, outputTokens: 0 },
        scopes: [{ scope: TEAM, limits: plans[environment] ?? current() }],
        timeZone: 'UTC',
        holdSeconds: 10_000_000,
      });
      expect(books.answers(limits, nowMs, nanoUsd)).toContain(outcome.kind);
      if (outcome.kind !== 'reserved') return;
      open.push({ reservation: outcome, nanoUsd, atMs: nowMs, by });
      books.spend(nowMs, nanoUsd);
    },
    async close({ kind, pick, nanoUsd }: Extract<Operation, { kind: 'settle' | 'release' }>) {
      const [call] = open.splice(open.length === 0 ? 0 : pick % open.length, 1);
      if (call === undefined) return;
      const actual = kind === 'settle' ? Math.min(nanoUsd, call.nanoUsd) : 0;
      books.spend(call.atMs, actual - call.nanoUsd);
      if (kind === 'release') await call.by.release(call.reservation);
      else
        await call.by.settle(call.reservation, {
          nanoUsd: actual,
          inputTokens: 0,
          outputTokens: 0,
        });
    },
    check() {
      const accounts = memory.shardsOf(TEAM).map(({ account }) => account);
      const [one = parseAccount({}), ...others] = accounts;
      const whole = sumAccounts([one, ...others]);
      for (const [index, atMs] of [nowMs, ...laterThan(nowMs)].entries()) {
        expect(limitsAt(whole.plan, atMs)).toEqual(limitsAt(current(), atMs));
        const moment = momentOf(atMs, calendarDay(atMs, 'UTC'));
        for (const dimension of BUDGETS) {
          const rooms = accounts.map((account) => {
            const limit = limitsAt(account.plan, atMs)[dimension];
            return limit === undefined ? 0 : limit - usedOf(dimension, account, moment);
          });
          if (hasScheduledBudget(current())) expect(Math.min(0, ...rooms.slice(1))).toBe(0);
          else if (index > 0 && accounts.length > 1)
            expect(
              Math.min(0, ...accounts.map(({ plan }) => limitsAt(plan, atMs)[dimension] ?? 0)),
            ).toBe(0);
        }
      }
    },
  };
}

/** Moments at which other limits may be in force, or counters begin anew. */
function laterThan(nowMs: number): number[] {
  const hours = [1, 2, 3, 12, 30].map((each) => nowMs + each * HOUR);
  return [...hours, ...BUDGETS.map((dimension) => endOfPeriod(dimension, nowMs, 'UTC')), FAR];
}

/** Plain arithmetic about what all calls have taken. */
function createBooks() {
  const committed = new Map<string, number>();
  const ceilings = new Map<string, number>();
  const nameOf = (budget: Budget, atMs: number) => {
    const { day, month } = calendarDay(atMs, 'UTC');
    return `${budget}${budget === 'nanoUsdPerDay' ? day : month}`;
  };
  const spent = (budget: Budget, atMs: number) => committed.get(nameOf(budget, atMs)) ?? 0;
  return {
    spend(atMs: number, nanoUsd: number) {
      for (const budget of BUDGETS)
        committed.set(nameOf(budget, atMs), spent(budget, atMs) + nanoUsd);
    },
    /** Where several accounts grant, what is released below a lowered limit may be granted again (ADR 0007). */
    noteChange(limits: LimitPlan, { nowMs, isExact }: { nowMs: number; isExact: boolean }) {
      ceilings.clear();
      if (isExact) return;
      for (const budget of BUDGETS)
        if (spent(budget, nowMs) > (limits[budget] ?? Infinity))
          ceilings.set(nameOf(budget, nowMs), spent(budget, nowMs));
    },
    left: (limits: LimitPlan, nowMs: number) =>
      Math.min(...BUDGETS.map((budget) => (limits[budget] ?? 10_000) - spent(budget, nowMs))),
    answers(limits: LimitPlan, nowMs: number, nanoUsd: number): string[] {
      const isWithin = (bound: (budget: Budget, limit: number) => number) =>
        BUDGETS.every(
          (budget) => spent(budget, nowMs) + nanoUsd <= bound(budget, limits[budget] ?? Infinity),
        );
      if (isWithin((_, limit) => limit)) return ['reserved'];
      const mayReturn = isWithin((budget, limit) =>
        Math.max(limit, ceilings.get(nameOf(budget, nowMs)) ?? 0),
      );
      return mayReturn ? ['reserved', 'refused'] : ['refused'];
    },
  };
}

const SNAPSHOT = {
  version: 1,
  timeZone: 'UTC',
  providers: {},
  models: {},
  teams: {},
  projects: [],
};

/** As any version of the policy has it that is made now. */
function raised(limits: LimitPlan, overrides: readonly Override[], nowMs: number): LimitPlan {
  const policy = { snapshot: SNAPSHOT, accounts: [{ scope: TEAM, limits }] };
  return withOverrides(policy, overrides, nowMs).accounts[0]?.limits ?? {};
}

/** Approved; of a transfer the team is the lender. */
function newOverride(
  wish: Pick<Override, 'id' | 'kind' | 'dimension' | 'amount' | 'fromMs' | 'untilMs'>,
): Override {
  return {
    ...wish,
    scope: { kind: 'team', tenantId: 'acme', teamId: 'search' },
    reason: 'more',
    state: wish.kind === 'transfer' ? 'approved' : 'effective',
    requestedBy: { id: 'ann', name: 'Ann' },
    requestedAtMs: START,
    expiresAtMs: FAR,
  };
}

const HISTORIES = fc.array(operation, { maxLength: 60 });
const RUNS = { numRuns: 150 };
const NIGHT = { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 1_200, toMinute: 180, timeZone: 'UTC' };

/** Each with a limit of the day: counters of days are kept from the first one on. */
function policiesOf(limits: (nanoUsdPerMonth: number) => LimitPlan): LimitPlan[] {
  const atNight = { nanoUsdPerMonth: 500, nanoUsdPerDay: 200 };
  return [
    { ...limits(1_000), nanoUsdPerDay: 2_000 },
    { ...limits(600), nanoUsdPerDay: 400 },
    { ...limits(1_500), nanoUsdPerDay: 1_000 },
    { nanoUsdPerMonth: 800, nanoUsdPerDay: 800 },
    { ...limits(1_000), nanoUsdPerDay: 800, schedules: [{ ...NIGHT, limits: atNight }] },
  ];
}

describe('a budget that is raised for a while', () => {
  it('is never spent beyond what holds at the moment, and never refuses what fits', async () => {
    const policies = policiesOf((nanoUsdPerMonth) => ({ nanoUsdPerMonth }));
    await fc.assert(
      fc.asyncProperty(HISTORIES, (operations) => live(policies, operations)),
      RUNS,
    );
  });

  it('does so in all accounts of a hot scope together', async () => {
    await fc.assert(
      fc.asyncProperty(HISTORIES, (operations) => live(policiesOf(hot), operations)),
      RUNS,
    );
  });

  const call = (nanoUsd: number): Operation => ({ kind: 'reserve', nanoUsd, environment: 0 });
  const more = (amount: number, hours?: number): Operation => ({
    kind: 'override',
    what: hours === undefined ? 'allocation' : 'raise',
    dimension: 'nanoUsdPerMonth',
    amount,
    hours: hours ?? 0,
  });

  it('leaves no account with room that all of them have not when the raise ends early', async () => {
    const calls = [160, 180, 314, 146].map(call);
    await live(
      [hot(1_000)],
      [...calls, more(178, 1), call(0), call(12), { kind: 'wait', hours: 1 }, call(189), call(188)],
    );
  });

  it('leaves no account with more than its part of the next month when the raise ends with this one', async () => {
    const calls = (count: number, nanoUsd: number) =>
      Array.from({ length: count }, () => call(nanoUsd));
    const wait = { kind: 'wait', hours: 31 } as const;
    await live([hot(1_000)], [more(1_500), ...calls(6, 400), wait, ...calls(40, 35)]);
  });
});
