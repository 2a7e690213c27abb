import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterValue, parseAccount } from '../../../core/limits/account.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import { DIMENSIONS, type Limits } from '../../../core/limits/dimensions.ts';
import type { Demand } from '../../../core/limits/reserve.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_1' };
const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const MONTH = 202611;
const START = Date.UTC(2026, 10, 20, 12, 0, 0);
const CALL: Demand = { nanoUsd: 1_000, inputTokens: 100, outputTokens: 50 };

function gateway(limits: { key?: Limits; team?: Limits }) {
  const store = createMemoryStore();
  let nowMs = START;
  let sequence = 0;
  const nextHoldId = () => {
    sequence += 1;
    return `hold${sequence}`;
  };
  const accounts = createAccounts({ store, clock: { nowMs: () => nowMs } });
  const scopes = [
    { scope: KEY, limits: limits.key ?? {} },
    { scope: TEAM, limits: limits.team ?? {} },
  ];
  for (const { scope, limits: each } of scopes) store.setUp(scope, each);
  return {
    store,
    accounts,
    advance: (ms: number) => {
      nowMs += ms;
    },
    reserve: (demand: Demand = CALL, holdId = nextHoldId()) =>
      accounts.reserve({
        requestId: `req_${holdId}`,
        alias: 'm',
        demand,
        scopes,
        timeZone: 'UTC',
        holdSeconds: 900,
      }),
    account: (scope: Scope) => parseAccount(store.items.get(accountKey(scope)) ?? {}),
  };
}

async function granted(
  outcome: ReturnType<ReturnType<typeof gateway>['reserve']>,
): Promise<Reservation> {
  const result = await outcome;
  if (result.kind !== 'reserved') throw new Error(`refused: ${JSON.stringify(result)}`);
  return result;
}

async function denial(outcome: ReturnType<ReturnType<typeof gateway>['reserve']>) {
  const result = await outcome;
  if (result.kind !== 'refused') throw new Error(`not refused: ${result.kind}`);
  await result.undone;
  return { scope: result.scope, ...result.denial };
}

describe('reserve and settle', () => {
  it('takes one write per account in the calm case, and one to settle', async () => {
    const { store, accounts, reserve } = gateway({
      team: {
        requestsPerSecond: 100,
        tokensPerMinute: 50_000,
        concurrentRequests: 10,
        tokensPerMonth: 10_000_000,
        nanoUsdPerMonth: 5e12,
      },
    });
    const reservation = await granted(reserve());
    expect(store.writes()).toBe(2);
    await accounts.settle(reservation, CALL);
    expect(store.writes()).toBe(4);
  });

  it('keeps what was really used and gives back the rest', async () => {
    const { accounts, reserve, account } = gateway({ team: { nanoUsdPerMonth: 5_000 } });
    await accounts.settle(await granted(reserve()), {
      nanoUsd: 400,
      inputTokens: 30,
      outputTokens: 20,
    });
    const team = account(TEAM);
    expect(team.holds.size).toBe(0);
    expect(counterValue(team, 'nanoUsdPerMonth', MONTH)).toBe(400);
    expect(counterValue(team, 'settledNanoUsd', MONTH)).toBe(400);
    expect(counterValue(team, 'tokensPerMonth', MONTH)).toBe(50);
    expect(counterValue(team, 'settledRequests', MONTH)).toBe(1);
  });

  it('settles once, however often it is asked to', async () => {
    const { accounts, reserve, account } = gateway({});
    const reservation = await granted(reserve());
    await accounts.settle(reservation, CALL);
    await accounts.settle(reservation, CALL);
    await accounts.release(reservation);
    expect(counterValue(account(TEAM), 'settledNanoUsd', MONTH)).toBe(CALL.nanoUsd);
    expect(counterValue(account(TEAM), 'nanoUsdPerMonth', MONTH)).toBe(CALL.nanoUsd);
  });

  it('holds once when the same request reserves again after a lost answer', async () => {
    const { reserve, account } = gateway({ team: { nanoUsdPerMonth: 1_000 } });
    await granted(reserve(CALL, 'same'));
    await granted(reserve(CALL, 'same'));
    expect(counterValue(account(TEAM), 'nanoUsdPerMonth', MONTH)).toBe(1_000);
  });

  it('leaves no hold and no count at the siblings when one scope refuses', async () => {
    const { reserve, account } = gateway({
      key: { requestsPerSecond: 5, tokensPerMinute: 10_000 },
      team: { nanoUsdPerMonth: 999 },
    });
    expect(await denial(reserve())).toMatchObject({ scope: TEAM, dimension: 'nanoUsdPerMonth' });
    const key = account(KEY);
    expect(key.holds.size).toBe(0);
    expect([...key.counters.values()].filter((value) => value !== 0)).toEqual([]);
  });

  it('charges the month of the reserve when the call ends in the next', async () => {
    const { accounts, reserve, account, advance } = gateway({ team: { nanoUsdPerMonth: 10_000 } });
    const reservation = await granted(reserve());
    advance(12 * 86_400_000);
    await accounts.settle(reservation, CALL);
    expect(counterValue(account(TEAM), 'settledNanoUsd', MONTH)).toBe(CALL.nanoUsd);
    expect(counterValue(account(TEAM), 'settledNanoUsd', 202612)).toBe(0);
  });

  it('refuses a revoked key at its next request', async () => {
    const { store, reserve } = gateway({});
    await granted(reserve());
    store.setStatus(KEY, 'revoked');
    expect(await reserve()).toMatchObject({ kind: 'inactive', status: 'revoked', scope: KEY });
  });

  it('obeys a limit that was lowered behind its back, in the same request', async () => {
    const { store, reserve } = gateway({ team: { nanoUsdPerMonth: 10_000 } });
    await granted(reserve());
    store.setUp(TEAM, { nanoUsdPerMonth: 1_500 });
    expect(await denial(reserve())).toMatchObject({ limit: 1_500, used: 1_000, needed: 1_000 });
  });

  it('admits under a limit that was raised behind its back', async () => {
    const { store, reserve } = gateway({ team: { nanoUsdPerMonth: 1_000 } });
    await granted(reserve());
    store.setUp(TEAM, { nanoUsdPerMonth: 2_000 });
    await granted(reserve());
  });

  it('sweeps counters of windows that nobody reads any more', async () => {
    const { accounts, reserve, account, advance } = gateway({
      team: { requestsPerSecond: 10, tokensPerMinute: 100_000 },
    });
    for (let second = 0; second < 300; second += 1) {
      await accounts.settle(await granted(reserve()), CALL);
      advance(1_000);
    }
    expect(account(TEAM).counters.size).toBeLessThan(16);
  });
});

describe('denials', () => {
  it('tells a budget held by calls in flight from one that is spent', async () => {
    const { accounts, reserve } = gateway({ team: { nanoUsdPerMonth: 1_500 } });
    const open = await granted(reserve());
    expect(await denial(reserve())).toMatchObject({ reason: 'held', held: 1_000 });
    await accounts.settle(open, CALL);
    expect(await denial(reserve())).toMatchObject({ reason: 'spent', held: 0, used: 1_000 });
  });

  it('counts open calls for the concurrency limit', async () => {
    const { accounts, reserve } = gateway({ key: { concurrentRequests: 2 } });
    const first = await granted(reserve());
    await granted(reserve());
    expect(await denial(reserve())).toMatchObject({
      dimension: 'concurrentRequests',
      reason: 'open',
    });
    await accounts.release(first);
    await granted(reserve());
  });

  it('names a call that can never fit', async () => {
    const { reserve } = gateway({ team: { tokensPerMinute: 100 } });
    expect(await denial(reserve())).toMatchObject({ reason: 'too-large', needed: 150 });
  });

  it('gives a retry-after that works when it is obeyed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ afterMs: fc.nat(40_000), tokens: fc.integer({ min: 1, max: 400 }) }), {
          maxLength: 30,
        }),
        fc.integer({ min: 1, max: 1_000 }),
        async (calls, tokens) => {
          const { reserve, advance } = gateway({ team: { tokensPerMinute: 1_000 } });
          for (const call of calls) {
            advance(call.afterMs);
            const outcome = await reserve({
              nanoUsd: 0,
              inputTokens: call.tokens,
              outputTokens: 0,
            });
            if (outcome.kind !== 'reserved') await outcome.undone;
          }
          const demand = { nanoUsd: 0, inputTokens: tokens, outputTokens: 0 };
          const first = await reserve(demand);
          if (first.kind === 'reserved') return;
          await first.undone;
          if (first.kind !== 'refused' || first.denial.retryAfterMs === undefined)
            throw new Error('a window always frees');
          advance(first.denial.retryAfterMs);
          expect((await reserve(demand)).kind).toBe('reserved');
        },
      ),
    );
  });
});

describe('the bound', () => {
  const operation = fc.record({
    kind: fc.constantFrom('reserve', 'settle', 'release'),
    pick: fc.nat(1_000),
    nanoUsd: fc.integer({ min: 0, max: 400 }),
    tokens: fc.integer({ min: 0, max: 400 }),
    share: fc.integer({ min: 0, max: 100 }),
    afterMs: fc.nat(2_000),
  });

  it('never lets settled plus held exceed a hard limit, and never refuses what fits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const limits = { nanoUsdPerMonth: 1_000, tokensPerMonth: 1_200 };
        const { accounts, reserve, account, advance } = gateway({ key: limits, team: limits });
        const open: { reservation: Reservation; demand: Demand }[] = [];
        let settledUsd = 0;
        for (const { kind, pick, nanoUsd, tokens, share, afterMs } of operations) {
          advance(afterMs);
          const team = account(TEAM);
          const used = counterValue(team, 'nanoUsdPerMonth', MONTH);
          const usedTokens = counterValue(team, 'tokensPerMonth', MONTH);
          if (kind === 'reserve') {
            const demand = { nanoUsd, inputTokens: tokens, outputTokens: 0 };
            const outcome = await reserve(demand);
            expect(outcome.kind).toBe(
              used + nanoUsd <= 1_000 && usedTokens + tokens <= 1_200 ? 'reserved' : 'refused',
            );
            if (outcome.kind === 'reserved') open.push({ reservation: outcome, demand });
            else await outcome.undone;
          } else {
            const [call] = open.splice(open.length === 0 ? 0 : pick % open.length, 1);
            if (call === undefined) continue;
            const actual = Math.floor((call.demand.nanoUsd * share) / 100);
            if (kind === 'settle') settledUsd += actual;
            await (kind === 'settle'
              ? accounts.settle(call.reservation, {
                  nanoUsd: actual,
                  inputTokens: call.demand.inputTokens,
                  outputTokens: 0,
                })
              : accounts.release(call.reservation));
          }
          for (const scope of [KEY, TEAM]) {
            const state = account(scope);
            const held = open.reduce((sum, { demand }) => sum + demand.nanoUsd, 0);
            expect(counterValue(state, 'nanoUsdPerMonth', MONTH)).toBe(settledUsd + held);
            expect(counterValue(state, 'settledNanoUsd', MONTH)).toBe(settledUsd);
            expect(settledUsd + held).toBeLessThanOrEqual(1_000);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('never admits more than the limit in any calendar window, whatever the clocks of the writers say', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ afterMs: fc.nat(700), skewMs: fc.integer({ min: -3_000, max: 3_000 }) }),
          { minLength: 20, maxLength: 80 },
        ),
        async (calls) => {
          const store = createMemoryStore();
          store.setUp(TEAM, { requestsPerSecond: 3 });
          let nowMs = START;
          const admitted = new Map<number, number>();
          for (const [index, { afterMs, skewMs }] of calls.entries()) {
            nowMs += afterMs;
            const accounts = createAccounts({ store, clock: { nowMs: () => nowMs + skewMs } });
            const outcome = await accounts.reserve({
              requestId: `req_h${index}`,
              alias: 'm',
              demand: CALL,
              scopes: [{ scope: TEAM, limits: { requestsPerSecond: 3 } }],
              timeZone: 'UTC',
              holdSeconds: 900,
            });
            if (outcome.kind !== 'reserved') continue;
            const second = parseAccount(store.items.get(accountKey(TEAM)) ?? {}).latestSecond;
            admitted.set(second, (admitted.get(second) ?? 0) + 1);
          }
          for (const count of admitted.values()) expect(count).toBeLessThanOrEqual(3);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('the registry of dimensions', () => {
  it('gives every dimension a code of its own', () => {
    const codes = Object.values(DIMENSIONS).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
  });
});
