import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { counterValue, parseAccount } from '../../../core/limits/account.ts';
import { type AccountStore, StoreFault } from '../../../core/limits/account-store.ts';
import { type AccountWrite, applyWrite } from '../../../core/limits/account-write.ts';
import { createAccounts, type Reservation } from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import { correctPosted } from '../../../core/limits/posted.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { momentOf, planReserve, type ReserveRequest } from '../../../core/limits/reserve.ts';
import { withRiders } from '../../../core/limits/rides.ts';
import { planSettle } from '../../../core/limits/settle.ts';
import { sumAccounts } from '../../../core/limits/shards.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { leasesNamed } from '../../support/leases.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { createVirtualTime } from '../../support/virtual-time.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_0123456789ab' };
const ACCOUNT = accountKey(KEY);
const START = Date.UTC(2026, 10, 20, 12);
const MONTH = 202611;
const DEMAND = { nanoUsd: 1_000, inputTokens: 100, outputTokens: 50 };
const ACTUAL = { nanoUsd: 300, inputTokens: 40, outputTokens: 10 };
const HOLD_SECONDS = 900;
const LONGEST_WAIT_MS = 250;

/** What becomes of one write to the key's account; `arrive` applies it, now or later. */
type Fate = (arrive: () => ReturnType<AccountStore['write']>) => ReturnType<AccountStore['write']>;

interface WorldOptions {
  readonly limits?: Limits;
  readonly areShared?: boolean;
  readonly accounts?: number;
}

/** One worker that serves many calls of a key at once. */
function world({ limits = {}, areShared = true, accounts: count = 1 }: WorldOptions = {}) {
  const memory = createMemoryStore();
  const plan = count === 1 ? limits : { ...limits, accounts: count };
  memory.setUp(KEY, plan);
  const time = createVirtualTime(START);
  const fates: Fate[] = [];
  let isDead = false;
  const store: AccountStore = {
    ...memory,
    write(key, write) {
      if (isDead) return new Promise(() => undefined);
      const arrive = () => memory.write(key, write);
      const fate = fates.shift();
      return fate === undefined ? arrive() : fate(arrive);
    },
  };
  const shared = areShared ? { newLeases: leasesNamed(() => 'lease001') } : {};
  const accounts = createAccounts({ store, clock: time, pause: time.pause, ...shared });
  let calls = 0;
  const ask = () => {
    calls += 1;
    return accounts.reserve({
      requestId: `req_${String(calls).padStart(8, '0')}bbbbbbbbbbbbbb`,
      alias: 'gpt',
      demand: DEMAND,
      scopes: [{ scope: KEY, limits: plan }],
      timeZone: 'UTC',
      holdSeconds: HOLD_SECONDS,
    });
  };
  return {
    ...{ memory, time, accounts, ask },
    async reserved(): Promise<Reservation> {
      const outcome = await ask();
      if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
      return outcome;
    },
    /** Begins; `closedAt` is when the books of all the calls were closed. */
    async settle(...reservations: Reservation[]) {
      const all = reservations.map((each) => accounts.settle(each, ACTUAL));
      const closedAt = Promise.all(all).then(() => time.nowMs());
      await time.advance(0);
      return { closedAt };
    },
    /** Of the next writes, in their order. */
    meet: (...next: Fate[]) => void fates.push(...next),
    die() {
      isDead = true;
    },
    state() {
      const [first, ...others] = memory.shardsOf(KEY).map(({ account }) => account);
      if (first === undefined) throw new Error('no account');
      const account = sumAccounts([first, ...others]);
      return {
        holds: account.holds.size,
        committed: counterValue(account, 'nanoUsdPerMonth', MONTH),
        settled: counterValue(account, 'settledNanoUsd', MONTH),
        requests: counterValue(account, 'settledRequests', MONTH),
      };
    },
    openIn: () => memory.shardsOf(KEY).map(({ account }) => account.holds.size),
  };
}

const ONE_OPEN_ONE_SETTLED = { holds: 1, committed: 1_300, settled: 300, requests: 1 };
const refused: Fate = () => Promise.reject(new StoreFault('throttled', { isDoubtful: false }));
const lost: Fate = () => Promise.reject(new StoreFault('timed out', { isDoubtful: true }));
const appliedUnseen: Fate = async (arrive) => {
  await arrive();
  throw new StoreFault('timed out', { isDoubtful: true });
};

describe('a settlement', () => {
  it('is written by the next reserve of its key', async () => {
    const { reserved, settle, memory, state } = world();
    const { closedAt } = await settle(await reserved());
    await reserved();
    expect(await closedAt).toBe(START);
    expect(memory.writes(ACCOUNT)).toBe(2);
    expect(state()).toEqual(ONE_OPEN_ONE_SETTLED);
  });

  it('is written on its own where no call of its key comes in a quarter of a second', async () => {
    const { reserved, settle, memory, time, state } = world();
    const { closedAt } = await settle(await reserved());
    await time.advance(LONGEST_WAIT_MS);
    expect(await closedAt).toBe(START + LONGEST_WAIT_MS);
    expect(memory.writes(ACCOUNT)).toBe(2);
    expect(state()).toEqual({ holds: 0, committed: 300, settled: 300, requests: 1 });
    await reserved();
    expect(state()).toEqual(ONE_OPEN_ONE_SETTLED);
  });

  it('rides with all others that wait in the account, and in one reserve only', async () => {
    const { reserved, settle, memory, state } = world();
    const open = [await reserved(), await reserved(), await reserved()];
    const { closedAt } = await settle(...open);
    await Promise.all([reserved(), reserved()]);
    await closedAt;
    expect(memory.writes(ACCOUNT)).toBe(5);
    expect(state()).toEqual({ holds: 2, committed: 2_900, settled: 900, requests: 3 });
  });

  it('waits for nobody where the key has limits of its own: the next call may need the room', async () => {
    const { reserved, settle, memory } = world({ limits: { nanoUsdPerMonth: 10_000 } });
    const { closedAt } = await settle(await reserved());
    expect(await closedAt).toBe(START);
    expect(memory.writes(ACCOUNT)).toBe(2);
  });

  it('waits for nobody where a process serves one call at a time', async () => {
    const { reserved, settle } = world({ areShared: false });
    const { closedAt } = await settle(await reserved());
    expect(await closedAt).toBe(START);
  });

  it('of a call that is given back is none', async () => {
    const { reserved, accounts, memory, state } = world();
    await accounts.release(await reserved());
    expect(memory.writes(ACCOUNT)).toBe(2);
    expect(state()).toEqual({ holds: 0, committed: 0, settled: 0, requests: 0 });
  });
});

describe('a settlement is written once and on its own', () => {
  it('where the reserve is refused: the key was revoked', async () => {
    const { reserved, settle, ask, memory, state } = world();
    const { closedAt } = await settle(await reserved());
    memory.setStatus(KEY, 'revoked');
    expect(await ask()).toMatchObject({ kind: 'inactive', status: 'revoked' });
    await closedAt;
    expect(state()).toEqual({ holds: 0, committed: 300, settled: 300, requests: 1 });
    expect(memory.writes(ACCOUNT)).toBe(3);
  });

  it('where the key was given limits, by which the reserve is then judged', async () => {
    const { reserved, settle, ask, memory, state } = world();
    const { closedAt } = await settle(await reserved());
    memory.setUp(KEY, { nanoUsdPerMonth: 1_100 });
    expect(await ask()).toMatchObject({ kind: 'refused', denial: { limit: 1_100 } });
    await closedAt;
    expect(state()).toEqual({ holds: 0, committed: 300, settled: 300, requests: 1 });
  });

  it('where the answer to the reserve is lost, and the write was applied', async () => {
    const { reserved, settle, meet, time, state } = world();
    const { closedAt } = await settle(await reserved());
    meet(appliedUnseen);
    const second = reserved();
    await time.advance(100);
    expect((await second).grants[0]?.grant.isDoubtful).toBe(true);
    await closedAt;
    expect(state()).toEqual(ONE_OPEN_ONE_SETTLED);
  });

  it('where the answer to the reserve is lost, and the write was not applied', async () => {
    const { reserved, settle, meet, time, state } = world();
    const { closedAt } = await settle(await reserved());
    meet(lost);
    const second = reserved();
    await time.advance(100);
    await second;
    await closedAt;
    expect(state()).toEqual(ONE_OPEN_ONE_SETTLED);
  });

  it.each([
    ['throttled', refused],
    ['lost', lost],
  ])('where the reserve is given up: every attempt is %s', async (_, fate) => {
    const { reserved, settle, ask, meet, time, state } = world();
    const { closedAt } = await settle(await reserved());
    meet(fate, fate, fate);
    const second = ask();
    await time.advance(1_000);
    const outcome = await second;
    if (outcome.kind !== 'faulted') throw new Error(outcome.kind);
    await outcome.undone;
    await closedAt;
    expect(state()).toEqual({ holds: 0, committed: 300, settled: 300, requests: 1 });
  });

  it('where the reserve is given up and arrives when the settlement is there: it holds nothing', async () => {
    const { reserved, settle, ask, meet, time, state } = world();
    const { closedAt } = await settle(await reserved());
    const late: (() => unknown)[] = [];
    const travels: Fate = (arrive) => {
      late.push(arrive);
      return lost(arrive);
    };
    meet(travels, travels, travels);
    const second = ask();
    await time.advance(1_000);
    expect((await second).kind).toBe('faulted');
    await closedAt;
    for (const arrive of late) await arrive();
    expect(late).toHaveLength(3);
    expect(state()).toEqual({ holds: 0, committed: 300, settled: 300, requests: 1 });
  });

  it('where the reserve is given up and arrives before the settlement: its hold is given back', async () => {
    const { reserved, settle, ask, meet, time, state } = world();
    const { closedAt } = await settle(await reserved());
    meet(lost, lost, appliedUnseen);
    const second = ask();
    await time.advance(1_000);
    const outcome = await second;
    if (outcome.kind !== 'faulted') throw new Error(outcome.kind);
    await outcome.undone;
    await closedAt;
    expect(state()).toEqual({ holds: 0, committed: 300, settled: 300, requests: 1 });
  });

  it('where the hold was posted meanwhile: the reserve is granted, and the posted call corrected', async () => {
    const { reserved, settle, memory, time, state } = world();
    const first = await reserved();
    await time.advance((HOLD_SECONDS + 10) * 1_000);
    const { closedAt } = await settle(first);
    const ports = {
      store: memory,
      clock: time,
      pause: async () => {},
      bookExpired: async () => {},
    };
    expect(await reapAccount(ports, ACCOUNT)).toMatchObject({ posted: 1 });
    expect(state().settled).toBe(1_000);
    await reserved();
    await closedAt;
    expect(state()).toEqual(ONE_OPEN_ONE_SETTLED);
  });

  it('by nobody where its process dies while it waits: the reaper posts the hold, the ledger corrects it', async () => {
    const { reserved, settle, memory, time, die, state } = world();
    await settle(await reserved());
    die();
    await time.advance((HOLD_SECONDS + 10) * 1_000);
    const ports = {
      store: memory,
      clock: time,
      pause: async () => {},
      bookExpired: async () => {},
    };
    expect(await reapAccount(ports, ACCOUNT)).toMatchObject({ posted: 1 });
    const requestId = 'req_00000001bbbbbbbbbbbbbb';
    const truth = { requestId, keyId: 'vk_0123456789ab', provider: null, actual: ACTUAL };
    await correctPosted(ports, truth);
    expect(state()).toEqual({ holds: 0, committed: 300, settled: 300, requests: 1 });
  });
});

describe('the calls of a key with several accounts', () => {
  it('meet those that wait, whichever account that is', async () => {
    const { reserved, settle, memory, state } = world({ accounts: 10 });
    let before = await reserved();
    const writes = memory.writes();
    for (let call = 0; call < 20; call += 1) {
      const { closedAt } = await settle(before);
      before = await reserved();
      await closedAt;
    }
    expect(memory.writes() - writes).toBe(20);
    expect(state()).toMatchObject({ holds: 1, requests: 20 });
  });

  it('are spread evenly, more than chance would', async () => {
    const { reserved, openIn } = world({ accounts: 10 });
    for (let call = 0; call < 40; call += 1) await reserved();
    expect(openIn()).toEqual(Array.from({ length: 10 }, () => 4));
  });

  it('go where a call was given back', async () => {
    const { reserved, accounts, openIn } = world({ accounts: 10 });
    const open: Reservation[] = [];
    for (let call = 0; call < 20; call += 1) open.push(await reserved());
    for (const given of [open[3], open[7]]) if (given !== undefined) await accounts.release(given);
    for (let call = 0; call < 2; call += 1) await reserved();
    expect(openIn()).toEqual(Array.from({ length: 10 }, () => 2));
  });

  it('leave one that has more than its share: settlements there are written at once', async () => {
    const { reserved, settle, memory, time, openIn } = world();
    const open: Reservation[] = [];
    // As many as are looked at before a crowd is seen.
    for (let call = 0; call < 70; call += 1) open.push(await reserved());
    const grow = await settle(...open.slice(0, 65));
    await time.advance(LONGEST_WAIT_MS);
    await grow.closedAt;
    expect(openIn().length).toBeGreaterThan(8);
    for (let call = 0; call < openIn().length; call += 1) open.push(await reserved());
    expect(openIn()[0]).toBe(5);
    const before = memory.writes();
    const { closedAt } = await settle(...open.slice(65, 67));
    expect(await closedAt).toBe(time.nowMs());
    expect(memory.writes() - before).toBe(2);
  });
});

describe('a reserve with riders', () => {
  const amounts = fc.record({
    nanoUsd: fc.nat(10_000),
    inputTokens: fc.nat(500),
    outputTokens: fc.nat(500),
  });
  const call = fc.record({
    demand: amounts,
    actual: amounts,
    day: fc.constantFrom(20261130, 20261201),
    isDoubtful: fc.boolean(),
    hasSeen: fc.boolean(),
  });

  it('means what its writes mean one after the other, or nothing where one of them is refused', () => {
    fc.assert(
      fc.property(
        fc.array(call, { minLength: 1, maxLength: 4 }),
        call,
        fc.constantFrom('nothing', 'a hold is gone', 'revoked', 'it holds already', 'voided'),
        (riders, last, broken) => {
          const memory = createMemoryStore();
          memory.setUp(KEY, {});
          let item = memory.items.get(ACCOUNT);
          const run = (write: AccountWrite) => {
            item = applyWrite(item, write) ?? item;
          };
          const requests = [...riders, last].map(requestOf);
          for (const request of requests.slice(0, -1)) run(planReserve(request, {}));
          const seen = item === undefined ? undefined : parseAccount(item);
          const settlements = riders.map(({ actual, isDoubtful, hasSeen }, index) => {
            const request = requests[index];
            if (request === undefined) throw new Error('no request');
            const account = hasSeen && seen !== undefined ? { account: seen } : {};
            return planSettle({ request, plan: {}, isDoubtful, ...account }, actual, request.at);
          });
          const request = requests.at(-1);
          if (request === undefined) throw new Error('no request');
          const reserve = planReserve(request, {});
          if (broken === 'a hold is gone') run(settlements[0] ?? reserve);
          if (broken === 'revoked') item = { ...item, st: 'revoked' };
          if (broken === 'it holds already') run(reserve);
          if (broken === 'voided') item = { ...item, x: { [request.holdId]: '1' } };
          const together = applyWrite(item, withRiders(reserve, settlements));
          if (broken !== 'nothing') {
            expect(together).toBeUndefined();
            return;
          }
          for (const settlement of settlements) run(settlement);
          run(reserve);
          expect(together).toEqual(item);
        },
      ),
    );
  });

  it('sweeps nothing that one of its writes counts in, and names nothing twice', () => {
    const stale = [['uM202609'], ['uM202611']] as const;
    const settle = { conditions: [], set: [], add: [['uM202610', -700] as const], remove: stale };
    const reserve = { conditions: [], set: [], add: [['uM202611', 1] as const], remove: stale };
    const { add, remove } = withRiders(reserve, [settle, settle]);
    expect(add).toEqual([
      ['uM202611', 1],
      ['uM202610', -1_400],
    ]);
    expect(remove).toEqual([['uM202609']]);
  });

  function requestOf({ demand, day }: { demand: typeof DEMAND; day: number }, index: number) {
    const month = Math.floor(day / 100);
    return {
      holdId: `hold000${index}`,
      demand,
      at: momentOf(START, { day, month }),
      expiresAtSeconds: START / 1_000 + HOLD_SECONDS,
      owner: { kind: 'lead', requestId: `req_${index}`, alias: 'm' },
    } satisfies ReserveRequest;
  }
});
