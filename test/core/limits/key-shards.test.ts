import { describe, expect, it } from 'vitest';
import { decodeHold } from '../../../core/limits/account.ts';
import type { AccountStore } from '../../../core/limits/account-store.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { keyShardCount, keyShardsFor, shardCount } from '../../../core/limits/shards.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { itemSize, writeUnits } from '../../support/item-size.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const NOW = Date.UTC(2026, 10, 20, 12);
const DEMAND = { nanoUsd: 123_456_789, inputTokens: 12_345, outputTokens: 4_096 };
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
    demand: DEMAND,
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

/** A key that was made for few calls, and calls that stay open. Every call settles the one before, which may look. */
function crowd(store: (memory: MemoryStore) => AccountStore = (memory) => memory) {
  const memory = createMemoryStore();
  memory.setUp(KEY, {});
  const fresh = () =>
    createAccounts({ store: store(memory), clock: { nowMs: () => NOW }, pause: async () => {} });
  const accounts = fresh();
  const open: Reservation[] = [];
  let calls = 0;
  const reserve = async (by = accounts) => {
    calls += 1;
    const reservation = await by.reserve(reserveCall(calls, {}));
    if (reservation.kind !== 'reserved') throw new Error(reservation.kind);
    return reservation;
  };
  return {
    memory,
    fresh,
    reserve,
    /** So many calls, of which the last `atOnce` are open at any time. */
    async flow(count: number, atOnce: number, by = accounts) {
      for (let call = 0; call < count; call += 1) {
        open.push(await reserve(by));
        const oldest = open.length > atOnce ? open.shift() : undefined;
        if (oldest !== undefined) await by.settle(oldest, DEMAND);
      }
    },
    openIn: () => memory.shardsOf(KEY).map(({ account }) => account.holds.size),
  };
}

describe('a key with a crowd of open calls', () => {
  it('gets accounts until each holds few of them', async () => {
    const { flow, openIn } = crowd();
    await flow(3_000, 64);
    expect(openIn().length).toBeGreaterThanOrEqual(8);
    expect(Math.max(...openIn())).toBeLessThan(20);
  });

  it('pays for few of them with each write', async () => {
    let units = 0;
    const { flow } = crowd((memory) => ({
      ...memory,
      async write(key, write) {
        const result = await memory.write(key, write);
        units += writeUnits(itemSize(memory.items.get(key) ?? {}, key), false);
        return result;
      },
    }));
    await flow(2_000, 100);
    units = 0;
    await flow(500, 100);
    expect(units / 500).toBeLessThan(3);
  });

  it('gets them once in ten seconds, for what was open before takes time to end', async () => {
    const { flow, openIn } = crowd();
    await flow(2_000, 16);
    const { length } = openIn();
    await flow(2_000, 60);
    expect(openIn()).toHaveLength(length);
  });

  it('keeps the one that it has where few calls are open', async () => {
    const { flow, openIn } = crowd();
    await flow(1_000, 7);
    expect(openIn()).toEqual([7]);
  });

  it.each([
    [8, 1, 1],
    [9, 1, 3],
    [64, 1, 16],
    [1_000, 1, 32],
    [10, 8, 20],
    [40, 32, 32],
  ])('of %i open calls in the first of %i accounts is to have %i', (open, shards, count) => {
    const hold = decodeHold('0.0.0.0.0.@req_1:m');
    const holds = new Map(Array.from({ length: open }, (_, index) => [String(index), hold]));
    expect(keyShardsFor({ holds, shards })).toBe(count);
  });

  it('shares its calls among them in every process, once that has looked', async () => {
    const { flow, fresh, openIn } = crowd();
    await flow(3_000, 64);
    const other = fresh();
    await flow(64, 64, other);
    expect(openIn().every((open) => open > 0)).toBe(true);
    expect(Math.max(...openIn())).toBeLessThan(20);
  });

  it('gets them from one of the processes that see it', async () => {
    let transactions = 0;
    const { flow, fresh, reserve, openIn } = crowd((memory) => ({
      ...memory,
      writeTogether(writes) {
        transactions += 1;
        return memory.writeTogether(writes);
      },
    }));
    await flow(12, 12);
    const [first, second] = [fresh(), fresh()];
    const seen = [await reserve(first), await reserve(second)] as const;
    await first.settle(seen[0], DEMAND);
    await second.settle(seen[1], DEMAND);
    expect(openIn()).toHaveLength(4);
    expect(transactions).toBe(1);
  });

  it('is refused everywhere when it is revoked', async () => {
    const { memory, flow, reserve } = crowd();
    await flow(3_000, 64);
    memory.setStatus(KEY, 'revoked');
    for (let count = 0; count < 32; count += 1) await expect(reserve()).rejects.toThrow('inactive');
  });

  it('stays as it is where a revocation or limits come between', async () => {
    for (const change of [{ st: 'revoked' }, { lv: 'another' }, { n: 4 }]) {
      const { memory, flow, openIn } = crowd((memory) => ({
        ...memory,
        writeTogether(writes) {
          const key = accountKey(KEY);
          const item = memory.items.get(key);
          memory.items.set(key, { ...item, ...change });
          const refused = memory.writeTogether(writes);
          if (item !== undefined) memory.items.set(key, item);
          return refused;
        },
      }));
      await flow(300, 64);
      expect(openIn()).toEqual([64]);
      expect(memory.items.size).toBe(1);
    }
  });

  it('goes on with one before an engine that has no transactions', async () => {
    const { flow, openIn } = crowd((memory) => ({
      ...memory,
      writeTogether: () => Promise.reject(new Error('unknown operation')),
    }));
    await flow(300, 64);
    expect(openIn()).toEqual([64]);
  });
});
