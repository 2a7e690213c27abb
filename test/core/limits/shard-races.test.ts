import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Account, counterValue } from '../../../core/limits/account.ts';
import type { AccountStore } from '../../../core/limits/account-store.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import { calendarDay } from '../../../core/limits/periods.ts';
import { planRelease } from '../../../core/limits/reap.ts';
import { momentOf, planReserve, type ReserveRequest } from '../../../core/limits/reserve.ts';
import { fillUp, setUpScope } from '../../../core/limits/shard-setup.ts';
import { nextStep, planStep } from '../../../core/limits/slices.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';

const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const MONTH = 202611;
const NOW = Date.UTC(2026, 10, 20, 12);
const AT = momentOf(NOW, calendarDay(NOW, 'UTC'));
const clock = { nowMs: () => NOW };

/** A team with five shards, a budget and a limit of tokens. */
function hot(nanoUsdPerMonth: number): Limits {
  return { requestsPerSecond: 2_000, nanoUsdPerMonth, tokensPerMinute: 1_000_000 };
}

function totals(memory: MemoryStore) {
  const accounts = memory.shardsOf(TEAM).map(({ account }) => account);
  const sum = (values: readonly number[]) => values.reduce((all, each) => all + each, 0);
  return {
    shards: accounts.length,
    slices: sum(accounts.map(({ plan }) => plan.nanoUsdPerMonth ?? 0)),
    committed: sum(accounts.map((account) => counterValue(account, 'nanoUsdPerMonth', MONTH))),
    smallest: Math.min(...accounts.map(({ plan }) => plan.nanoUsdPerMonth ?? 0)),
  };
}

async function reserve(
  store: AccountStore,
  {
    id,
    nanoUsd,
    limits,
    policyVersion,
  }: { id: number; nanoUsd: number; limits: Limits; policyVersion: number },
) {
  return createAccounts({ store, clock }).reserve({
    requestId: `req_${id.toString(36).padStart(8, '0')}`,
    alias: 'm',
    demand: { nanoUsd, inputTokens: 1, outputTokens: 0 },
    scopes: [{ scope: TEAM, limits, policyVersion }],
    timeZone: 'UTC',
    holdSeconds: 900,
  });
}

/** What may happen to one trip to the table, before or after the table has done its part. */
type Fate = 'answered' | 'lost before' | 'lost after' | 'dies before' | 'dies after';

function faulty(memory: MemoryStore, nextFate: () => Fate): AccountStore {
  async function trip<T>(act: () => Promise<T>): Promise<T> {
    const fate = nextFate();
    if (fate === 'dies before') return new Promise(() => undefined);
    if (fate === 'lost before') throw new Error('time-out, not applied');
    const result = await act();
    if (fate === 'lost after') throw new Error('time-out, applied');
    return fate === 'dies after' ? new Promise(() => undefined) : result;
  }
  return {
    read: (key) => trip(() => memory.read(key)),
    write: (key, write) => trip(() => memory.write(key, write)),
    writeTogether: (writes) => trip(() => memory.writeTogether(writes)),
  };
}

describe('shards of a budget', () => {
  it('together refuse what does not fit and nothing else, as one account would', async () => {
    const operation = fc.record({
      kind: fc.constantFrom('reserve', 'reserve', 'settle', 'release', 'change'),
      pick: fc.nat(1_000),
      nanoUsd: fc.integer({ min: 0, max: 400 }),
      budget: fc.integer({ min: 1_000, max: 2_000 }),
      environment: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const memory = createMemoryStore();
        let budget = 1_000;
        memory.setUp(TEAM, hot(budget), AT);
        const environments = [0, 1, 2].map(() => createAccounts({ store: memory, clock }));
        const open: { reservation: Reservation; nanoUsd: number }[] = [];
        let committed = 0;
        for (const [index, { kind, pick, nanoUsd, environment, ...op }] of operations.entries()) {
          const accounts = environments[environment] ?? createAccounts({ store: memory, clock });
          if (kind === 'change') {
            budget = Math.max(committed, op.budget);
            memory.setUp(TEAM, hot(budget), AT);
          } else if (kind === 'reserve') {
            const outcome = await accounts.reserve({
              requestId: `req_${index.toString(36).padStart(8, '0')}`,
              alias: 'm',
              demand: { nanoUsd, inputTokens: 0, outputTokens: 0 },
              scopes: [{ scope: TEAM, limits: hot(budget) }],
              timeZone: 'UTC',
              holdSeconds: 900,
            });
            expect(outcome.kind).toBe(committed + nanoUsd <= budget ? 'reserved' : 'refused');
            if (outcome.kind === 'reserved') {
              open.push({ reservation: outcome, nanoUsd });
              committed += nanoUsd;
            }
          } else {
            const [call] = open.splice(open.length === 0 ? 0 : pick % open.length, 1);
            if (call === undefined) continue;
            const actual = kind === 'settle' ? Math.min(nanoUsd, call.nanoUsd) : 0;
            committed += actual - call.nanoUsd;
            if (kind === 'release') await accounts.release(call.reservation);
            else
              await accounts.settle(call.reservation, {
                nanoUsd: actual,
                inputTokens: 0,
                outputTokens: 0,
              });
          }
          expect(totals(memory)).toMatchObject({ slices: budget, committed });
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never sum to more or less than the budget, nor grant more, in any order of races, faults and crashes', async () => {
    const fate = fc.oneof(
      { weight: 12, arbitrary: fc.constant<Fate>('answered') },
      {
        weight: 1,
        arbitrary: fc.constantFrom<Fate>('lost before', 'lost after', 'dies before', 'dies after'),
      },
    );
    const caller = fc.record({
      nanoUsd: fc.integer({ min: 1, max: 300 }),
      isPolicy: fc.boolean(),
      budget: fc.integer({ min: 200, max: 3_000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(caller, { minLength: 5, maxLength: 25 }),
        fc.infiniteStream(fate),
        async (scheduler, callers, fates) => {
          const memory = createMemoryStore();
          const budgets = [
            1_000,
            ...callers.flatMap(({ budget, isPolicy }) => (isPolicy ? [budget] : [])),
          ];
          memory.setUp(TEAM, hot(1_000), AT);
          let before = totals(memory);
          let mostSinceChange = 0;
          const violations: object[] = [];
          const watched: MemoryStore = { ...memory };
          const check = () => {
            const now = totals(memory);
            if (now.slices !== before.slices) mostSinceChange = before.committed;
            const isSound =
              budgets.includes(now.slices) &&
              now.smallest >= 0 &&
              now.committed <= Math.max(now.slices, mostSinceChange);
            if (!isSound) violations.push({ before, now });
            before = now;
          };
          watched.read = scheduler.scheduleFunction(memory.read);
          watched.write = scheduler.scheduleFunction(async (key, write) => {
            const result = await memory.write(key, write);
            check();
            return result;
          });
          watched.writeTogether = scheduler.scheduleFunction(async (writes) => {
            const result = await memory.writeTogether(writes);
            check();
            return result;
          });
          const store = faulty(watched, () => fates.next().value ?? 'answered');
          let policyVersion = 1;
          let limits = hot(1_000);
          for (const [id, { nanoUsd, isPolicy, budget }] of callers.entries()) {
            if (isPolicy) {
              policyVersion += 1;
              limits = hot(budget);
              const setup = { limits, policyVersion };
              void setUpScope(store, accountKey(TEAM), { setup, at: AT }).catch(() => undefined);
            } else {
              void reserve(store, { id, nanoUsd, limits, policyVersion }).then((outcome) =>
                outcome.kind === 'reserved' ? undefined : outcome.undone.catch(() => undefined),
              );
            }
          }
          await scheduler.waitIdle();
          expect(violations).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('admit all that fits to callers who race for the end of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const memory = createMemoryStore();
        const limits = hot(1_000);
        memory.setUp(TEAM, limits, AT);
        const store: AccountStore = {
          read: scheduler.scheduleFunction(memory.read),
          write: scheduler.scheduleFunction(memory.write),
          writeTogether: scheduler.scheduleFunction(memory.writeTogether),
        };
        const outcomes = Array.from({ length: 30 }, (_, id) =>
          reserve(store, { id, nanoUsd: 70, limits, policyVersion: 1 }),
        );
        const kinds: string[] = [];
        for (const outcome of outcomes) void outcome.then(({ kind }) => kinds.push(kind));
        await scheduler.waitIdle();
        expect(kinds.filter((kind) => kind === 'reserved')).toHaveLength(14);
        expect(kinds.filter((kind) => kind === 'refused')).toHaveLength(16);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a slice that moves', () => {
  const spend = (nanoUsd: number, id: number): ReserveRequest => ({
    holdId: `hold${id}`,
    demand: { nanoUsd, inputTokens: 1, outputTokens: 0 },
    at: AT,
    expiresAtSeconds: NOW / 1000 + 900,
    owner: { kind: 'sibling', leadAccount: 'key/vk_0123456789ab' },
  });
  const scopeKey = accountKey(TEAM);

  function setUp(limits: Limits) {
    const memory = createMemoryStore();
    memory.setUp(TEAM, limits, AT);
    const [first, ...others] = memory.shardsOf(TEAM);
    if (first === undefined) throw new Error('no shards');
    const move = (request: ReserveRequest, home: string) => {
      const step = nextStep([first, ...others], request, home);
      if (step.kind !== 'reserve' || step.donors.length === 0) throw new Error('nothing moves');
      return planStep(step);
    };
    return { memory, move };
  }

  it('moves once when two callers take it to different shards', async () => {
    const { memory, move } = setUp(hot(1_000));
    // Larger than any slice, and each wants all of the second shard's.
    const one = move(spend(400, 1), scopeKey);
    const other = move(spend(400, 2), scopeKey).map(({ key, write }) =>
      key === scopeKey
        ? { key: 'another receiver', write: { ...write, conditions: [] } }
        : { key, write },
    );
    expect(await memory.writeTogether(one)).toBe(true);
    expect(await memory.writeTogether(other)).toBe(false);
    expect(totals(memory)).toMatchObject({ slices: 1_000, committed: 400 });
  });

  it('comes on top of what the receiver has when the move is written, or not at all', async () => {
    const { memory, move } = setUp(hot(1_000));
    const writes = move(spend(400, 1), scopeKey);
    memory.setUp(TEAM, hot(500), AT);
    const donors = writes
      .slice(1)
      .map(({ key, write }) => ({ key, write: { ...write, conditions: [] } }));
    expect(await memory.writeTogether([...writes.slice(0, 1), ...donors])).toBe(false);
  });

  it('stays when the donor has granted more meanwhile', async () => {
    const { memory, move } = setUp(hot(1_000));
    const writes = move(spend(1_000, 1), scopeKey);
    const donor = memory.shardsOf(TEAM)[3];
    if (donor === undefined) throw new Error('no donor');
    await memory.write(donor.key, planReserve(spend(1, 2), donor.account.plan));
    expect(await memory.writeTogether(writes)).toBe(false);
    expect(totals(memory)).toMatchObject({ slices: 1_000, committed: 1 });
  });

  it('stays when the donor counts in a later window already', async () => {
    const { memory, move } = setUp({ requestsPerSecond: 2_000, tokensPerMinute: 1_000 });
    const demand = { nanoUsd: 0, inputTokens: 600, outputTokens: 0 };
    const writes = move({ ...spend(0, 1), demand }, scopeKey);
    const later = { ...AT, minute: AT.minute + 1, second: AT.second + 60 };
    const donor = memory.shardsOf(TEAM).find(({ key }) => key === writes[1]?.key);
    if (donor === undefined) throw new Error('no donor');
    const full = { nanoUsd: 0, inputTokens: 200, outputTokens: 0 };
    const grant = { ...spend(0, 2), demand: full, at: later };
    expect(await memory.write(donor.key, planReserve(grant, donor.account.plan))).toMatchObject({
      kind: 'applied',
    });
    expect(await memory.writeTogether(writes)).toBe(false);
  });

  it('counts in the same window on both sides, whichever clock is behind', async () => {
    const { memory, move } = setUp({ requestsPerSecond: 2_000, tokensPerMinute: 1_000 });
    const ahead = {
      ...AT,
      nowMs: AT.nowMs + 60_000,
      second: AT.second + 60,
      minute: AT.minute + 1,
    };
    const request = { ...spend(0, 1), at: ahead };
    const demand = { nanoUsd: 0, inputTokens: 600, outputTokens: 0 };
    expect(await memory.writeTogether(move({ ...request, demand }, scopeKey))).toBe(true);
    const accounts = memory.shardsOf(TEAM).map(({ account }) => account);
    expect(accounts.filter(({ latestMinute }) => latestMinute === ahead.minute)).toHaveLength(3);
    const slow = createAccounts({ store: memory, clock });
    for (let id = 10; id < 60; id += 1)
      await slow.reserve({
        requestId: `req_slow${id}xx`,
        alias: 'm',
        demand: { nanoUsd: 0, inputTokens: 40, outputTokens: 0 },
        scopes: [{ scope: TEAM, limits: { requestsPerSecond: 2_000, tokensPerMinute: 1_000 } }],
        timeZone: 'UTC',
        holdSeconds: 900,
      });
    const inMinute = (minute: number) =>
      memory
        .shardsOf(TEAM)
        .reduce((sum, { account }) => sum + counterValue(account, 'tokensPerMinute', minute), 0);
    expect(inMinute(ahead.minute) + inMinute(AT.minute)).toBeLessThanOrEqual(1_000);
  });

  it('is not missed by a caller who reads the shards while it moves', async () => {
    const { memory, move } = setUp(hot(1_000));
    const toFirst = move({ ...spend(600, 1), holdId: 'released' }, scopeKey);
    const firstIsRead = Promise.withResolvers<void>();
    const store: AccountStore = {
      ...memory,
      read: async (key) => {
        if (key !== scopeKey) await firstIsRead.promise;
        const item = await memory.read(key);
        // What the others had is in the first shard as soon as that one has been read.
        if (key === scopeKey && (await memory.writeTogether(toFirst))) {
          const { account } = memory.shardsOf(TEAM)[0] ?? {};
          if (account !== undefined) await memory.write(scopeKey, planRelease(onlyHold(account)));
        }
        firstIsRead.resolve();
        return item;
      },
    };
    const outcome = await reserve(store, {
      id: 7,
      nanoUsd: 900,
      limits: hot(1_000),
      policyVersion: 1,
    });
    expect(outcome.kind).toBe('reserved');
  });

  function onlyHold(account: Account) {
    const [entry] = account.holds;
    if (entry === undefined) throw new Error('no hold');
    return { id: entry[0], hold: entry[1] };
  }
});

describe('a policy for a hot scope', () => {
  it('grows from one account to five without losing or doubling what was granted', async () => {
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
    expect(totals(memory)).toMatchObject({ shards: 5, slices: 1_000, committed: 700 });
    const rest = await reserve(memory, {
      id: 2,
      nanoUsd: 300,
      limits: hot(1_000),
      policyVersion: 1,
    });
    expect(rest.kind).toBe('reserved');
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
    expect(totals(memory)).toMatchObject({ shards: 5, slices: 1_000, committed: 80 });
  });

  it('never takes the place of a later one', async () => {
    const memory = createMemoryStore();
    const apply = (budget: number, policyVersion: number) =>
      setUpScope(memory, accountKey(TEAM), {
        setup: { limits: hot(budget), policyVersion },
        at: AT,
      });
    await apply(2_000, 5);
    await apply(1_000, 4);
    expect(totals(memory).slices).toBe(2_000);
  });
});

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
