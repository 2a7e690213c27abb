import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterValue } from '../../../core/limits/account.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { DIMENSION_NAMES, type Limits } from '../../../core/limits/dimensions.ts';
import { calendarDay } from '../../../core/limits/periods.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { type Demand, momentOf } from '../../../core/limits/reserve.ts';
import { limitsAt } from '../../../core/limits/schedule.ts';
import { scopeKeyOf, shardCount, shardKey, sliceOf } from '../../../core/limits/shards.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const MONTH = 202611;
const START = Date.UTC(2026, 10, 20, 12);
/** Limits that ask for seven shards. */
const HOT = { requestsPerSecond: 140 };

interface GatewayOptions {
  readonly team?: Limits;
  readonly key?: Limits;
  readonly store?: (memory: MemoryStore) => MemoryStore;
}

function gateway({ team = HOT, key = {}, store: wrap = (memory) => memory }: GatewayOptions = {}) {
  const memory = createMemoryStore();
  memory.setUp(KEY, key);
  memory.setUp(TEAM, team);
  let nowMs = START;
  let sequence = 0;
  const clock = { nowMs: () => nowMs };
  const environment = () => createAccounts({ store: wrap(memory), clock });
  let accounts = environment();
  const at = () => momentOf(nowMs, calendarDay(nowMs, 'UTC'));
  return {
    memory,
    clock,
    accounts: () => accounts,
    /** Forgets what the process has seen. */
    restart: () => {
      accounts = environment();
    },
    advance: (ms: number) => {
      nowMs += ms;
    },
    change: (limits: Limits) => memory.setUp(TEAM, limits, at()),
    reserve: (demand: Partial<Demand> = {}, limits: Limits = team) => {
      sequence += 1;
      return accounts.reserve({
        requestId: `req_${sequence.toString(36).padStart(8, '0')}`,
        alias: 'm',
        demand: { nanoUsd: 1, inputTokens: 1, outputTokens: 0, ...demand },
        scopes: [
          { scope: KEY, limits: key },
          { scope: TEAM, limits },
        ],
        timeZone: 'UTC',
        holdSeconds: 900,
      });
    },
    limitsOf: () => memory.shardsOf(TEAM).map(({ account }) => limitsAt(account.plan, at().nowMs)),
    spentOf: () =>
      memory.shardsOf(TEAM).map(({ account }) => counterValue(account, 'nanoUsdPerMonth', MONTH)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

async function reserved(outcome: ReturnType<ReturnType<typeof gateway>['reserve']>) {
  const result = await outcome;
  if (result.kind !== 'reserved') throw new Error(`not reserved: ${JSON.stringify(result)}`);
  return result;
}

async function denied(outcome: ReturnType<ReturnType<typeof gateway>['reserve']>) {
  const result = await outcome;
  if (result.kind !== 'refused') throw new Error(`not refused: ${JSON.stringify(result)}`);
  await result.undone;
  return result.denial;
}

describe('the number of shards', () => {
  it.each<[string, Limits, number]>([
    ['one without limits', {}, 1],
    ['one where money alone is limited', { nanoUsdPerMonth: 1e15 }, 1],
    ['one for 20 requests a second', { requestsPerSecond: 20 }, 1],
    ['two for 40', { requestsPerSecond: 40 }, 2],
    ['five for 100', { requestsPerSecond: 100 }, 5],
    ['seven for 8,400 a minute', { requestsPerMinute: 8_400 }, 7],
    ['92 for 2,000 a second', { requestsPerSecond: 2_000 }, 92],
    ['what the lower of two limits asks for', { ...HOT, requestsPerMinute: 1_200 }, 1],
    ['smaller where few calls may be open', { ...HOT, concurrentRequests: 100 }, 2],
    [
      'never so large that a slice is less than four open calls',
      { ...HOT, concurrentRequests: 7 },
      1,
    ],
    [
      'never so large that a slice is less than a call of tokens',
      { ...HOT, tokensPerMinute: 9_000 },
      2,
    ],
    ['five where only 300 open calls are limited', { concurrentRequests: 300 }, 5],
    ['two where only a million tokens a minute are limited', { tokensPerMinute: 1_000_000 }, 2],
    ['the same where they are input tokens', { inputTokensPerMinute: 1_000_000 }, 2],
    ['one where nothing is allowed', { ...HOT, nanoUsdPerMonth: 0 }, 1],
    ['at most 96', { requestsPerSecond: 1_000_000 }, 96],
  ])('is %s', (_, limits, count) => {
    expect(shardCount(limits)).toBe(count);
  });

  it('follows the busiest schedule, and is one where a schedule changes a budget', () => {
    const schedule = { days: [1], fromMinute: 0, toMinute: 60, timeZone: 'UTC' };
    const at = (limits: Limits) => ({
      requestsPerSecond: 10,
      schedules: [{ ...schedule, limits }],
    });
    expect(shardCount(at(HOT))).toBe(7);
    expect(shardCount(at({ ...HOT, nanoUsdPerMonth: 1e12 }))).toBe(1);
  });

  it('divides every limit into slices that sum to it and are never empty', () => {
    const limit = fc.integer({ min: 1, max: 1e12 });
    const limits = fc.record(
      Object.fromEntries(DIMENSION_NAMES.map((dimension) => [dimension, limit])),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(limits, (plan: Limits) => {
        const count = shardCount(plan);
        const slices = Array.from({ length: count }, (_, index) => sliceOf(plan, index, count));
        for (const dimension of DIMENSION_NAMES) {
          if (plan[dimension] === undefined) continue;
          const parts = slices.map((slice) => slice[dimension] ?? 0);
          expect(sum(parts)).toBe(plan[dimension]);
          expect(Math.min(...parts)).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe('the key of a shard', () => {
  it('leads back to its scope, and no scope has the key of a shard', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(95), (userId, index) => {
        const key = accountKey({ kind: 'user', tenantId: 'acme', teamId: 'search', userId });
        expect(scopeKeyOf(key)).toBe(key);
        expect(scopeKeyOf(shardKey(key, index))).toBe(key);
        expect(shardKey(key, 0)).toBe(key);
      }),
    );
  });
});

describe('a hot scope', () => {
  it('admits its limit of requests in a second to the last one', async () => {
    const { reserve } = gateway({ team: HOT });
    for (let calls = 0; calls < 140; calls += 1) await reserved(reserve());
    expect(await denied(reserve())).toMatchObject({
      dimension: 'requestsPerSecond',
      reason: 'window',
      limit: 140,
      used: 140,
    });
  });

  it('spends its budget to the last nano-dollar, wherever the slices are', async () => {
    const { reserve, limitsOf, spentOf } = gateway({ team: { ...HOT, nanoUsdPerMonth: 10_000 } });
    for (let calls = 0; calls < 14; calls += 1) await reserved(reserve({ nanoUsd: 700 }));
    expect(await denied(reserve({ nanoUsd: 201 }))).toMatchObject({
      dimension: 'nanoUsdPerMonth',
      reason: 'held',
      limit: 10_000,
      used: 9_800,
      held: 9_800,
    });
    await reserved(reserve({ nanoUsd: 200 }));
    expect(sum(spentOf())).toBe(10_000);
    expect(sum(limitsOf().map(({ nanoUsdPerMonth = 0 }) => nanoUsdPerMonth))).toBe(10_000);
  });

  it('admits a call that is larger than any slice', async () => {
    const { reserve } = gateway({ team: { ...HOT, tokensPerMinute: 100_000 } });
    await reserved(reserve({ inputTokens: 100_000 }));
    expect(await denied(reserve())).toMatchObject({ dimension: 'tokensPerMinute', used: 100_000 });
    expect(await denied(reserve({ inputTokens: 100_001 }))).toMatchObject({ reason: 'too-large' });
  });

  it('tells a budget that is spent from one that is held', async () => {
    const { reserve, accounts } = gateway({ team: { ...HOT, nanoUsdPerMonth: 1_000 } });
    const call = await reserved(reserve({ nanoUsd: 950 }));
    expect(await denied(reserve({ nanoUsd: 100 }))).toMatchObject({ reason: 'held', held: 950 });
    await accounts().settle(call, { nanoUsd: 950, inputTokens: 1, outputTokens: 0 });
    expect(await denied(reserve({ nanoUsd: 100 }))).toMatchObject({ reason: 'spent', held: 0 });
  });

  it('does not serve from one shard what one shard was given: half of the difference goes home', async () => {
    const { reserve, memory, accounts, limitsOf } = gateway({
      team: { requestsPerMinute: 8_400, nanoUsdPerMonth: 100_000 },
    });
    const large = await reserved(reserve({ nanoUsd: 90_000 }));
    await accounts().settle(large, { nanoUsd: 0, inputTokens: 0, outputTokens: 0 });
    const slices = limitsOf().map(({ nanoUsdPerMonth = 0 }) => nanoUsdPerMonth);
    expect(Math.max(...slices)).toBe(100_000);
    const shards = memory.shardsOf(TEAM);
    const before = shards.map(({ key }) => memory.writes(key));
    for (let calls = 0; calls < 600; calls += 1) await reserved(reserve({ nanoUsd: 100 }));
    const writes = shards.map(({ key }, index) => memory.writes(key) - (before[index] ?? 0));
    expect(sum(writes)).toBeLessThan(700);
    expect(Math.max(...writes)).toBeLessThan(200);
    expect(sum(limitsOf().map(({ nanoUsdPerMonth = 0 }) => nanoUsdPerMonth))).toBe(100_000);
  });

  it('costs one write a call again once a moved slice was seen', async () => {
    const { reserve, memory, restart } = gateway({ team: { ...HOT, nanoUsdPerMonth: 1_000 } });
    await reserved(reserve({ nanoUsd: 900 }));
    restart();
    for (let calls = 0; calls < 40; calls += 1) await reserved(reserve({ nanoUsd: 0 }));
    const before = memory.writes();
    for (let calls = 0; calls < 20; calls += 1) await reserved(reserve({ nanoUsd: 0 }));
    expect(memory.writes() - before).toBe(40);
  });

  it('gives a retry-after that works when it is obeyed', async () => {
    const call = fc.record({
      afterMs: fc.nat(20_000),
      tokens: fc.integer({ min: 1, max: 40_000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { maxLength: 30 }),
        fc.integer({ min: 1, max: 100_000 }),
        async (calls, tokens) => {
          const { reserve, advance } = gateway({ team: { ...HOT, tokensPerMinute: 100_000 } });
          for (const { afterMs, tokens: inputTokens } of calls) {
            advance(afterMs);
            const outcome = await reserve({ inputTokens });
            if (outcome.kind !== 'reserved') await outcome.undone;
          }
          const first = await reserve({ inputTokens: tokens });
          if (first.kind === 'reserved') return;
          await first.undone;
          if (first.kind !== 'refused' || first.denial.retryAfterMs === undefined)
            throw new Error('a window always frees');
          advance(first.denial.retryAfterMs);
          await reserved(reserve({ inputTokens: tokens }));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('refuses a revoked key in every shard', async () => {
    const { reserve, memory } = gateway({ key: HOT });
    memory.setStatus(KEY, 'revoked');
    for (let calls = 0; calls < 20; calls += 1)
      expect(await reserve()).toMatchObject({ kind: 'inactive', status: 'revoked' });
  });

  it('reads as one account', async () => {
    const { reserve, accounts } = gateway({ team: { ...HOT, nanoUsdPerMonth: 1_000 } });
    for (let calls = 0; calls < 10; calls += 1) {
      const call = await reserved(reserve({ nanoUsd: 50 }));
      if (calls % 2 === 0)
        await accounts().settle(call, { nanoUsd: 30, inputTokens: 1, outputTokens: 0 });
    }
    const account = await accounts().read(TEAM);
    if (account === undefined) throw new Error('no account');
    expect(account.plan).toEqual({ ...HOT, nanoUsdPerMonth: 1_000 });
    expect(account.holds.size).toBe(5);
    expect(counterValue(account, 'settledNanoUsd', MONTH)).toBe(150);
    expect(counterValue(account, 'nanoUsdPerMonth', MONTH)).toBe(400);
  });

  it('makes the others pay when a provider takes more than its call had held', async () => {
    const { reserve, accounts, spentOf } = gateway({ team: { ...HOT, nanoUsdPerMonth: 1_000 } });
    await accounts().settle(await reserved(reserve({ nanoUsd: 100 })), {
      nanoUsd: 600,
      inputTokens: 1,
      outputTokens: 0,
    });
    for (;;) {
      const outcome = await reserve({ nanoUsd: 10 });
      if (outcome.kind === 'reserved') continue;
      await outcome.undone;
      break;
    }
    expect(sum(spentOf())).toBe(1_000);
  });

  it('is closed by the reaper wherever its dead calls hold, by the lead in whichever shard it is', async () => {
    const { reserve, memory, clock, advance, accounts } = gateway({ key: HOT });
    for (let calls = 0; calls < 20; calls += 1) await reserved(reserve({ nanoUsd: 5 }));
    advance(960_000);
    const booked: string[] = [];
    const bookExpired = async (key: string) => void booked.push(scopeKeyOf(key));
    for (const scope of [TEAM, KEY])
      for (const { key } of memory.shardsOf(scope))
        await reapAccount({ store: memory, clock, pause: async () => {}, bookExpired }, key);
    const account = await accounts().read(TEAM);
    expect(account?.holds.size).toBe(0);
    expect(account && counterValue(account, 'settledNanoUsd', MONTH)).toBe(100);
    expect(booked.filter((key) => key === accountKey(KEY))).toHaveLength(20);
  });
});
