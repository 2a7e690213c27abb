import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterValue, encodeHold, type Hold, parseAccount } from '../../../core/limits/account.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const MONTH = 202611;
const START = Date.UTC(2026, 10, 20, 12);
const DEMAND = { nanoUsd: 1_000, inputTokens: 100, outputTokens: 50 };
const ACTUAL = { nanoUsd: 300, inputTokens: 40, outputTokens: 10 };
const LEASE_MS = 900_000;
const REAPED_AFTER_MS = LEASE_MS + 60_000;

/** One process that can die at any of its writes, a reaper, and a clock. */
function world(team: Limits = { nanoUsdPerMonth: 1_500, nanoUsdPerDay: 1_400 }) {
  const store = createMemoryStore();
  store.setUp(KEY, {});
  store.setUp(TEAM, team);
  let nowMs = START;
  let diesAtWrite = Number.POSITIVE_INFINITY;
  let writes = 0;
  const clock = { nowMs: () => nowMs };
  const mortal: typeof store = {
    ...store,
    write: (key, write) => {
      writes += 1;
      return writes >= diesAtWrite ? new Promise(() => undefined) : store.write(key, write);
    },
  };
  const accounts = createAccounts({ store: mortal, clock });
  const booked: string[] = [];
  const scopes = [
    { scope: KEY, limits: {} },
    { scope: TEAM, limits: team },
  ];
  return {
    store,
    accounts,
    booked,
    advance: (ms: number) => {
      nowMs += ms;
    },
    /** The next so many writes go through; then the process never hears from the table again. */
    dieAfter: (more: number) => {
      diesAtWrite = writes + more + 1;
    },
    revive: () => {
      diesAtWrite = Number.POSITIVE_INFINITY;
    },
    reserve: (id = 'aaaaaaaa') =>
      accounts.reserve({
        requestId: `req_${id}bbbbbbbbbbbbbb`,
        alias: 'gpt',
        demand: DEMAND,
        scopes,
        timeZone: 'UTC',
        holdSeconds: 900,
      }),
    reap: async () => {
      const ports = {
        store,
        clock,
        pause: async () => {},
        bookExpired: async (_key: string, { hold }: { hold: Hold }) => {
          if (hold.owner.kind === 'lead') booked.push(hold.owner.requestId);
        },
      };
      const counts = [];
      for (const scope of [TEAM, KEY]) {
        const { posted, released } = await reapAccount(ports, accountKey(scope));
        counts.push({ posted, released });
      }
      return counts;
    },
    state: (scope: Scope) => {
      const account = parseAccount(store.items.get(accountKey(scope)) ?? {});
      return {
        holds: account.holds.size,
        committed: counterValue(account, 'nanoUsdPerMonth', MONTH),
        settled: counterValue(account, 'settledNanoUsd', MONTH),
        requests: counterValue(account, 'settledRequests', MONTH),
        today: counterValue(account, 'nanoUsdPerDay', 20261120),
      };
    },
  };
}

async function reserved(
  outcome: ReturnType<ReturnType<typeof world>['reserve']>,
): Promise<Reservation> {
  const result = await outcome;
  if (result.kind !== 'reserved') throw new Error(result.kind);
  return result;
}

const POSTED = { holds: 0, committed: 1_000, settled: 1_000, requests: 1 };

describe('a process that dies', () => {
  it('in the middle of its call is charged its hold everywhere, and its row is booked once', async () => {
    const w = world();
    await reserved(w.reserve());
    w.advance(LEASE_MS - 1_000);
    expect(await w.reap()).toEqual([
      { posted: 0, released: 0 },
      { posted: 0, released: 0 },
    ]);
    w.advance(REAPED_AFTER_MS - LEASE_MS);
    expect(await w.reap()).toEqual([
      { posted: 1, released: 0 },
      { posted: 1, released: 0 },
    ]);
    expect([w.state(KEY), w.state(TEAM)]).toMatchObject([POSTED, { ...POSTED, today: 1_000 }]);
    await w.reap();
    expect(w.booked).toEqual(['req_aaaaaaaabbbbbbbbbbbbbb']);
    expect(w.state(TEAM)).toMatchObject(POSTED);
  });

  it('while it reserves, before its key was held, is charged nothing', async () => {
    const w = world();
    await reserved(w.reserve());
    w.store.items.set(accountKey(KEY), { ...w.store.items.get(accountKey(KEY)), h: {} });
    w.advance(REAPED_AFTER_MS);
    expect(await w.reap()).toEqual([
      { posted: 0, released: 1 },
      { posted: 0, released: 0 },
    ]);
    expect(w.state(TEAM)).toMatchObject({ holds: 0, committed: 0, settled: 0, today: 0 });
    expect(w.booked).toEqual([]);
  });

  it('between the settlements leaves the lead, which is posted', async () => {
    const w = world();
    const reservation = await reserved(w.reserve());
    w.dieAfter(1);
    void w.accounts.settle(reservation, ACTUAL);
    await Promise.resolve();
    w.advance(REAPED_AFTER_MS);
    await w.reap();
    expect(w.state(TEAM)).toMatchObject({ holds: 0, settled: 300, committed: 300 });
    expect(w.state(KEY)).toMatchObject(POSTED);
  });

  it('while it gives back a refused call never charges the siblings', async () => {
    const w = world({ nanoUsdPerMonth: 1_500 });
    const reservation = await reserved(w.reserve());
    w.dieAfter(1);
    void w.accounts.release(reservation);
    await Promise.resolve();
    w.advance(REAPED_AFTER_MS);
    await w.reap();
    expect([w.state(KEY), w.state(TEAM)]).toMatchObject([
      { holds: 0, committed: 0 },
      { holds: 0, committed: 0, settled: 0 },
    ]);
  });

  it('only seems to: its late settlement replaces what was posted, once', async () => {
    const w = world();
    const reservation = await reserved(w.reserve());
    w.advance(REAPED_AFTER_MS);
    await w.reap();
    await w.accounts.settle(reservation, ACTUAL);
    await w.accounts.settle(reservation, ACTUAL);
    const truth = { holds: 0, committed: 300, settled: 300, requests: 1 };
    expect([w.state(KEY), w.state(TEAM)]).toMatchObject([truth, { ...truth, today: 300 }]);
  });

  it('is charged once by two reapers at a time', async () => {
    const w = world();
    await reserved(w.reserve());
    w.advance(REAPED_AFTER_MS);
    await Promise.all([w.reap(), w.reap()]);
    expect([w.state(KEY), w.state(TEAM)]).toMatchObject([POSTED, POSTED]);
  });

  it('does not keep others out: an unsent hold is given back when a call meets it', async () => {
    const w = world();
    await reserved(w.reserve());
    w.store.items.set(accountKey(KEY), { ...w.store.items.get(accountKey(KEY)), h: {} });
    const refused = await w.reserve('cccccccc');
    expect(refused).toMatchObject({ kind: 'refused', denial: { reason: 'held' } });
    if (refused.kind !== 'reserved') await refused.undone;
    w.advance(REAPED_AFTER_MS);
    await reserved(w.reserve('dddddddd'));
  });
});

describe('a stored hold', () => {
  it('reads back as it was written', () => {
    const amount = fc.nat(Number.MAX_SAFE_INTEGER);
    const owner = fc.oneof(
      fc.record(
        {
          kind: fc.constant('lead' as const),
          requestId: fc.stringMatching(/^req_[0-9A-Za-z]{22}$/),
          alias: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/),
          policyVersion: fc.nat(),
        },
        { requiredKeys: ['kind', 'requestId', 'alias'] },
      ),
      fc.record({
        kind: fc.constant('sibling' as const),
        leadAccount: fc.oneof(fc.stringMatching(/^key\/vk_[0-9a-f]{12}$/), fc.string()),
      }),
    );
    const hold = fc.record({
      nanoUsd: amount,
      inputTokens: amount,
      outputTokens: amount,
      expiresAtSeconds: fc.integer({ min: 1_700_000_000, max: 4_000_000_000 }),
      day: fc.integer({ min: 20260101, max: 20991231 }),
      countsDay: fc.boolean(),
      owner,
    });
    const account = createMemoryStore();
    account.setUp(KEY, {});
    fc.assert(
      fc.property(hold, (value) => {
        const item = { ...account.items.get(accountKey(KEY)), h: { id: encodeHold(value) } };
        expect(parseAccount(item).holds.get('id')).toEqual(value);
      }),
    );
  });
});
