import { describe, expect, it } from 'vitest';
import { StoreFault } from '../../../core/limits/account-store.ts';
import { createAccounts, type ReserveCall } from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import type { Demand } from '../../../core/limits/reserve.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const SMALL: Demand = { nanoUsd: 1, inputTokens: 1, outputTokens: 1 };

/** Accounts of a team, and what they say of the next call of one of its keys. */
function company(team: Limits = { requestsPerMinute: 10 }, key: Limits = {}) {
  const memory = createMemoryStore();
  let isTeamDown = false;
  const store: typeof memory = {
    ...memory,
    async write(account, write) {
      if (isTeamDown && account === accountKey(TEAM))
        throw new StoreFault('down', { isDoubtful: false });
      return memory.write(account, write);
    },
  };
  let nowMs = Date.UTC(2026, 10, 20, 12);
  let calls = 0;
  const accounts = createAccounts({ store, clock: { nowMs: () => nowMs } });
  memory.setUp(TEAM, team);
  for (const keyId of ['a', 'b']) memory.setUp({ kind: 'key', keyId }, key);
  const callOf = (keyId: string, demand: Demand): ReserveCall => {
    calls += 1;
    const scopes = [
      { scope: { kind: 'key', keyId } as const, limits: key },
      { scope: TEAM, limits: team },
    ];
    const asked = { requestId: `req_${calls}`, alias: 'm', demand, scopes };
    return { ...asked, timeZone: 'UTC', holdSeconds: 900 };
  };
  return {
    takeTeamDown: () => {
      isTeamDown = true;
    },
    sleep: (ms: number) => {
      nowMs += ms;
    },
    call: (keyId = 'a', demand = SMALL) => accounts.reserve(callOf(keyId, demand)),
    refusedLately: (keyId = 'a') => accounts.refusedLately(callOf(keyId, SMALL)),
    hadPlenty: (keyId = 'a', demand = SMALL) => accounts.hadPlenty(callOf(keyId, demand)),
  };
}

describe('a refusal', () => {
  it('is remembered for half a minute, by its key', async () => {
    const { call, refusedLately, sleep } = company({ requestsPerMinute: 0 });
    expect(refusedLately()).toBe(false);
    expect((await call()).kind).toBe('refused');
    sleep(29_999);
    expect([refusedLately('a'), refusedLately('b')]).toEqual([true, false]);
    sleep(1);
    expect(refusedLately()).toBe(false);
  });

  it('is forgotten when a call is granted', async () => {
    const { call, refusedLately, sleep } = company({ requestsPerSecond: 1 });
    await call();
    expect((await call()).kind).toBe('refused');
    expect(refusedLately()).toBe(true);
    sleep(2_000);
    expect((await call()).kind).toBe('reserved');
    expect(refusedLately()).toBe(false);
  });
});

describe('plenty of room', () => {
  it('is what every account had a moment ago, and nobody knows of before', async () => {
    const { call, hadPlenty, sleep } = company();
    expect(hadPlenty()).toBe(false);
    await call();
    sleep(29_999);
    expect([hadPlenty('a'), hadPlenty('b')]).toEqual([true, false]);
    sleep(1);
    expect(hadPlenty()).toBe(false);
  });

  it('ends with the last fifth of a limit, whoever uses it', async () => {
    const { call, hadPlenty } = company();
    for (let calls = 0; calls < 8; calls += 1) await call('a');
    expect(hadPlenty('a')).toBe(true);
    await call('b');
    expect([hadPlenty('a'), hadPlenty('b')]).toEqual([false, false]);
  });

  it.each<[string, Limits, Limits]>([
    ['of the key', {}, { nanoUsdPerMonth: 100 }],
    ['of tokens', { tokensPerDay: 100 }, {}],
  ])('ends with a limit %s', async (_of, team, key) => {
    const { call, hadPlenty } = company(team, key);
    await call();
    expect(hadPlenty()).toBe(true);
    expect((await call('a', { nanoUsd: 80, inputTokens: 40, outputTokens: 40 })).kind).toBe(
      'reserved',
    );
    expect(hadPlenty()).toBe(false);
  });

  it('is not enough for a call that asks for more than a fifth', async () => {
    const { call, hadPlenty } = company({ inputTokensPerMinute: 1_000 });
    await call();
    expect(hadPlenty('a', { ...SMALL, inputTokens: 200 })).toBe(true);
    expect(hadPlenty('a', { ...SMALL, inputTokens: 201 })).toBe(false);
  });

  it('ends with a refusal, for all who share what refused', async () => {
    const { call, hadPlenty } = company({ nanoUsdPerMonth: 100 });
    await call('a');
    await call('b');
    expect(hadPlenty('b')).toBe(true);
    await call('a', { ...SMALL, nanoUsd: 101 });
    expect([hadPlenty('a'), hadPlenty('b')]).toEqual([false, false]);
  });

  it('is not seen in an account that could not be asked', async () => {
    const { call, hadPlenty, takeTeamDown } = company();
    await call();
    expect(hadPlenty()).toBe(true);
    takeTeamDown();
    expect((await call()).kind).toBe('reserved');
    expect(hadPlenty()).toBe(false);
  });
});
