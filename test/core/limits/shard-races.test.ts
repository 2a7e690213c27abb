import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterValue } from '../../../core/limits/account.ts';
import type { AccountStore } from '../../../core/limits/account-store.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import { calendarDay } from '../../../core/limits/periods.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { setUpScope } from '../../../core/limits/shard-setup.ts';
import { accountKey } from '../../../core/tenancy/scopes.ts';
import { AT, clock, hot, NOW, reserve, TEAM, totals } from '../../support/hot-team.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';

/** What may happen to one trip to the table, before or after the table has done its part. */
type Fate = 'answered' | 'lost before' | 'lost after' | 'dies before' | 'dies after';

function faulty(memory: MemoryStore, nextFate: () => Fate): AccountStore {
  async function trip<T>(act: () => Promise<T>): Promise<T> {
    const fate = nextFate();
    if (fate === 'dies before') return new Promise(() => undefined);
    if (fate === 'lost before') throw new Error('time-out, not applied');
    const result = await act();
    if (fate === 'lost after') throw new Error('time-out, applied');
    return fate === 'dies after' ? new Promise(() => undefined) : result;
  }
  return {
    read: (key) => trip(() => memory.read(key)),
    write: (key, write) => trip(() => memory.write(key, write)),
    writeTogether: (writes) => trip(() => memory.writeTogether(writes)),
  };
}

const fate = fc.oneof(
  { weight: 12, arbitrary: fc.constant<Fate>('answered') },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Fate>('lost before', 'lost after', 'dies before', 'dies after'),
  },
);

describe('shards of a budget', () => {
  it('together refuse what does not fit and nothing else, as one account would', async () => {
    const operation = fc.record({
      kind: fc.constantFrom('reserve', 'reserve', 'settle', 'release', 'change'),
      pick: fc.nat(1_000),
      nanoUsd: fc.integer({ min: 0, max: 400 }),
      budget: fc.integer({ min: 1_000, max: 2_000 }),
      environment: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const memory = createMemoryStore();
        let budget = 1_000;
        memory.setUp(TEAM, hot(budget), AT);
        const environments = [0, 1, 2].map(() => createAccounts({ store: memory, clock }));
        const open: { reservation: Reservation; nanoUsd: number }[] = [];
        let committed = 0;
        for (const [index, { kind, pick, nanoUsd, environment, ...op }] of operations.entries()) {
          const accounts = environments[environment] ?? createAccounts({ store: memory, clock });
          if (kind === 'change') {
            budget = Math.max(committed, op.budget);
            memory.setUp(TEAM, hot(budget), AT);
          } else if (kind === 'reserve') {
            const outcome = await accounts.reserve({
              requestId: `req_${index.toString(36).padStart(8, '0')}`,
              alias: 'm',
              demand: { nanoUsd, inputTokens: 0, outputTokens: 0 },
              scopes: [{ scope: TEAM, limits: hot(budget) }],
              timeZone: 'UTC',
              holdSeconds: 900,
            });
            expect(outcome.kind).toBe(committed + nanoUsd <= budget ? 'reserved' : 'refused');
            if (outcome.kind === 'reserved') {
              open.push({ reservation: outcome, nanoUsd });
              committed += nanoUsd;
            }
          } else {
            const [call] = open.splice(open.length === 0 ? 0 : pick % open.length, 1);
            if (call === undefined) continue;
            const actual = kind === 'settle' ? Math.min(nanoUsd, call.nanoUsd) : 0;
            committed += actual - call.nanoUsd;
            if (kind === 'release') await accounts.release(call.reservation);
            else
              await accounts.settle(call.reservation, {
                nanoUsd: actual,
                inputTokens: 0,
                outputTokens: 0,
              });
          }
          expect(totals(memory)).toMatchObject({ slices: budget, committed });
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never sum to more or less than the budget, nor grant more, in any order of races, faults and crashes', async () => {
    const caller = fc.record({
      nanoUsd: fc.integer({ min: 1, max: 300 }),
      isPolicy: fc.boolean(),
      budget: fc.integer({ min: 200, max: 3_000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(caller, { minLength: 5, maxLength: 25 }),
        fc.infiniteStream(fate),
        async (scheduler, callers, fates) => {
          const memory = createMemoryStore();
          const budgets = [
            1_000,
            ...callers.flatMap(({ budget, isPolicy }) => (isPolicy ? [budget] : [])),
          ];
          memory.setUp(TEAM, hot(1_000), AT);
          let before = totals(memory);
          let mostSinceChange = 0;
          const violations: object[] = [];
          const watched: MemoryStore = { ...memory };
          const check = () => {
            const now = totals(memory);
            if (now.slices !== before.slices) mostSinceChange = before.committed;
            const isSound =
              budgets.includes(now.slices) &&
              now.smallest >= 0 &&
              now.committed <= Math.max(now.slices, mostSinceChange);
            if (!isSound) violations.push({ before, now });
            before = now;
          };
          watched.read = scheduler.scheduleFunction(memory.read);
          watched.write = scheduler.scheduleFunction(async (key, write) => {
            const result = await memory.write(key, write);
            check();
            return result;
          });
          watched.writeTogether = scheduler.scheduleFunction(async (writes) => {
            const result = await memory.writeTogether(writes);
            check();
            return result;
          });
          const store = faulty(watched, () => fates.next().value ?? 'answered');
          let policyVersion = 1;
          let limits = hot(1_000);
          for (const [id, { nanoUsd, isPolicy, budget }] of callers.entries()) {
            if (isPolicy) {
              policyVersion += 1;
              limits = hot(budget);
              const setup = { limits, policyVersion };
              void setUpScope(store, accountKey(TEAM), { setup, at: AT }).catch(() => undefined);
            } else {
              void reserve(store, { id, nanoUsd, limits, policyVersion }).then((outcome) =>
                outcome.kind === 'reserved' ? undefined : outcome.undone.catch(() => undefined),
              );
            }
          }
          await scheduler.waitIdle();
          expect(violations).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('admit all that fits to callers who race for the end of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const memory = createMemoryStore();
        const limits = hot(1_000);
        memory.setUp(TEAM, limits, AT);
        const store: AccountStore = {
          read: scheduler.scheduleFunction(memory.read),
          write: scheduler.scheduleFunction(memory.write),
          writeTogether: scheduler.scheduleFunction(memory.writeTogether),
        };
        const outcomes = Array.from({ length: 30 }, (_, id) =>
          reserve(store, { id, nanoUsd: 70, limits, policyVersion: 1 }),
        );
        const kinds: string[] = [];
        for (const outcome of outcomes) void outcome.then(({ kind }) => kinds.push(kind));
        await scheduler.waitIdle();
        expect(kinds.filter((kind) => kind === 'reserved')).toHaveLength(14);
        expect(kinds.filter((kind) => kind === 'refused')).toHaveLength(16);
      }),
      { numRuns: 100 },
    );
  });

  it('grant as one account would when a raise has ended, whatever raced while it began', async () => {
    const caller = fc.record({
      nanoUsd: fc.integer({ min: 1, max: 300 }),
      isChange: fc.constantFrom(false, false, false, true),
      more: fc.integer({ min: 1, max: 1_500 }),
      endsWithPeriod: fc.boolean(),
      isReleased: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(caller, { minLength: 5, maxLength: 25 }),
        fc.infiniteStream(fate),
        fc.integer({ min: 25, max: 80 }),
        async (scheduler, callers, fates, nanoUsd) => {
          const memory = createMemoryStore();
          memory.setUp(TEAM, hot(1_000), AT);
          const late = {
            read: scheduler.scheduleFunction(memory.read),
            write: scheduler.scheduleFunction(memory.write),
            writeTogether: scheduler.scheduleFunction(memory.writeTogether),
          };
          const store = faulty({ ...memory, ...late }, () => fates.next().value ?? 'answered');
          const granted: Reservation[] = [];
          let policyVersion = 1;
          let limits: LimitPlan = hot(1_000);
          for (const [id, { isChange, isReleased, ...each }] of callers.entries()) {
            if (isChange) {
              policyVersion += 1;
              limits = raisedBy(each.more, each.endsWithPeriod);
              const setup = { limits, policyVersion };
              void setUpScope(store, accountKey(TEAM), { setup, at: AT }).catch(() => undefined);
              continue;
            }
            const call = { id, nanoUsd: each.nanoUsd, limits, policyVersion };
            void reserve(store, call).then((outcome) => {
              if (outcome.kind !== 'reserved') outcome.undone.catch(() => undefined);
              else if (isReleased) granted.push(outcome);
            });
          }
          await scheduler.waitIdle();
          for (const outcome of granted)
            await createAccounts({ store: memory, clock }).release(outcome);
          const end = memory.shardsOf(TEAM)[0]?.account.plan.raises?.[0]?.untilMs ?? NOW;
          await spendTheRest(memory, end, nanoUsd);
        },
      ),
      { numRuns: 200 },
    );
  });
});

function raisedBy(nanoUsdPerMonth: number, endsWithPeriod: boolean): LimitPlan {
  const untilMs = endsWithPeriod ? Date.UTC(2026, 11, 1) : NOW + 3_600_000;
  const raise = { fromMs: NOW - 1, untilMs, limits: { nanoUsdPerMonth }, endsWithPeriod };
  return { ...hot(1_000), raises: [raise] };
}

/** Calls of one size until the budget is spent, half of them by callers who know nothing of a raise. */
async function spendTheRest(memory: MemoryStore, fromMs: number, nanoUsd: number): Promise<void> {
  let nowMs = fromMs;
  const { month } = calendarDay(nowMs, 'UTC');
  const committed = () =>
    memory
      .shardsOf(TEAM)
      .reduce((sum, { account }) => sum + counterValue(account, 'nanoUsdPerMonth', month), 0);
  const known = createAccounts({ store: memory, clock: { nowMs: () => nowMs } });
  for (let id = 1_000; id < 1_000 + 1_300 / nanoUsd; id += 1) {
    if (id % 100 === 0) nowMs += 2_000;
    const fits = committed() + nanoUsd <= 1_000;
    const accounts =
      id % 2 === 0 ? known : createAccounts({ store: memory, clock: { nowMs: () => nowMs } });
    const outcome = await accounts.reserve({
      requestId: `req_${id.toString(36).padStart(8, '0')}`,
      alias: 'm',
      demand: { nanoUsd, inputTokens: 0, outputTokens: 0 },
      scopes: [{ scope: TEAM, limits: hot(1_000) }],
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    expect(outcome.kind).toBe(fits ? 'reserved' : 'refused');
  }
}
