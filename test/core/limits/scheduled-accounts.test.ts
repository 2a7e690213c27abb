import { describe, expect, it } from 'vitest';
import { parseAccount } from '../../../core/limits/account.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const USER: Scope = { kind: 'user', tenantId: 'acme', teamId: 'search', userId: 'ann' };
/** A Friday. */
const MORNING = Date.UTC(2026, 10, 20, 7, 0);
const HOUR = 3_600_000;

function office(limits: LimitPlan): LimitPlan['schedules'] {
  return [{ days: [5], fromMinute: 480, toMinute: 1080, timeZone: 'UTC', limits }];
}

function gateway(limits: LimitPlan) {
  const store = createMemoryStore();
  store.setUp(KEY, limits);
  let nowMs = MORNING;
  let sequence = 0;
  const accounts = createAccounts({ store, clock: { nowMs: () => nowMs } });
  return {
    store,
    advance: (ms: number) => {
      nowMs += ms;
    },
    account: (scope: Scope) => parseAccount(store.items.get(accountKey(scope)) ?? {}),
    /** The denied dimension and its limit, or `reserved`; settled at once, so that nothing stays open. */
    async call(plan: LimitPlan, user?: { plan: LimitPlan; policyVersion: number }) {
      sequence += 1;
      const demand = { nanoUsd: 0, inputTokens: 100, outputTokens: 0 };
      const users =
        user === undefined
          ? []
          : [{ scope: USER, limits: user.plan, policyVersion: user.policyVersion }];
      const outcome = await accounts.reserve({
        requestId: `req_${String(sequence).padStart(22, '0')}`,
        alias: 'fast',
        demand,
        scopes: [{ scope: KEY, limits: plan }, ...users],
        timeZone: 'UTC',
        holdSeconds: 900,
      });
      if (outcome.kind === 'reserved') {
        await accounts.settle(outcome, demand);
        return 'reserved';
      }
      await outcome.undone;
      return outcome.kind === 'refused'
        ? `${outcome.denial.dimension} ${outcome.denial.limit}`
        : outcome.kind;
    },
  };
}

describe('an account with a schedule', () => {
  const plan = { requestsPerMinute: 3, schedules: office({ requestsPerMinute: 1 }) };

  it('has the limits of the window while it is open, and its own again after it', async () => {
    const { call, advance } = gateway(plan);
    const minute = async () => {
      const answers = [await call(plan), await call(plan), await call(plan), await call(plan)];
      return answers.filter((answer) => answer === 'reserved').length;
    };
    expect(await minute()).toBe(3);
    advance(HOUR);
    expect(await minute()).toBe(1);
    advance(10 * HOUR);
    expect(await minute()).toBe(3);
  });

  it('needs no more writes when a window opens or closes', async () => {
    const { call, advance, store } = gateway(plan);
    for (let hour = 0; hour < 14; hour += 1) {
      await call(plan);
      expect(store.writes()).toBe(2 * (hour + 1));
      advance(HOUR);
    }
  });

  it('has counted what only the window limits before it opens', async () => {
    const nightly = { schedules: office({ tokensPerDay: 250 }) };
    const { call, advance } = gateway(nightly);
    for (let calls = 0; calls < 3; calls += 1) expect(await call(nightly)).toBe('reserved');
    advance(HOUR);
    expect(await call(nightly)).toBe('tokensPerDay 250');
  });

  it('refuses by the plan in force a caller who remembers another, in the same request', async () => {
    const { call, advance, store } = gateway(plan);
    advance(HOUR);
    store.setUp(KEY, { requestsPerMinute: 3, schedules: office({ requestsPerMinute: 2 }) });
    expect([await call(plan), await call(plan), await call(plan)]).toEqual([
      'reserved',
      'reserved',
      'requestsPerMinute 2',
    ]);
  });
});

describe('an account that nobody knows before its first call', () => {
  it('takes on the limits of a newer policy and keeps them when an older one calls', async () => {
    const { call, account } = gateway({});
    const version = (policyVersion: number, limit: number) => ({
      policyVersion,
      plan: { requestsPerMinute: limit },
    });
    expect(await call({}, version(1, 1))).toBe('reserved');
    expect(await call({}, version(2, 3))).toBe('reserved');
    expect(account(USER)).toMatchObject({ policyVersion: 2, plan: { requestsPerMinute: 3 } });
    expect(await call({}, version(1, 1))).toBe('reserved');
    expect(await call({}, version(1, 1))).toBe('requestsPerMinute 3');
    expect(account(USER).policyVersion).toBe(2);
  });
});
