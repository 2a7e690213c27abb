import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../core/clock.ts';
import type { ReservesBefore } from '../../../core/ids.ts';
import { counterValue, parseAccount } from '../../../core/limits/account.ts';
import { type AccountStore, StoreFault } from '../../../core/limits/account-store.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { ATTEMPT_MS } from '../../../core/limits/patient-store.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const TEAM_KEY = accountKey(TEAM);
const START = Date.UTC(2026, 10, 20, 12);
const DEMAND = { nanoUsd: 1_000, inputTokens: 100, outputTokens: 50 };
const ACTUAL = { nanoUsd: 300, inputTokens: 40, outputTokens: 10 };
const LIMITS = { nanoUsdPerMonth: 1_500, tokensPerMinute: 200 };

type Fate = 'fine' | 'throttled' | 'unanswered' | 'applied unanswered';

/** A table whose team account treats the attempts of reserves as told, in order; what was not answered can arrive late. */
function world(...fates: Fate[]) {
  const memory = createMemoryStore();
  memory.setUp(KEY, {});
  memory.setUp(TEAM, LIMITS);
  let nowMs = START;
  const clock: Clock = { nowMs: () => nowMs };
  const late: (() => Promise<unknown>)[] = [];
  const pauses: number[] = [];
  const table: AccountStore = {
    ...memory,
    async write(key, write) {
      const isReserve = write.set.some(([[name]]) => name === 'h');
      const fate = key === TEAM_KEY && isReserve ? fates.shift() : 'fine';
      if (fate === 'fine' || fate === undefined) return memory.write(key, write);
      if (fate === 'throttled') throw new StoreFault(fate, { isDoubtful: false });
      nowMs += ATTEMPT_MS;
      late.push(() => memory.write(key, write));
      if (fate === 'applied unanswered') await memory.write(key, write);
      throw new StoreFault(fate, { isDoubtful: true });
    },
  };
  const pause = async (longestMs: number) => {
    pauses.push(longestMs);
    nowMs += longestMs;
  };
  const accounts = createAccounts({ store: table, clock, pause });
  return {
    accounts,
    memory,
    late,
    pauses,
    elapsedMs: () => nowMs - START,
    advance: (ms: number) => {
      nowMs += ms;
    },
    reserve: ({
      id = 'aaaaaaaabbbbbbbbbbbbbb',
      reservesBefore = 0,
    }: {
      id?: string;
      reservesBefore?: ReservesBefore;
    } = {}) =>
      accounts.reserve({
        requestId: `req_${id}`,
        reservesBefore,
        alias: 'gpt',
        demand: DEMAND,
        scopes: [
          { scope: KEY, limits: {} },
          { scope: TEAM, limits: LIMITS, policyVersion: 1 },
        ],
        timeZone: 'UTC',
        holdSeconds: 900,
      }),
    reap: () => reapAccount({ store: memory, clock, pause, bookExpired: async () => {} }, TEAM_KEY),
    team: () => stateOf(memory),
  };
}

function stateOf(memory: MemoryStore) {
  const account = parseAccount(memory.items.get(TEAM_KEY) ?? {});
  return {
    holds: account.holds.size,
    marks: account.voided.size,
    committed: counterValue(account, 'nanoUsdPerMonth', 202611),
    settled: counterValue(account, 'settledNanoUsd', 202611),
  };
}

async function reserved(outcome: ReturnType<ReturnType<typeof world>['reserve']>) {
  const result = await outcome;
  if (result.kind !== 'reserved') throw new Error(result.kind);
  return result;
}

describe('a reserve whose first attempt got no answer', () => {
  it.each([['unanswered'], ['applied unanswered']] as const)(
    'and was %s holds once, and its late copy is refused when the call is settled',
    async (fate) => {
      const w = world(fate);
      const reservation = await reserved(w.reserve());
      expect(w.team()).toMatchObject({ holds: 1, committed: 1_000 });
      const writes = w.memory.writes(TEAM_KEY);
      await w.accounts.settle(reservation, ACTUAL);
      expect(w.memory.writes(TEAM_KEY) - writes).toBe(1);
      await w.late[0]?.();
      expect(w.team()).toEqual({ holds: 0, marks: 1, committed: 300, settled: 300 });
    },
  );

  it('holds nothing after it is given back', async () => {
    const w = world('unanswered');
    await w.accounts.release(await reserved(w.reserve()));
    await w.late[0]?.();
    expect(w.team()).toEqual({ holds: 0, marks: 1, committed: 0, settled: 0 });
  });

  it('holds nothing when a sibling refuses', async () => {
    const w = world('unanswered');
    w.memory.setStatus(KEY, 'revoked');
    const outcome = await w.reserve();
    expect(outcome.kind).toBe('inactive');
    if (outcome.kind !== 'reserved') await outcome.undone;
    await w.late[0]?.();
    expect(w.team()).toMatchObject({ holds: 0, committed: 0 });
  });

  it('holds nothing when its next attempt is refused and the first arrives after', async () => {
    const w = world('unanswered');
    w.memory.setUp(TEAM, { nanoUsdPerMonth: 999 });
    const outcome = await w.reserve();
    expect(outcome.kind).toBe('refused');
    if (outcome.kind !== 'reserved') await outcome.undone;
    w.memory.setUp(TEAM, LIMITS);
    await w.late[0]?.();
    expect(w.team()).toMatchObject({ holds: 0, marks: 1, committed: 0 });
  });

  it('is not in the way when the refused call asks for less', async () => {
    const w = world('unanswered');
    w.memory.setUp(TEAM, { nanoUsdPerMonth: 999 });
    const first = await w.reserve();
    if (first.kind !== 'reserved') await first.undone;
    w.memory.setUp(TEAM, LIMITS);
    await reserved(w.reserve({ reservesBefore: 1 }));
    await w.late[0]?.();
    expect(w.team()).toMatchObject({ holds: 1, committed: 1_000 });
  });

  it('leaves a mark that goes when the hold would have expired', async () => {
    const w = world('unanswered');
    await w.accounts.settle(await reserved(w.reserve()), ACTUAL);
    w.advance(890_000);
    await w.reap();
    expect(w.team().marks).toBe(1);
    w.advance(20_000);
    await w.reap();
    expect(w.team().marks).toBe(0);
  });

  it('leaves a mark that later calls sweep, too', async () => {
    const w = world('unanswered');
    await w.accounts.settle(await reserved(w.reserve()), ACTUAL);
    w.advance(910_000);
    const next = await reserved(w.reserve({ id: 'ccccccccdddddddddddddd' }));
    await w.accounts.settle(next, ACTUAL);
    expect(w.team().marks).toBe(0);
  });

  it('gives nothing back to a rate window that an earlier copy may not have counted in', async () => {
    const w = world('applied unanswered');
    await w.accounts.settle(await reserved(w.reserve()), ACTUAL);
    const account = parseAccount(w.memory.items.get(TEAM_KEY) ?? {});
    expect(counterValue(account, 'tokensPerMinute', account.latestMinute)).toBe(150);
  });
});

describe('a reserve at a scope without an account', () => {
  it('holds nothing when it arrives after another call has made the account', async () => {
    const w = world('unanswered', 'unanswered', 'unanswered');
    w.memory.items.delete(TEAM_KEY);
    const outcome = await w.reserve();
    expect(outcome.kind).toBe('faulted');
    if (outcome.kind !== 'reserved') await outcome.undone;
    await reserved(w.reserve({ id: 'ccccccccdddddddddddddd' }));
    await w.late[0]?.();
    expect(w.team()).toMatchObject({ holds: 1, marks: 1, committed: 1_000 });
  });
});

describe('a reserve that never gets an answer', () => {
  it('fails closed within two seconds, and no copy of it holds', async () => {
    const w = world('unanswered', 'unanswered', 'unanswered', 'unanswered');
    const outcome = await w.reserve();
    expect(outcome).toMatchObject({ kind: 'faulted', fault: { code: 'limiter_unavailable' } });
    expect(w.elapsedMs()).toBeLessThanOrEqual(2_000);
    expect(w.late).toHaveLength(2);
    if (outcome.kind !== 'reserved') await outcome.undone;
    for (const arrive of w.late) await arrive();
    expect(w.team()).toMatchObject({ holds: 0, committed: 0 });
  });

  it('gives back what was applied without an answer', async () => {
    const w = world('applied unanswered', 'throttled', 'throttled');
    const outcome = await w.reserve();
    expect(outcome.kind).toBe('faulted');
    if (outcome.kind !== 'reserved') await outcome.undone;
    expect(w.team()).toEqual({ holds: 0, marks: 1, committed: 0, settled: 0 });
  });
});

describe('a reserve that the table throttled', () => {
  it('is tried again after a pause, and leaves no mark because nothing can arrive late', async () => {
    const w = world('throttled', 'throttled');
    await w.accounts.settle(await reserved(w.reserve()), ACTUAL);
    expect(w.pauses).toEqual([40, 80]);
    expect(w.team()).toEqual({ holds: 0, marks: 0, committed: 300, settled: 300 });
  });

  it('every time needs no write to be undone', async () => {
    const w = world('throttled', 'throttled', 'throttled', 'throttled');
    const outcome = await w.reserve();
    expect(outcome.kind).toBe('faulted');
    if (outcome.kind !== 'reserved') await outcome.undone;
    expect(w.memory.writes(TEAM_KEY)).toBe(0);
  });
});
