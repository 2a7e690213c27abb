import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterValue, parseAccount } from '../../../core/limits/account.ts';
import type { AccountStore } from '../../../core/limits/account-store.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { correctPosted } from '../../../core/limits/posted.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const POOL: Scope = { kind: 'pool', providerId: 'first' };
const SCOPES = [KEY, TEAM, POOL];
const LIMITS = { nanoUsdPerMonth: 10_000_000, nanoUsdPerDay: 10_000_000 };
const START = Date.UTC(2026, 10, 20, 12);
const DEMAND = { nanoUsd: 1_000, inputTokens: 100, outputTokens: 50 };
const ACTUAL = { nanoUsd: 300, inputTokens: 40, outputTokens: 10 };
const REQUEST = 'req_aaaaaaaabbbbbbbbbbbbbb';
const TRUTH = { requestId: REQUEST, keyId: KEY.keyId, provider: 'first', actual: ACTUAL };
const pause = async () => {};

/** A call whose process seems to be dead, and its holds posted. */
function world(wrap: (store: AccountStore) => AccountStore = (store) => store) {
  const memory = createMemoryStore();
  for (const scope of SCOPES) memory.setUp(scope, scope === KEY ? {} : LIMITS);
  let nowMs = START;
  const clock = { nowMs: () => nowMs };
  const store = wrap(memory);
  const accounts = createAccounts({ store, clock });
  const reserve = async (requestId = REQUEST) => {
    const outcome = await accounts.reserve({
      requestId,
      alias: 'gpt',
      demand: DEMAND,
      scopes: SCOPES.map((scope) => ({ scope, limits: scope === KEY ? {} : LIMITS })),
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
    return outcome;
  };
  const reapOf = (scope: Scope) =>
    reapAccount({ store, clock, pause, bookExpired: async () => {} }, accountKey(scope));
  const state = (scope: Scope) => {
    const account = parseAccount(memory.items.get(accountKey(scope)) ?? {});
    return {
      holds: account.holds.size,
      settled: counterValue(account, 'settledNanoUsd', 202611),
      committed: counterValue(account, 'nanoUsdPerMonth', 202611),
      tokens: counterValue(account, 'tokensPerMonth', 202611),
      requests: counterValue(account, 'settledRequests', 202611),
    };
  };
  return {
    memory,
    store,
    accounts,
    reserve,
    reapOf,
    state,
    reap: async () => {
      for (const scope of SCOPES) await reapOf(scope);
    },
    correct: (truth: Partial<typeof TRUTH> = {}) =>
      correctPosted({ store, pause }, { ...TRUTH, ...truth }),
    expire: () => {
      nowMs += 960_000;
    },
  };
}

const POSTED = { holds: 0, settled: 1_000, committed: 1_000, tokens: 150, requests: 1 };
const CORRECTED = { holds: 0, settled: 300, committed: 300, tokens: 50, requests: 1 };
const UNSERVED = { holds: 0, settled: 0, committed: 0, tokens: 0, requests: 1 };

describe('a posted call', () => {
  it('leaves its sums in the account and its holds in an item of its own, which goes in time', async () => {
    const w = world();
    await w.reserve();
    const calm = Object.keys(w.memory.items.get(accountKey(TEAM)) ?? {}).length;
    w.expire();
    await w.reap();
    for (const scope of SCOPES) expect(w.state(scope)).toEqual(POSTED);
    const team = w.memory.items.get(accountKey(TEAM)) ?? {};
    expect([team['h'], team['x']]).toEqual([{}, {}]);
    expect(Object.keys(team).length - calm).toBeLessThanOrEqual(4);
    const item = w.memory.items.get('posted/key/vk_0123456789ab/aaaaaaaa') ?? {};
    expect(Object.keys(item).toSorted()).toEqual([...SCOPES.map(accountKey), 'ttl'].toSorted());
    expect(item['ttl']).toBe(START / 1000 + 960 + 45 * 86_400);
  });

  it('is corrected by its settlement, however late and however often that comes', async () => {
    const w = world();
    const reservation = await w.reserve();
    w.expire();
    await w.reap();
    await Promise.all([0, 1].map(() => w.accounts.settle(reservation, ACTUAL)));
    await w.accounts.settle(reservation, ACTUAL);
    for (const scope of SCOPES) expect(w.state(scope)).toEqual(CORRECTED);
  });

  it('is corrected from its usage event alone, once, whoever else corrects it', async () => {
    const w = world();
    const reservation = await w.reserve();
    w.expire();
    await w.reap();
    await Promise.all([w.correct(), w.correct(), w.accounts.settle(reservation, ACTUAL)]);
    await w.correct();
    for (const scope of SCOPES) expect(w.state(scope)).toEqual(CORRECTED);
  });

  it('costs the pool of a provider nothing that another one stood in for', async () => {
    const w = world();
    await w.reserve();
    w.expire();
    await w.reap();
    await w.correct({ provider: 'second' });
    expect([w.state(KEY), w.state(TEAM), w.state(POOL)]).toEqual([CORRECTED, CORRECTED, UNSERVED]);
  });

  it('of another key, or none, is left alone', async () => {
    const w = world();
    await w.reserve();
    w.expire();
    await w.reap();
    await w.correct({ keyId: 'vk_other' });
    await w.correct({ requestId: 'req_ccccccccdddddddddddddd' });
    for (const scope of SCOPES) expect(w.state(scope)).toEqual(POSTED);
  });

  it('takes its siblings along even when its lead was posted and corrected first', async () => {
    const w = world();
    await w.reserve();
    w.expire();
    await w.reapOf(KEY);
    await w.correct();
    await w.reapOf(TEAM);
    expect([w.state(KEY), w.state(TEAM)]).toEqual([CORRECTED, POSTED]);
    await w.correct();
    expect(w.state(TEAM)).toEqual(CORRECTED);
  });

  it('is corrected although transactions of others are in the way', async () => {
    let conflicts = 0;
    const w = world((store) => ({
      ...store,
      writeTogether: async (writes) => {
        const isCorrection = writes.some(({ write }) => write.set.some(([, text]) => text === '='));
        if (!isCorrection) return store.writeTogether(writes);
        conflicts += 1;
        return conflicts % 3 === 0 ? store.writeTogether(writes) : false;
      },
    }));
    const reservation = await w.reserve();
    w.expire();
    await w.reap();
    await w.accounts.settle(reservation, ACTUAL);
    for (const scope of SCOPES) expect(w.state(scope)).toEqual(CORRECTED);
  });

  it('is seen by a reaper who looks a moment too early', async () => {
    // The account shows a transaction a moment before the call's item does.
    let looks = 0;
    const w = world((store) => ({
      ...store,
      read: async (key) => {
        if (!key.startsWith('posted/')) return store.read(key);
        looks += 1;
        return looks === 1 ? undefined : store.read(key);
      },
    }));
    await w.reserve();
    w.expire();
    await w.reapOf(KEY);
    await w.reapOf(TEAM);
    expect(w.state(TEAM)).toEqual(POSTED);
  });

  it('ends in its truth in any order of reapers, settlements and corrections', async () => {
    const step = fc.constantFrom('reap key', 'reap team', 'reap pool', 'settle', 'correct');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 6 }),
        async (rounds) => {
          const w = world();
          const reservation = await w.reserve();
          w.expire();
          const run = (name: string): Promise<unknown> => {
            if (name === 'settle') return w.accounts.settle(reservation, ACTUAL);
            if (name === 'correct') return w.correct();
            return w.reapOf(name === 'reap key' ? KEY : name === 'reap team' ? TEAM : POOL);
          };
          for (const steps of rounds) await Promise.all(steps.map(run));
          await w.reap();
          await w.correct();
          for (const scope of SCOPES) expect(w.state(scope)).toEqual(CORRECTED);
        },
      ),
      { numRuns: 300 },
    );
  });
});
