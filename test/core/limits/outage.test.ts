import { describe, expect, it } from 'vitest';
import { counterValue, parseAccount } from '../../../core/limits/account.ts';
import { type AccountStore, StoreFault } from '../../../core/limits/account-store.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { DIMENSIONS } from '../../../core/limits/dimensions.ts';
import { createOutageAllowance, failsOpen } from '../../../core/limits/outage.ts';
import { calendarDay } from '../../../core/limits/periods.ts';
import { momentOf } from '../../../core/limits/reserve.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { startSimulatedProvider } from '../../../local/simulated-provider/simulated-provider.ts';
import { createTestGateway } from '../../support/gateway.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const USER: Scope = { ...TEAM, kind: 'user', userId: 'ann' };
const START = Date.UTC(2026, 10, 20, 12);
const DEMAND = { nanoUsd: 1_000, inputTokens: 100, outputTokens: 50 };
const ACTUAL = { nanoUsd: 300, inputTokens: 40, outputTokens: 10 };
const RATES = { requestsPerMinute: 300, tokensPerMinute: 100_000 };
const BUDGET = { nanoUsdPerMonth: 1_000_000 };

/** A table that leaves the writes to some accounts unanswered, and lets them arrive later. */
function world({ user, team = BUDGET }: { user: LimitPlan; team?: LimitPlan }) {
  const memory = createMemoryStore();
  memory.setUp(KEY, {});
  memory.setUp(TEAM, team);
  memory.setUp(USER, user);
  let nowMs = START;
  let sequence = 0;
  const out = new Set<string>();
  const late: (() => Promise<unknown>)[] = [];
  const table: AccountStore = {
    ...memory,
    async write(key, write) {
      if (!out.has(key)) return memory.write(key, write);
      late.push(() => memory.write(key, write));
      throw new StoreFault('no answer', { isDoubtful: true });
    },
  };
  const accounts = createAccounts({ store: table, clock: { nowMs: () => nowMs } });
  const scopes = [
    { scope: KEY, limits: {} },
    { scope: TEAM, limits: team, policyVersion: 1 },
    { scope: USER, limits: user, policyVersion: 1 },
  ];
  return {
    accounts,
    memory,
    late,
    lose: (scope: Scope) => void out.add(accountKey(scope)),
    find: () => out.clear(),
    advance: (ms: number) => {
      nowMs += ms;
    },
    reserve: async (demand = DEMAND) => {
      sequence += 1;
      const outcome = await accounts.reserve({
        requestId: `req_${String(sequence).padStart(8, '0')}bbbbbbbbbbbbbb`,
        alias: 'gpt',
        demand,
        scopes,
        timeZone: 'UTC',
        holdSeconds: 900,
      });
      if (outcome.kind !== 'reserved') void outcome.undone.catch(() => {});
      return outcome;
    },
    state: (scope: Scope) => {
      const account = parseAccount(memory.items.get(accountKey(scope)) ?? {});
      return {
        holds: account.holds.size,
        settled: counterValue(account, 'settledNanoUsd', 202611),
        committed: counterValue(account, 'nanoUsdPerMonth', 202611),
        calls: counterValue(account, 'settledRequests', 202611),
        inMinute: counterValue(account, 'requestsPerMinute', account.latestMinute),
      };
    },
  };
}

async function granted(outcome: ReturnType<ReturnType<typeof world>['reserve']>) {
  const result = await outcome;
  if (result.kind !== 'reserved') throw new Error(result.kind);
  return result;
}

const COUNTED = { holds: 0, settled: 300, committed: 300, calls: 1 };

describe('an account that is out of reach', () => {
  it('lets a call pass whose key answers, when its limits are of rate, and is told of it later', async () => {
    const w = world({ user: RATES });
    w.lose(USER);
    const reservation = await granted(w.reserve());
    expect(reservation.grants.map(({ unchecked }) => unchecked !== undefined)).toEqual([
      false,
      false,
      true,
    ]);
    w.find();
    await w.accounts.settle(reservation, ACTUAL);
    for (const arrive of w.late) await arrive();
    await w.accounts.settle(reservation, ACTUAL);
    expect(w.state(USER)).toMatchObject(COUNTED);
    expect(w.state(TEAM)).toMatchObject(COUNTED);
  });

  it('counts the call once when its reserve arrives before the settlement', async () => {
    const w = world({ user: RATES });
    w.lose(USER);
    const reservation = await granted(w.reserve());
    w.find();
    await w.late[0]?.();
    expect(w.state(USER)).toMatchObject({ holds: 1, inMinute: 1 });
    await w.accounts.settle(reservation, ACTUAL);
    expect(w.state(USER)).toMatchObject({ ...COUNTED, inMinute: 1 });
  });

  it('counts nothing when the call was never sent, and refuses its reserve when that arrives', async () => {
    const w = world({ user: RATES });
    w.lose(USER);
    const reservation = await granted(w.reserve());
    w.find();
    await w.accounts.release(reservation);
    for (const arrive of w.late) await arrive();
    expect(w.state(USER)).toMatchObject({ holds: 0, settled: 0, committed: 0, calls: 0 });
  });

  it('is made when it is not there yet', async () => {
    const w = world({ user: RATES });
    w.memory.items.delete(accountKey(USER));
    w.lose(USER);
    const reservation = await granted(w.reserve());
    w.find();
    await w.accounts.settle(reservation, ACTUAL);
    expect(w.state(USER)).toMatchObject(COUNTED);
  });

  it('keeps no other account open when it never comes back', async () => {
    const w = world({ user: RATES });
    w.lose(USER);
    const reservation = await granted(w.reserve());
    await expect(w.accounts.settle(reservation, ACTUAL)).rejects.toBeInstanceOf(StoreFault);
    expect([w.state(KEY).holds, w.state(TEAM)]).toEqual([0, expect.objectContaining(COUNTED)]);
  });

  it('lets pass one call or one hundredth of each limit in a minute and environment', async () => {
    const w = world({ user: RATES });
    w.lose(USER);
    const kinds = async (count: number, demand = DEMAND) => {
      const outcomes = [];
      for (let made = 0; made < count; made += 1) outcomes.push((await w.reserve(demand)).kind);
      return outcomes;
    };
    expect(await kinds(5)).toEqual(['reserved', 'reserved', 'reserved', 'faulted', 'faulted']);
    w.advance(60_000);
    // A hundredth of the tokens is 1,000: six such calls, of which the requests allow three; one large call alone.
    const large = { ...DEMAND, inputTokens: 40_000 };
    expect(await kinds(2, large)).toEqual(['reserved', 'faulted']);
  });

  it.each<[string, LimitPlan]>([
    ['a budget', { ...RATES, nanoUsdPerMonth: 1e12 }],
    ['a budget of the day', { nanoUsdPerDay: 1e12 }],
    ['a quota', { ...RATES, tokensPerMonth: 1e9 }],
    ['a quota of the day', { tokensPerDay: 1e9 }],
    [
      'a budget in some hours',
      {
        ...RATES,
        schedules: [
          { days: [1], fromMinute: 0, toMinute: 60, timeZone: 'UTC', limits: { tokensPerDay: 5 } },
        ],
      },
    ],
  ])('fails closed when it has %s', async (_what, user) => {
    const w = world({ user });
    w.lose(USER);
    expect(await w.reserve()).toMatchObject({
      kind: 'faulted',
      fault: { code: 'limiter_unavailable' },
    });
  });

  it('fails closed when it is the key, or the key is out of reach too', async () => {
    const w = world({ user: RATES });
    w.lose(KEY);
    expect((await w.reserve()).kind).toBe('faulted');
    w.lose(USER);
    expect((await w.reserve()).kind).toBe('faulted');
  });

  it('does not overrule an account that denies', async () => {
    const w = world({ user: RATES, team: { nanoUsdPerMonth: 999 } });
    w.lose(USER);
    expect(await w.reserve()).toMatchObject({ kind: 'refused', scope: TEAM });
  });

  it('refuses nobody when it has soft limits alone', async () => {
    const w = world({ user: { soft: { nanoUsdPerMonth: 1 } } });
    w.lose(USER);
    for (let calls = 0; calls < 5; calls += 1) await granted(w.reserve());
  });
});

describe('a call that goes on without an account', () => {
  it('is answered, reported to operators and counted', async () => {
    const provider = await startSimulatedProvider({ speed: { ttftMs: 0 } });
    let isOut = true;
    const gateway = createTestGateway({
      providerUrl: provider.url,
      limits: { team: { requestsPerMinute: 300 } },
      store: (memory) => ({
        ...memory,
        write: (key, write) => {
          if (isOut && key === accountKey(TEAM))
            return Promise.reject(new StoreFault('hot', { isDoubtful: false }));
          return memory.write(key, write);
        },
      }),
    });
    const answer = await gateway.chat({ stream: true });
    isOut = false;
    await answer.closed;
    expect(answer.status).toBe(200);
    expect(gateway.reports).toEqual([expect.stringContaining('limits not checked')]);
    const { events, store } = gateway;
    const account = parseAccount(store.items.get(accountKey(TEAM)) ?? {});
    const month = Number(events[0]?.period.replace('-', ''));
    expect(counterValue(account, 'settledRequests', month)).toBe(1);
    expect(counterValue(account, 'settledNanoUsd', month)).toBe(events[0]?.cost_nano_usd);
    gateway.close();
    await provider.close();
  });
});

describe('the allowance of an environment', () => {
  it('counts calls that come in another order than they began', () => {
    const allowance = createOutageAllowance();
    const take = (atMs: number) =>
      allowance.take('team', RATES, {
        demand: DEMAND,
        at: momentOf(atMs, calendarDay(atMs, 'UTC')),
      });
    const taken = [0, 60_000, 0, 60_000, 0, 60_000, 0, 60_000].map((ms) => take(START + ms));
    expect(taken.filter(Boolean)).toHaveLength(1 + 3);
  });
});

describe('the table of outages', () => {
  it('closes money and quotas, and opens what comes back within a minute', () => {
    for (const [name, { window, outage }] of Object.entries(DIMENSIONS))
      expect([name, outage]).toEqual([
        name,
        window === 'day' || window === 'month' ? 'closed' : 'open',
      ]);
    expect([failsOpen(RATES), failsOpen({ ...RATES, ...BUDGET })]).toEqual([true, false]);
  });
});
