import { describe, expect, it } from 'vitest';
import {
  counterValue,
  decodeHold,
  encodeHold,
  type HoldOwner,
} from '../../../core/limits/account.ts';
import type { AccountStore } from '../../../core/limits/account-store.ts';
import {
  createAccounts,
  type Reservation,
  type ScopeLimits,
} from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import { releaseLeases } from '../../../core/limits/lease-reap.ts';
import { correctPosted } from '../../../core/limits/posted.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { sumAccounts } from '../../../core/limits/shards.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { leasesNamed } from '../../support/leases.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { createVirtualTime } from '../../support/virtual-time.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const POOL: Scope = { kind: 'pool', providerId: 'openai' };
const START = Date.UTC(2026, 10, 20, 12);
const MONTH = 202611;
const DEMAND = { nanoUsd: 1_000, inputTokens: 100, outputTokens: 50 };
const ACTUAL = { nanoUsd: 300, inputTokens: 40, outputTokens: 10 };
const TEAM_LIMITS: Limits = { nanoUsdPerMonth: 10_000_000, tokensPerMinute: 600_000 };
const POOL_LIMITS: Limits = { inputTokensPerMinute: 600_000, tokensPerMinute: 600_000 };
const HOLD_SECONDS = 900;

interface WorldOptions {
  readonly team?: LimitPlan;
  readonly key?: Limits;
  readonly areLeased?: boolean;
}

/** One worker that serves many calls at once. */
function world({ team = TEAM_LIMITS, key = {}, areLeased = true }: WorldOptions = {}) {
  const memory = createMemoryStore();
  memory.setUp(KEY, key);
  memory.setUp(TEAM, team);
  memory.setUp(POOL, POOL_LIMITS);
  const time = createVirtualTime(START);
  let isDead = false;
  const never = new Promise<never>(() => undefined);
  const store: AccountStore = {
    read: (each) => (isDead ? never : memory.read(each)),
    write: (each, write) => (isDead ? never : memory.write(each, write)),
    writeTogether: (writes) => (isDead ? never : memory.writeTogether(writes)),
  };
  let names = 0;
  const newName = () => {
    names += 1;
    return `lease${String(names).padStart(3, '0')}`;
  };
  const worker = (name = newName) =>
    createAccounts({
      store,
      clock: time,
      pause: time.pause,
      ...(areLeased ? { newLeases: leasesNamed(name) } : {}),
    });
  const scopes: ScopeLimits[] = [
    { scope: KEY, limits: key },
    { scope: TEAM, limits: team },
    { scope: POOL, limits: POOL_LIMITS },
  ];
  const accounts = worker();
  const state = (scope: Scope) => {
    const [first, ...others] = memory.shardsOf(scope).map(({ account }) => account);
    if (first === undefined) throw new Error(`no account of ${accountKey(scope)}`);
    const account = sumAccounts([first, ...others]);
    return {
      holds: account.holds.size,
      leases: [...account.holds.values()].filter(({ owner }) => owner.kind === 'lease').length,
      committed: counterValue(account, 'nanoUsdPerMonth', MONTH),
      settled: counterValue(account, 'settledNanoUsd', MONTH),
      requests: counterValue(account, 'settledRequests', MONTH),
    };
  };
  const reserve = async (index: number, demand = DEMAND) =>
    accounts.reserve({
      requestId: requestIdOf(index),
      alias: 'gpt',
      demand,
      scopes,
      timeZone: 'UTC',
      holdSeconds: HOLD_SECONDS,
    });
  const reserved = async (index: number): Promise<Reservation> => {
    const outcome = await reserve(index);
    if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
    return outcome;
  };
  /** As the reaper's function does it: every account, and then the leases. */
  const reap = async () => {
    const ports = {
      store: memory,
      clock: time,
      pause: async () => {},
      bookExpired: async () => {},
    };
    const began = Math.floor(time.nowMs() / 1000);
    const keys = [KEY, TEAM, POOL].map(accountKey);
    const counts = await Promise.all(keys.map((each) => reapAccount(ports, each)));
    const left = counts.reduce((sum, count) => sum + count.left, 0);
    if (left > 0) return;
    for (const each of keys) await releaseLeases(memory, each, began);
  };
  const die = () => {
    isDead = true;
  };
  return { memory, time, accounts, state, reserve, reserved, reap, die };
}

function requestIdOf(index: number): string {
  return `req_${String(index).padStart(8, '0')}bbbbbbbbbbbbbb`;
}

/** So many calls, one every 40 ms, each a second long. */
async function traffic({ time, accounts, reserved }: ReturnType<typeof world>, calls: number) {
  const all = Array.from({ length: calls }, async (_, index) => {
    await time.pause(40 * (index + 1));
    const reservation = await reserved(index);
    await time.pause(1_000);
    await accounts.settle(reservation, ACTUAL);
    return reservation;
  });
  await time.advance(40 * calls + 10_000);
  return Promise.all(all);
}

describe('leases', () => {
  it('give nobody room that was taken under a raise once the raise has ended', async () => {
    const raise = {
      fromMs: START,
      untilMs: START + 3_000,
      limits: { nanoUsdPerMonth: 10_000_000 },
    };
    const raises = [{ ...raise, endsWithPeriod: false }];
    const { time, reserve, memory } = world({ team: { nanoUsdPerMonth: 5_000, raises } });
    for (let index = 0; index < 60; index += 1) {
      expect(await reserve(index)).toMatchObject({ kind: 'reserved' });
      await time.advance(49);
    }
    const isLeased = memory.shardsOf(TEAM)[0]?.account.holds.has('lease001');
    expect({ isLeased, nowMs: time.nowMs() }).toEqual({ isLeased: true, nowMs: START + 2_940 });
    await time.advance(60);
    expect(await reserve(60)).toMatchObject({ kind: 'refused', denial: { limit: 5_000 } });
  });

  it('write two or three times a call where there were six', async () => {
    const direct = world({ areLeased: false });
    await traffic(direct, 200);
    const leased = world();
    const reservations = await traffic(leased, 200);
    const writesTo = ({ memory }: ReturnType<typeof world>, scope: Scope) =>
      memory.shardsOf(scope).reduce((sum, { key }) => sum + memory.writes(key), 0);
    const perCall = (each: ReturnType<typeof world>, scope?: Scope) =>
      (scope === undefined ? each.memory.writes() : writesTo(each, scope)) / 200;
    console.table({
      direct: {
        all: perCall(direct),
        key: perCall(direct, KEY),
        team: perCall(direct, TEAM),
        pool: perCall(direct, POOL),
      },
      leased: {
        all: perCall(leased),
        key: perCall(leased, KEY),
        team: perCall(leased, TEAM),
        pool: perCall(leased, POOL),
      },
    });
    expect(perCall(direct, TEAM)).toBe(2);
    // Twice a call, and once for each time that the key got more accounts for its open calls.
    expect(perCall(leased, KEY)).toBeLessThan(2.1);
    expect(perCall(leased)).toBeLessThan(2.6);
    expect(
      reservations.filter(({ grants }) => grants[1]?.part !== undefined).length,
    ).toBeGreaterThan(180);
  });

  it('leave the accounts as two hundred reserves and settlements would', async () => {
    const leased = world();
    await traffic(leased, 200);
    const all = { holds: 0, leases: 0, committed: 200 * 300, settled: 200 * 300, requests: 200 };
    expect([KEY, TEAM, POOL].map(leased.state)).toEqual([all, all, all]);
  });

  it('are written as soon as eight calls wait, for their leads stay open until then', async () => {
    const { time, accounts, reserved, state, memory } = world();
    const open: Reservation[] = [];
    for (let index = 0; index < 30; index += 1) {
      open.push(await reserved(index));
      await time.advance(20);
    }
    const underLease = open.filter(({ grants }) => grants[1]?.part !== undefined);
    await time.advance(1_000);
    const before = memory.writes(accountKey(TEAM));
    const closing = underLease.slice(0, 8).map((each) => accounts.settle(each, ACTUAL));
    const soon = Promise.all(closing).then(() => true);
    await time.advance(0);
    expect(memory.writes(accountKey(TEAM))).toBe(before + 1);
    expect(state(TEAM).settled).toBe(8 * ACTUAL.nanoUsd);
    // Pools answer as the team does, and then nothing but the wait for another call of the key (ADR 0042).
    await time.advance(250);
    expect(await soon).toBe(true);
    expect(state(KEY).holds).toBe(22);
  });

  it('grow as soon as calls find no room in them', async () => {
    const { time, reserved, memory } = world();
    const asked = () => memory.writes(accountKey(TEAM));
    for (let index = 0; index < 3; index += 1) await reserved(index);
    await time.advance(1);
    const calls = Array.from({ length: 60 }, (_, index) => index + 3);
    const before = asked();
    for (const index of calls) {
      await reserved(index);
      await time.advance(1);
    }
    // In 60 ms, an eighth of the shortest round.
    expect(asked() - before).toBeLessThan(calls.length / 2);
  });

  it('are returned within a second when nobody calls', async () => {
    const leased = world();
    const closing: Promise<void>[] = [];
    for (let index = 0; index < 6; index += 1) {
      closing.push(leased.accounts.settle(await leased.reserved(index), ACTUAL));
      await leased.time.advance(10);
    }
    expect(leased.state(TEAM)).toMatchObject({ leases: 1 });
    expect(leased.state(TEAM).committed).toBeGreaterThan(6 * 300);
    await leased.time.advance(1_600);
    await Promise.all(closing);
    expect(leased.state(TEAM)).toMatchObject({ holds: 0, committed: 6 * 300 });
  });

  it('are not taken in the last fifth of a limit, nor for more than a sixteenth of what is free', async () => {
    const leased = world({ team: { nanoUsdPerMonth: 100_000 } });
    let most = 0;
    for (let index = 0; index < 100; index += 1) {
      const outcome = await leased.reserve(index);
      expect(outcome.kind).toBe('reserved');
      await leased.time.advance(20);
      const { committed } = leased.state(TEAM);
      const free = committed - 1_000 * (index + 1);
      most = Math.max(most, free);
    }
    // At first the whole account is free, below its last fifth.
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(80_000 / 16);
    await leased.time.advance(1_000);
    expect(await leased.reserve(100)).toMatchObject({
      kind: 'refused',
      denial: { reason: 'held' },
    });
    expect(leased.state(TEAM).committed).toBe(100_000);
  });

  it('leave what they keep free to others within a second', async () => {
    const leased = world({ team: { nanoUsdPerMonth: 200_000 } });
    for (let index = 0; index < 8; index += 1) {
      await leased.reserve(index);
      await leased.time.advance(5);
    }
    const { committed } = leased.state(TEAM);
    expect(committed).toBeGreaterThan(8_000);
    const rest = { nanoUsd: 192_000, inputTokens: 1, outputTokens: 1 };
    const refused = await leased.reserve(8, rest);
    expect(refused).toMatchObject({
      kind: 'refused',
      denial: { reason: 'held', retryAfterMs: 2_000 },
    });
    await leased.time.advance(2_000);
    expect(await leased.reserve(9, rest)).toMatchObject({ kind: 'reserved' });
  });

  it.each([
    ['of the account', { team: { ...TEAM_LIMITS, concurrentRequests: 1_000 } }],
    ['of the key', { key: { concurrentRequests: 1_000 } }],
  ])('leave out what counts open calls: a limit %s', async (_, limits) => {
    const leased = world(limits);
    await traffic(leased, 20);
    expect(leased.memory.writes(accountKey(TEAM))).toBe(40);
  });

  it('take back the part of a call that another account refuses', async () => {
    const leased = world({ key: { tokensPerMinute: 100_000 } });
    for (let index = 0; index < 6; index += 1) {
      await leased.reserve(index);
      await leased.time.advance(5);
    }
    const before = leased.state(TEAM).committed;
    const tooMuch = { nanoUsd: 1, inputTokens: 100_001, outputTokens: 0 };
    const refused = await leased.reserve(6, tooMuch);
    if (refused.kind !== 'refused') throw new Error(refused.kind);
    await refused.undone;
    await leased.time.advance(2_000);
    expect(before).toBeGreaterThan(6_000);
    expect(leased.state(TEAM).committed).toBe(6_000);
  });

  it('are posted call by call when their worker dies, and the rest is given back', async () => {
    const leased = world();
    const open: Reservation[] = [];
    for (let index = 0; index < 10; index += 1) {
      open.push(await leased.reserved(index));
      await leased.time.advance(5);
    }
    const { part } = open[5]?.grants[1] ?? {};
    expect(part).toBeDefined();
    leased.die();
    await leased.time.advance(880_000);
    await leased.reap();
    expect(leased.state(TEAM)).toMatchObject({ leases: 1, settled: 0 });
    await leased.time.advance(60_000);
    await leased.reap();
    const atHold = { holds: 0, leases: 0, committed: 10_000, settled: 10_000, requests: 10 };
    expect([KEY, TEAM, POOL].map(leased.state)).toEqual([atHold, atHold, atHold]);
    const late = { keyId: 'vk_0123456789ab', provider: 'openai', actual: ACTUAL };
    const ports = { store: leased.memory, pause: async () => {} };
    for (let index = 0; index < 10; index += 1)
      await correctPosted(ports, { ...late, requestId: requestIdOf(index) });
    expect(leased.state(TEAM)).toMatchObject({ committed: 3_000, settled: 3_000, requests: 10 });
  });

  it('are not returned while a call under them may still have to be posted', async () => {
    const leased = world();
    for (let index = 0; index < 6; index += 1) {
      await leased.reserved(index);
      await leased.time.advance(5);
    }
    leased.die();
    await leased.time.advance(960_000);
    const { committed } = leased.state(TEAM);
    const ports = {
      store: leased.memory,
      clock: leased.time,
      pause: async () => {},
      bookExpired: () => Promise.reject(new Error('the ledger is out of reach')),
    };
    await expect(reapAccount(ports, accountKey(KEY))).rejects.toThrow('out of reach');
    expect(await reapAccount(ports, accountKey(TEAM))).toMatchObject({ leases: 1 });
    expect(leased.state(TEAM)).toMatchObject({ committed, leases: 1 });
  });

  it('settle once where the worker dies between the account and the lead', async () => {
    const leased = world();
    const open: Reservation[] = [];
    for (let index = 0; index < 6; index += 1) {
      open.push(await leased.reserved(index));
      await leased.time.advance(5);
    }
    const [last] = open.slice(-1);
    if (last === undefined) throw new Error('nothing is open');
    // Its key is out of reach: the lead stays open behind a settled lease.
    const settled = last.grants[1]?.part?.settle(ACTUAL);
    await leased.time.advance(1_000);
    await settled;
    expect(leased.state(TEAM)).toMatchObject({ settled: 300 });
    leased.die();
    await leased.time.advance(960_000);
    await leased.reap();
    expect(leased.state(KEY)).toMatchObject({ settled: 6_000, requests: 6 });
    expect(leased.state(TEAM)).toMatchObject({ holds: 0, settled: 5_300, requests: 6 });
  });

  it('are stored and read as they are, under accounts of any name', () => {
    const hold = { ...DEMAND, expiresAtSeconds: START / 1000, day: 20261120, countsDay: true };
    const lead = { kind: 'lead', requestId: requestIdOf(1), alias: 'a%,@b:c.d' } as const;
    const uses = ['team/a,b/@c%25', 'pool/x%.3', 'user/a/b/%~h'].map((account) => ({
      account,
      lease: 'lease001',
    }));
    const owners: readonly HoldOwner[] = [
      lead,
      { ...lead, leases: uses },
      { kind: 'lease', writes: 40, settled: [] },
      { kind: 'lease', writes: 41, settled: ['00000001', 'a0000002'] },
    ];
    for (const owner of owners)
      expect(decodeHold(encodeHold({ ...hold, owner }))).toEqual({ ...hold, owner });
  });
});
