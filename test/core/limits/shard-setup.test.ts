import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTR, counterValue } from '../../../core/limits/account.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { type LimitPlan, planToCodes, planVersionOf } from '../../../core/limits/schedule.ts';
import { fillUp, planSetup, setUpScope } from '../../../core/limits/shard-setup.ts';
import { accountKey } from '../../../core/tenancy/scopes.ts';
import { AT, clock, hot, reserve, TEAM, totals } from '../../support/hot-team.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

describe('a policy for a hot scope', () => {
  it('grows from one account to seven without losing or doubling what was granted', async () => {
    const memory = createMemoryStore();
    memory.setUp(TEAM, { nanoUsdPerMonth: 1_000 }, AT);
    const outcome = await reserve(memory, {
      id: 1,
      nanoUsd: 700,
      limits: { nanoUsdPerMonth: 1_000 },
      policyVersion: 1,
    });
    expect(outcome.kind).toBe('reserved');
    memory.setUp(TEAM, hot(1_000), AT);
    expect(totals(memory)).toMatchObject({ shards: 7, slices: 1_000, committed: 700 });
    const rest = await reserve(memory, {
      id: 2,
      nanoUsd: 300,
      limits: hot(1_000),
      policyVersion: 1,
    });
    expect(rest.kind).toBe('reserved');
  });

  it('grows from seven accounts to 92 at the first call that knows it', async () => {
    const memory = createMemoryStore();
    memory.setUp(TEAM, hot(1_000), AT);
    for (let id = 0; id < 10; id += 1)
      await reserve(memory, { id, nanoUsd: 50, limits: hot(1_000), policyVersion: 1 });
    const limits = { ...hot(1_000), requestsPerSecond: 2_000, tokensPerMinute: 400_000_000 };
    const call = { nanoUsd: 1, limits, policyVersion: 2 };
    for (let id = 20; id < 24; id += 1)
      expect(await reserve(memory, { id, ...call })).toMatchObject({ kind: 'reserved' });
    expect(totals(memory)).toMatchObject({ shards: 92, slices: 1_000, committed: 504 });
    expect(await reserve(memory, { ...call, id: 30, nanoUsd: 496 })).toMatchObject({
      kind: 'reserved',
    });
    const more = await reserve(memory, { ...call, id: 31 });
    expect(more).toMatchObject({ kind: 'refused', denial: { limit: 1_000, used: 1_000 } });
  });

  it('has its accounts made by a call where an earlier release made fewer', async () => {
    const memory = createMemoryStore();
    const limits = hot(1_000);
    await reserve(memory, { id: 1, nanoUsd: 100, limits, policyVersion: 1 });
    const [first] = memory.shardsOf(TEAM);
    if (first === undefined) throw new Error('no account');
    const alone = createMemoryStore();
    alone.items.set(first.key, { ...memory.items.get(first.key), n: 1, ...planItem(limits) });
    for (let id = 2; id < 12; id += 1)
      expect(await reserve(alone, { id, nanoUsd: 10, limits, policyVersion: 1 })).toMatchObject({
        kind: 'reserved',
      });
    expect(totals(alone)).toMatchObject({ shards: 7, slices: 1_000 });
  });

  it('leaves what other shards have granted with them when one is enough again', async () => {
    const memory = createMemoryStore();
    memory.setUp(TEAM, hot(1_000), AT);
    for (let id = 0; id < 10; id += 1)
      await reserve(memory, { id, nanoUsd: 50, limits: hot(1_000), policyVersion: 1 });
    const calm = { nanoUsdPerMonth: 1_000 };
    memory.setUp(TEAM, calm, AT);
    expect(totals(memory)).toMatchObject({ slices: 1_000, committed: 500 });
    const rest = await reserve(memory, { id: 11, nanoUsd: 500, limits: calm, policyVersion: 1 });
    expect(rest.kind).toBe('reserved');
    const more = await reserve(memory, { id: 12, nanoUsd: 1, limits: calm, policyVersion: 1 });
    expect(more).toMatchObject({ kind: 'refused', denial: { limit: 1_000, used: 1_000 } });
  });

  it('is taken on by the first call that knows it, shards and all', async () => {
    const memory = createMemoryStore();
    for (let id = 0; id < 8; id += 1)
      expect(
        await reserve(memory, { id, nanoUsd: 10, limits: hot(1_000), policyVersion: 3 }),
      ).toMatchObject({ kind: 'reserved' });
    expect(totals(memory)).toMatchObject({ shards: 7, slices: 1_000, committed: 80 });
  });

  it('never takes the place of a later one', async () => {
    const memory = createMemoryStore();
    const apply = (budget: number, policyVersion: number) =>
      setUpScope(memory, accountKey(TEAM), {
        setup: { limits: hot(budget), policyVersion },
        at: AT,
      });
    expect(await apply(2_000, 5)).toBe(true);
    expect(await apply(1_000, 4)).toBe(true);
    expect(totals(memory).slices).toBe(2_000);
  });

  it('makes the shards of a revoked key revoked', () => {
    const memory = createMemoryStore();
    memory.setUp(TEAM, { nanoUsdPerMonth: 1_000 }, AT);
    memory.setStatus(TEAM, 'revoked');
    memory.setUp(TEAM, hot(1_000), AT);
    const statuses = memory.shardsOf(TEAM).map(({ account }) => account.status);
    expect(statuses).toEqual(Array.from({ length: 7 }, () => 'revoked'));
  });

  it('makes no shards for a key that is revoked at the same time', async () => {
    const memory = createMemoryStore();
    memory.setUp(TEAM, { nanoUsdPerMonth: 1_000 }, AT);
    const setup = { limits: hot(1_000), policyVersion: 2 };
    const writes = planSetup(memory.shardsOf(TEAM), accountKey(TEAM), { setup, at: AT });
    memory.setStatus(TEAM, 'revoked');
    expect(await memory.writeTogether(writes)).toBe(false);
  });

  it('lets nobody but the first account grant more once the clock changes the budget', async () => {
    const memory = createMemoryStore();
    memory.setUp(TEAM, hot(1_000), AT);
    for (let id = 0; id < 10; id += 1)
      await reserve(memory, { id, nanoUsd: 50, limits: hot(1_000), policyVersion: 1 });
    const night = { days: [5], fromMinute: 0, toMinute: 60, timeZone: 'UTC' };
    const schedules = [{ ...night, limits: { nanoUsdPerMonth: 600 } }];
    memory.setUp(TEAM, { ...hot(1_000), schedules }, AT);
    const shards = memory.shardsOf(TEAM);
    for (const { account } of shards.slice(1)) {
      const limit = account.plan.nanoUsdPerMonth ?? 0;
      expect(limit).toBeGreaterThanOrEqual(counterValue(account, 'nanoUsdPerMonth', 202611));
      expect(account.plan.schedules?.[0]?.limits.nanoUsdPerMonth).toBe(limit);
    }
    const before = shards.slice(1).map(({ account }) => account.holds.size);
    // Neither whoever knows the plan of before nor whoever has seen the accounts asks another.
    const accounts = createAccounts({ store: memory, clock });
    for (let id = 20; id < 70; id += 1)
      await accounts.reserve({
        requestId: `req_${id.toString(36).padStart(8, '0')}`,
        alias: 'm',
        demand: { nanoUsd: 10, inputTokens: 1, outputTokens: 0 },
        scopes: [{ scope: TEAM, limits: hot(1_000) }],
        timeZone: 'UTC',
        holdSeconds: 900,
      });
    expect(totals(memory)).toMatchObject({ slices: 1_000, committed: 1_000 });
    const after = memory.shardsOf(TEAM).map(({ account }) => account.holds.size);
    expect(after.slice(1)).toEqual(before);
  });

  it('takes a rate to the first account in a few moves once the clock changes the budget', async () => {
    const memory = createMemoryStore();
    memory.setUp(TEAM, hot(1_000), AT);
    const night = { days: [5], fromMinute: 0, toMinute: 60, timeZone: 'UTC' };
    const limits = {
      ...hot(1_000),
      schedules: [{ ...night, limits: { nanoUsdPerMonth: 600 } }],
    };
    memory.setUp(TEAM, limits, AT);
    const accounts = createAccounts({ store: memory, clock });
    for (let id = 0; id < 140; id += 1)
      expect(
        await accounts.reserve({
          requestId: `req_${id.toString(36).padStart(8, '0')}`,
          alias: 'm',
          demand: { nanoUsd: 1, inputTokens: 1, outputTokens: 0 },
          scopes: [{ scope: TEAM, limits }],
          timeZone: 'UTC',
          holdSeconds: 900,
        }),
      ).toMatchObject({ kind: 'reserved' });
    expect(memory.writes()).toBeLessThan(160);
  });
});

/** The limits of an account that has no shards beside it. */
function planItem(limits: LimitPlan) {
  return { [ATTR.limits]: planToCodes(limits), [ATTR.limitsVersion]: planVersionOf(limits) };
}

describe('fillUp', () => {
  it('gives whole shares that sum to the total, over the floors where the total allows', () => {
    fc.assert(
      fc.property(
        fc.nat(10_000),
        fc.array(fc.nat(3_000), { minLength: 1, maxLength: 8 }),
        fc.nat(7),
        (total, floors, lower) => {
          const wanted = Math.max(1, floors.length - lower);
          const shares = fillUp(total, floors, wanted);
          const sum = (values: readonly number[]) => values.reduce((all, each) => all + each, 0);
          expect(sum(shares)).toBe(total);
          for (const [index, floor] of floors.entries()) {
            if (sum(floors) <= total) expect(shares[index]).toBeGreaterThanOrEqual(floor);
            else expect(shares[index]).toBeLessThanOrEqual(floor);
          }
        },
      ),
    );
  });
});
