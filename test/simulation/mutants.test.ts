import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { AccountStore } from '../../core/limits/account-store.ts';
import {
  type AccountWrite,
  applyWrite,
  type Condition,
  type StoredItem,
} from '../../core/limits/account-write.ts';
import type { UpstreamPort, UpstreamRequest } from '../../core/providers/upstream.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { bodyText } from '../support/body-text.ts';
import { changeOf } from './change.ts';
import { runSimulation, type SimulationOptions } from './run.ts';

const SEEDS = 300;
const USUAL = { operations: 60, callers: 8 };
/** Slices move at the same time where many call for one team. */
const HOT = { operations: 120, callers: 24, isHot: true };
/** Two find out the same at once where many call. */
const CROWDED = { operations: 60, callers: 24 };

/** What is broken on purpose, and the invariant that must notice it first or soon. */
const MUTANTS: Readonly<
  Record<
    string,
    {
      readonly sabotage: SimulationOptions['sabotage'];
      readonly noticed: RegExp;
      readonly size?: typeof USUAL;
      readonly faults?: SimulationOptions['faults'];
    }
  >
> = {
  'a table that admits beyond budgets': {
    sabotage: { apply: without(isCounterCondition('u', 't')) },
    noticed: /^I1 (nanoUsd|tokens)Per(Day|Month) \d+ > \d+/,
  },
  'a table that admits beyond rate windows': {
    sabotage: { apply: without(({ kind }) => kind === 'any') },
    noticed: /^I1 (requests|inputTokens|outputTokens|tokens)Per(Second|Minute) \d+ > \d+/,
  },
  'a table that admits beyond the concurrency limit': {
    sabotage: { apply: without(({ kind }) => kind === 'fewer-than') },
    noticed: /^I1 concurrentRequests/,
  },
  'a table that does not compare the version of the limits': {
    sabotage: { apply: without(isOn('lv')) },
    noticed: /^I1 /,
  },
  'a table that admits revoked keys': {
    sabotage: { apply: without(isOn('st')) },
    noticed: /^inactive account admits/,
  },
  'a table that lets windows go back': {
    sabotage: { apply: without(isOn('s', 'm')) },
    noticed: /^window goes back/,
  },
  'a table that holds twice for one request': {
    sabotage: { apply: without(({ kind }) => kind === 'absent') },
    noticed: /^I1 held twice/,
  },
  'a reaper that only says so': {
    sabotage: { reaper: (store) => ({ ...store, writeTogether: async () => true }) },
    noticed: /^I5 .* outlives its expiry/,
  },
  'a table that closes a hold twice': {
    sabotage: { apply: without(({ kind }) => kind === 'present') },
    noticed: /^I2 closed without a hold/,
  },
  'a table that counts a settlement twice': {
    sabotage: { apply: settlingTwice },
    noticed: /^I1 uM\d+ is/,
  },
  'a store that settles in the month before': {
    sabotage: {
      store: renaming(/^s([niou])(\d+)$/, (_, code, month) => `s${code}${Number(month) - 1}`),
    },
    noticed: /^I1 s[niou]\d+ is/,
  },
  'accounts that let late copies of a reserve hold': {
    sabotage: { store: withoutMarks },
    noticed: /^(I2 charged although nothing is owed|I3 still held after closing)/,
  },
  'a table that does not heed the marks': {
    sabotage: { apply: without(isOn('x')) },
    noticed: /^I1 held after it was voided/,
  },
  'a store that sees one account of a scope': {
    sabotage: {
      store: (store) => ({
        ...store,
        read: async (key) => (key.includes('%.') ? undefined : store.read(key)),
      }),
    },
    noticed: /^I5 the accounts of .* had room/,
  },
  'a table that moves slices which have moved already': {
    size: HOT,
    sabotage: { apply: withoutWhere(movesSlices, isOn('lv')) },
    noticed: /^I1 slices of/,
  },
  'a table that takes slices which are in use': {
    size: HOT,
    sabotage: { apply: withoutWhere(movesSlices, ({ kind }) => kind === 'at-most') },
    noticed: /^I1 \w+Per(Day|Month|Minute) \d+ > \d+|^window goes back/,
  },
  'accounts that open windows of the day two minutes early': {
    sabotage: { clock: (clock) => ({ nowMs: () => clock.nowMs() + 120_000 }) },
    noticed: /^I1 (nanoUsd|tokens)Per(Day|Month) \d+ > \d+/,
  },
  'accounts whose windows run ahead of every clock': {
    sabotage: { clock: (clock) => ({ nowMs: () => clock.nowMs() + 400_000 }) },
    noticed: /^window ahead of clocks/,
  },
  'a table that lets two tell one soft limit': {
    size: CROWDED,
    sabotage: { apply: withoutWhere(claims, ({ kind }) => kind === 'at-most') },
    noticed: /^two tell at once/,
  },
  'events that keep soft limits to themselves': {
    sabotage: { usage: changing((event) => ({ ...event, soft_limits_crossed: null })) },
    noticed: /^never told/,
  },
  'a table that corrects a posted call twice': {
    sabotage: { apply: correctingTwice },
    noticed: /^I2 corrected without cause/,
  },
  'accounts that release instead of settling': {
    sabotage: {
      accounts: (accounts) => ({
        ...accounts,
        settle: (reservation) => accounts.release(reservation),
      }),
    },
    noticed: /^I2 released although the provider bills it/,
  },
  'accounts that settle at the hold': {
    sabotage: {
      accounts: (accounts) => ({
        ...accounts,
        settle: (reservation) => accounts.settle(reservation, reservation.demand),
      }),
    },
    noticed: /^I1 uM\d+ is/,
  },
  'accounts that keep the holds of a refused call': {
    sabotage: {
      accounts: (accounts) => ({
        ...accounts,
        reserve: async (call) => {
          const first = await accounts.reserve({ ...call, scopes: call.scopes.slice(0, 1) });
          if (first.kind !== 'reserved') return first;
          return accounts.reserve({ ...call, scopes: call.scopes.slice(1) });
        },
      }),
    },
    noticed: /^I3 still held after closing/,
  },
  'accounts that keep what a call has given up': {
    sabotage: { accounts: (accounts) => ({ ...accounts, release: async () => {} }) },
    noticed: /^I3 still held after closing/,
  },
  'accounts that hold under one name whatever was given up': {
    sabotage: {
      accounts: (accounts) => ({
        ...accounts,
        reserve: (call) => accounts.reserve({ ...call, reservesBefore: 0 }),
      }),
    },
    noticed: /^I\d /,
  },
  'a directory that takes what is old for fresh': {
    sabotage: {
      directory: (directory) => ({
        ...directory,
        recall(hash) {
          const known = directory.recall?.(hash);
          return known && { ...known, isFresh: true };
        },
      }),
    },
    noticed: /^I6 (sent|answered) by an old policy/,
  },
  'events that are sent after the settlement': {
    sabotage: { usage: (sink) => ({ put: async (event) => void sink.put(event) }) },
    noticed: /^I4 settled before its usage event/,
  },
  'events that lose the cached tokens': {
    sabotage: { usage: changing((event) => ({ ...event, cached_input_tokens: 0 })) },
    noticed: /^I2 costs/,
  },
  'events that lose the tokens written to a cache': {
    sabotage: { usage: changing((event) => ({ ...event, cache_write_5m_tokens: 0 })) },
    noticed: /^I2 (costs|charged)/,
  },
  'events that forget the tier that served the call': {
    sabotage: { usage: changing((event) => ({ ...event, service_tier: null })) },
    noticed: /^I2 (costs|charged)/,
  },
  'a network that sends what must wait for its room': {
    sabotage: { upstream: sendingAtOnce(1) },
    noticed: /^I4 sent before its room was held/,
  },
  'events that deny what was sent before its room was held': {
    sabotage: { upstream: sendingAtOnce(1) },
    noticed: /^I4 denied and sent/,
  },
  'processes that die with what they sent before its room was held': {
    // Seldom, so that the history goes on to its end, where rows are counted.
    sabotage: { upstream: sendingAtOnce(0.05) },
    faults: { crashes: 0.5 },
    noticed: /^I4 sent, and no row/,
  },
  'a network that sends the end with the rest': {
    sabotage: { upstream: changed(({ mayBegin: _mayBegin, ...request }) => request) },
    noticed: /^I4 sent before its room was held/,
  },
  'a network that ends what was given up': {
    sabotage: { upstream: changed(endedWhenGivenUp) },
    noticed: /^I4 denied and sent/,
  },
  'a network that sends the end over two connections': {
    sabotage: {
      upstream: ({ send }) => ({
        send: (request) => {
          if (request.onlyEndWaits?.() === true) send(request).catch(() => undefined);
          return send(request);
        },
      }),
    },
    noticed: /^I1 billed by 2 providers/,
  },
  'a network that shows calls whose policy is being read again': {
    sabotage: {
      upstream: ({ send }) => ({
        send: (request) => send({ ...request, onlyEndWaits: () => true }),
      }),
    },
    noticed: /^I6 shown by an old policy/,
  },
  'events in another month': {
    sabotage: { usage: changing((event) => ({ ...event, period: '2026-11' })) },
    noticed: /^I6 charged to 202611/,
  },
  'leads that do not name their policy': {
    sabotage: { store: withoutPolicyVersions },
    noticed: /^I6 expired row with another policy/,
  },
  'events of another tenant': {
    sabotage: { usage: changing((event) => ({ ...event, tenant_id: 'tenant9' })) },
    noticed: /^I7 event of another tenant/,
  },
};

describe('the simulation notices', () => {
  it.each(Object.entries(MUTANTS))('%s', async (_name, mutant) => {
    const { sabotage = {}, noticed, size = USUAL, faults = {} } = mutant;
    const seen = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { violations } = await runSimulation({ seed, ...size, sabotage, faults });
      for (const { what } of violations) seen.add(what);
      if (violations.some(({ what }) => noticed.test(what))) return;
    }
    expect([...seen], `not noticed in ${SEEDS} seeds`).toContain(noticed);
  });

  it('nothing where nothing is broken', async () => {
    const { violations } = await runSimulation({ seed: 1, operations: 60, callers: 8 });
    expect(violations).toEqual([]);
  });
});

/** A table that does not check some conditions. */
function without(isIgnored: (condition: Condition) => boolean): typeof applyWrite {
  return (item, write) => {
    const conditions = write.conditions.filter((condition) => !isIgnored(condition));
    // An item that is not there meets no condition; it must not be made by leaving all of them out.
    return item === undefined ? undefined : applyWrite(item, { ...write, conditions });
  };
}

function withoutWhere(
  isMeant: (write: AccountWrite) => boolean,
  isIgnored: (condition: Condition) => boolean,
): typeof applyWrite {
  return (item, write) => (isMeant(write) ? without(isIgnored) : applyWrite)(item, write);
}

function movesSlices({ set }: AccountWrite): boolean {
  return set.some(([[name]]) => name === 'l');
}

function claims({ set }: AccountWrite): boolean {
  return set.some(([[name]]) => name.endsWith('!'));
}

function isOn(...attributes: readonly string[]) {
  return (condition: Condition) =>
    condition.kind !== 'any' && attributes.includes(condition.path[0]);
}

function correctingTwice(
  item: StoredItem | undefined,
  write: AccountWrite,
): StoredItem | undefined {
  const isCorrection = write.set.some(([, value]) => value === '=');
  return applyWrite(item, isCorrection ? { ...write, conditions: [] } : write);
}

/** At-most conditions on counters of days and months whose code begins so. */
function isCounterCondition(...codes: readonly string[]) {
  return (condition: Condition) =>
    condition.kind === 'at-most' &&
    codes.includes(condition.path[0].slice(0, 1)) &&
    /^.[DM]\d/.test(condition.path[0]);
}

function settlingTwice(item: StoredItem | undefined, write: AccountWrite): StoredItem | undefined {
  const isSettlement = changeOf({ write })?.kind === 'settle';
  const add = isSettlement ? [...write.add.map(twice)] : write.add;
  return applyWrite(item, { ...write, add });
}

function twice([name, amount]: readonly [string, number]): readonly [string, number] {
  return [name, 2 * amount];
}

/** A store that counts in other attributes than it was told. */
function renaming(pattern: RegExp, to: (...parts: string[]) => string) {
  return (store: AccountStore): AccountStore => ({
    read: store.read,
    writeTogether: store.writeTogether,
    write: (key, write) => {
      const add = write.add.map(([name, amount]) => [name.replace(pattern, to), amount] as const);
      return store.write(key, { ...write, add });
    },
  });
}

function withoutMarks(store: AccountStore): AccountStore {
  const strip = (write: AccountWrite): AccountWrite => ({
    ...write,
    set: write.set.filter(([[name]]) => name !== 'x'),
  });
  return {
    ...store,
    write: (key, write) => store.write(key, strip(write)),
  };
}

/** A share of the calls, told by their bodies, is sent whether it may begin or not. */
function sendingAtOnce(share: number) {
  return ({ send }: UpstreamPort): UpstreamPort => ({
    send: ({ mayBegin, ...request }) => {
      const isEarly =
        createHash('sha256').update(bodyText(request.body)).digest().readUInt8() < 256 * share;
      return send(isEarly || mayBegin === undefined ? request : { ...request, mayBegin });
    },
  });
}

/** Of the calls of which only the end waits. */
function changed(change: (request: UpstreamRequest) => UpstreamRequest) {
  return ({ send }: UpstreamPort): UpstreamPort => ({
    send: (request) => send(request.onlyEndWaits?.() === true ? change(request) : request),
  });
}

function endedWhenGivenUp({ mayBegin, signal, ...request }: UpstreamRequest): UpstreamRequest {
  const givenUp = new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => resolve());
  });
  return { ...request, mayBegin: Promise.race([mayBegin, givenUp]) };
}

function withoutPolicyVersions(store: AccountStore): AccountStore {
  const strip = (write: AccountWrite): AccountWrite => ({
    ...write,
    set: write.set.map(([path, value]) => [
      path,
      typeof value === 'string' ? value.replace(/(\.@.*)#.*$/, '$1') : value,
    ]),
  });
  return { ...store, write: (key, write) => store.write(key, strip(write)) };
}

function changing(change: (event: UsageEvent) => UsageEvent) {
  return (sink: { put(event: UsageEvent): Promise<void> }) => ({
    put: (event: UsageEvent) => sink.put(change(event)),
  });
}
