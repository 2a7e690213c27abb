import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterValue } from '../../../core/limits/account.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { hot, TEAM } from '../../support/hot-team.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_1' };
const TURN = Date.UTC(2026, 11, 1);
const BEFORE = TURN - 100;
const AFTER = TURN + 100;
const [NOVEMBER, DECEMBER] = [202611, 202612];

function setUp(limits: LimitPlan) {
  const memory = createMemoryStore();
  memory.setUp(KEY, {});
  memory.setUp(TEAM, limits);
  let calls = 0;
  /** An environment by whose clock it is always that moment. */
  const environment = (nowMs: number) => {
    const accounts = createAccounts({ store: memory, clock: { nowMs: () => nowMs } });
    return {
      accounts,
      reserve(nanoUsd: number) {
        calls += 1;
        return accounts.reserve({
          requestId: `req_${calls.toString(36).padStart(4, '0').repeat(6).slice(0, 22)}`,
          alias: 'm',
          demand: { nanoUsd, inputTokens: 0, outputTokens: 0 },
          scopes: [
            { scope: KEY, limits: {} },
            { scope: TEAM, limits },
          ],
          timeZone: 'UTC',
          holdSeconds: 900,
        });
      },
    };
  };
  const committed = (month: number) =>
    memory
      .shardsOf(TEAM)
      .reduce((sum, { account }) => sum + counterValue(account, 'nanoUsdPerMonth', month), 0);
  const holds = (scope: Scope) =>
    memory.shardsOf(scope).flatMap(({ account }) => [...account.holds.values()]);
  return { memory, environment, committed, holds };
}

describe('a call whose account is in the next day already', () => {
  it('is one of that day, in all of its accounts', async () => {
    const { environment, committed, holds } = setUp({ nanoUsdPerMonth: 100 });
    await environment(AFTER).reserve(60);
    const outcome = await environment(BEFORE).reserve(40);
    expect(outcome).toMatchObject({ kind: 'reserved', month: DECEMBER });
    expect([committed(NOVEMBER), committed(DECEMBER)]).toEqual([0, 100]);
    expect([...holds(KEY), ...holds(TEAM)].map(({ day }) => day)).toEqual([
      20261201, 20261201, 20261201, 20261201,
    ]);
  });

  it('is refused by the budget of that day, and holds nothing', async () => {
    const { environment, holds } = setUp({ nanoUsdPerMonth: 100 });
    await environment(AFTER).reserve(60);
    const outcome = await environment(BEFORE).reserve(41);
    expect(outcome).toMatchObject({ kind: 'refused', denial: { dimension: 'nanoUsdPerMonth' } });
    if (outcome.kind !== 'reserved') await outcome.undone;
    expect([...holds(KEY), ...holds(TEAM)]).toHaveLength(2);
  });

  it('is settled and released where it is held', async () => {
    const { environment, committed, holds } = setUp({ nanoUsdPerMonth: 100 });
    const ahead = environment(AFTER);
    const behind = environment(BEFORE);
    const [first, second] = [await ahead.reserve(10), await behind.reserve(20)];
    const third = await behind.reserve(30);
    if (first.kind !== 'reserved' || second.kind !== 'reserved' || third.kind !== 'reserved')
      throw new Error('refused');
    await behind.accounts.settle(second, { nanoUsd: 7, inputTokens: 0, outputTokens: 0 });
    await behind.accounts.release(third);
    expect([committed(NOVEMBER), committed(DECEMBER)]).toEqual([0, 17]);
    expect([...holds(KEY), ...holds(TEAM)]).toHaveLength(2);
  });

  it('fails where clocks are days apart', async () => {
    const { environment } = setUp({ nanoUsdPerMonth: 100 });
    await environment(AFTER + 40 * 3_600_000).reserve(10);
    expect(await environment(BEFORE).reserve(10)).toMatchObject({ kind: 'faulted' });
  });
});

describe('a budget of several accounts', () => {
  const step = fc.record({ isAhead: fc.boolean(), nanoUsd: fc.oneof(fc.nat(140), fc.nat(900)) });

  it('is kept in both months while clocks disagree about which it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const { environment, committed } = setUp(hot(1_000));
        const [behind, ahead] = [environment(BEFORE), environment(AFTER)];
        for (const { isAhead, nanoUsd } of steps) await (isAhead ? ahead : behind).reserve(nanoUsd);
        expect(committed(NOVEMBER)).toBeLessThanOrEqual(1_000);
        expect(committed(DECEMBER)).toBeLessThanOrEqual(1_000);
      }),
      { numRuns: 150 },
    );
  });
});

describe('a raise that begins while a call is tried', () => {
  it('is not for the call, which came before', async () => {
    const limits = {
      nanoUsdPerMonth: 100,
      raises: [
        {
          fromMs: TURN,
          untilMs: TURN + 60_000,
          limits: { nanoUsdPerMonth: 100 },
          endsWithPeriod: false,
        },
      ],
    };
    const memory = createMemoryStore();
    memory.setUp(TEAM, limits);
    let nowMs = BEFORE;
    const store = {
      ...memory,
      write: (...asked: Parameters<typeof memory.write>) => {
        nowMs = AFTER;
        return memory.write(...asked);
      },
    };
    const accounts = createAccounts({ store, clock: { nowMs: () => nowMs } });
    const call = {
      requestId: `req_${'0'.repeat(22)}`,
      alias: 'm',
      demand: { nanoUsd: 120, inputTokens: 0, outputTokens: 0 },
      scopes: [{ scope: TEAM, limits }],
      timeZone: 'UTC',
      holdSeconds: 900,
    };
    expect(await accounts.reserve(call)).toMatchObject({ kind: 'refused' });
    expect(
      counterValue(memory.shardsOf(TEAM)[0]?.account ?? never(), 'nanoUsdPerMonth', NOVEMBER),
    ).toBe(0);
  });
});

function never(): never {
  throw new Error(`${accountKey(TEAM)} is not there`);
}
