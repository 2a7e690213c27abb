import { describe, expect, it } from 'vitest';
import { createAccounts } from '../../../core/limits/accounts.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { keyShardCount, shardCount } from '../../../core/limits/shards.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { itemSize } from '../../support/item-size.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const NOW = Date.UTC(2026, 10, 20, 12);
const TEN: LimitPlan = { accounts: 10 };

/** So many calls by the key, one after the other. */
async function call(
  memory: MemoryStore,
  { plan, calls, at = 0 }: { plan: LimitPlan; calls: number; at?: number },
) {
  const accounts = createAccounts({ store: memory, clock: { nowMs: () => NOW } });
  const outcomes = [];
  for (let index = at; index < at + calls; index += 1)
    outcomes.push(await accounts.reserve(reserveCall(index, plan)));
  return outcomes;
}

function reserveCall(index: number, plan: LimitPlan) {
  return {
    requestId: `req_${String(index).padStart(8, '0')}bbbbbbbbbbbbbb`,
    alias: 'gpt-5-mini',
    demand: { nanoUsd: 123_456_789, inputTokens: 12_345, outputTokens: 4_096 },
    scopes: [{ scope: KEY, limits: plan }],
    timeZone: 'UTC',
    holdSeconds: 900,
  };
}

const kinds = (outcomes: readonly { readonly kind: string }[]) => [
  ...new Set(outcomes.map(({ kind }) => kind)),
];

describe('how many accounts a key without limits has', () => {
  it.each([
    ['nothing around it bounds the number of calls', [{ nanoUsdPerMonth: 1_000_000 }], 1],
    ['no more calls come than one account takes', [{ requestsPerSecond: 10 }], 1],
    ['its team allows 500 calls a second', [{ requestsPerSecond: 500 }], 30],
    [
      'its tenant allows fewer than its team',
      [{ requestsPerSecond: 500 }, { requestsPerMinute: 6_000 }],
      6,
    ],
    ['few calls may be open at a time', [{ requestsPerSecond: 500, concurrentRequests: 50 }], 5],
  ])('follows from the scopes around it: %s', (_when, around, count) => {
    expect(keyShardCount(around)).toBe(count);
  });

  it('is what its plan says', () => {
    expect(shardCount(TEN)).toBe(10);
  });

  it('keeps each of them within a partition with 500 calls a second of eight seconds', async () => {
    const memory = createMemoryStore();
    memory.setUp(KEY, {});
    const plan = { accounts: keyShardCount([{ requestsPerSecond: 500 }]) };
    expect(kinds(await call(memory, { plan, calls: 4_000 }))).toEqual(['reserved']);
    const perSecond = 500 / plan.accounts;
    for (const { key } of memory.shardsOf(KEY)) {
      const units = Math.ceil(itemSize(memory.items.get(key) ?? {}, key) / 1_024);
      expect(2 * perSecond * units).toBeLessThan(1_000);
    }
  });
});

describe('a key that lacks accounts', () => {
  it('gets them at its first call, and they share its calls', async () => {
    const memory = createMemoryStore();
    memory.setUp(KEY, {});
    expect(kinds(await call(memory, { plan: TEN, calls: 100 }))).toEqual(['reserved']);
    const open = memory.shardsOf(KEY).map(({ account }) => account.holds.size);
    expect(open).toHaveLength(10);
    expect(open.reduce((sum, each) => sum + each, 0)).toBe(100);
    expect(Math.max(...open)).toBeLessThan(30);
  });

  it('gets them once, by the first of many calls at a time', async () => {
    const memory = createMemoryStore();
    memory.setUp(KEY, {});
    const together: string[] = [];
    const store = {
      ...memory,
      writeTogether: (writes: Parameters<typeof memory.writeTogether>[0]) => {
        together.push(writes.map(({ key }) => key).join());
        return memory.writeTogether(writes);
      },
    };
    const accounts = createAccounts({ store, clock: { nowMs: () => NOW } });
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) => accounts.reserve(reserveCall(index, TEN))),
    );
    expect(kinds(outcomes)).toEqual(['reserved']);
    expect(together).toHaveLength(1);
    expect(memory.shardsOf(KEY)).toHaveLength(10);
  });

  it('gets more where its team is allowed more, from a process that knew of fewer', async () => {
    const memory = createMemoryStore();
    memory.setUp(KEY, {});
    const accounts = createAccounts({ store: memory, clock: { nowMs: () => NOW } });
    for (let index = 0; index < 20; index += 1)
      await accounts.reserve(reserveCall(index, { accounts: 4 }));
    expect(memory.shardsOf(KEY)).toHaveLength(4);
    for (let index = 20; index < 60; index += 1) await accounts.reserve(reserveCall(index, TEN));
    expect(memory.shardsOf(KEY)).toHaveLength(10);
  });

  it('stays revoked', async () => {
    const memory = createMemoryStore();
    memory.setUp(KEY, {});
    memory.setStatus(KEY, 'revoked');
    expect(kinds(await call(memory, { plan: TEN, calls: 20 }))).toEqual(['inactive']);
    const statuses = memory.shardsOf(KEY).map(({ account }) => account.status);
    expect(new Set(statuses)).toEqual(new Set(['revoked']));
  });

  it('is not made by a call where there is none', async () => {
    const memory = createMemoryStore();
    expect(kinds(await call(memory, { plan: TEN, calls: 20 }))).toEqual(['faulted']);
    expect(memory.items.size).toBe(0);
  });

  it('keeps the limits that it was given since a caller last read its record', async () => {
    const memory = createMemoryStore();
    memory.setUp(KEY, { requestsPerMinute: 5 });
    await call(memory, { plan: TEN, calls: 20 });
    const [first, ...others] = memory.shardsOf(KEY);
    expect(first?.account.plan).toEqual({ requestsPerMinute: 5 });
    expect(others).toEqual([]);
  });

  it('has exactly the limits that it is given later, whatever accounts it has', async () => {
    const memory = createMemoryStore();
    memory.setUp(KEY, {});
    await call(memory, { plan: TEN, calls: 20 });
    memory.setUp(KEY, { requestsPerMinute: 50 });
    const outcomes = await call(memory, { plan: { requestsPerMinute: 50 }, calls: 60, at: 100 });
    expect(outcomes.filter(({ kind }) => kind === 'reserved')).toHaveLength(50);
    expect(memory.shardsOf(KEY)).toHaveLength(10);
    expect(accountKey(KEY)).toBe(memory.shardsOf(KEY)[0]?.key);
  });
});
