import { describe, expect, it } from 'vitest';
import { type Account, counterValue } from '../../../core/limits/account.ts';
import type { AccountStore } from '../../../core/limits/account-store.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import { planRelease } from '../../../core/limits/reap.ts';
import { planReserve, type ReserveRequest } from '../../../core/limits/reserve.ts';
import { nextStep, planStep } from '../../../core/limits/slices.ts';
import { accountKey } from '../../../core/tenancy/scopes.ts';
import { AT, clock, hot, NOW, reserve, TEAM, totals } from '../../support/hot-team.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

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
    const { memory, move } = setUp({ requestsPerSecond: 140, tokensPerMinute: 140_000 });
    const demand = { nanoUsd: 0, inputTokens: 60_000, outputTokens: 0 };
    const writes = move({ ...spend(0, 1), demand }, scopeKey);
    const later = { ...AT, minute: AT.minute + 1, second: AT.second + 60 };
    const donor = memory.shardsOf(TEAM).find(({ key }) => key === writes[1]?.key);
    if (donor === undefined) throw new Error('no donor');
    const full = { nanoUsd: 0, inputTokens: 20_000, outputTokens: 0 };
    const grant = { ...spend(0, 2), demand: full, at: later };
    expect(await memory.write(donor.key, planReserve(grant, donor.account.plan))).toMatchObject({
      kind: 'applied',
    });
    expect(await memory.writeTogether(writes)).toBe(false);
  });

  it('counts in the same window on both sides, whichever clock is behind', async () => {
    const { memory, move } = setUp({ requestsPerSecond: 140, tokensPerMinute: 140_000 });
    const ahead = {
      ...AT,
      nowMs: AT.nowMs + 60_000,
      second: AT.second + 60,
      minute: AT.minute + 1,
    };
    const request = { ...spend(0, 1), at: ahead };
    const demand = { nanoUsd: 0, inputTokens: 60_000, outputTokens: 0 };
    expect(await memory.writeTogether(move({ ...request, demand }, scopeKey))).toBe(true);
    const accounts = memory.shardsOf(TEAM).map(({ account }) => account);
    expect(accounts.filter(({ latestMinute }) => latestMinute === ahead.minute)).toHaveLength(3);
    const slow = createAccounts({ store: memory, clock });
    for (let id = 10; id < 60; id += 1)
      await slow.reserve({
        requestId: `req_slow${id}xx`,
        alias: 'm',
        demand: { nanoUsd: 0, inputTokens: 4_000, outputTokens: 0 },
        scopes: [{ scope: TEAM, limits: { requestsPerSecond: 140, tokensPerMinute: 140_000 } }],
        timeZone: 'UTC',
        holdSeconds: 900,
      });
    const inMinute = (minute: number) =>
      memory
        .shardsOf(TEAM)
        .reduce((sum, { account }) => sum + counterValue(account, 'tokensPerMinute', minute), 0);
    expect(inMinute(ahead.minute) + inMinute(AT.minute)).toBeLessThanOrEqual(140_000);
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
