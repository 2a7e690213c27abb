import { describe, expect, it } from 'vitest';
import type { AccountStore } from '../../core/limits/account-store.ts';
import { type AccountWrite, applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import type { Accounts, Reservation } from '../../core/limits/accounts.ts';
import type { LeasedPart } from '../../core/limits/leases.ts';
import type { Faults } from './faults.ts';
import { runSimulation, type SimulationOptions } from './run.ts';

const SEEDS = 60;
/** Histories of 600 calls are long where other tests run beside them. */
const TIMEOUT_MS = 180_000;
const CALM: Partial<Faults> = { throttles: 0, timeouts: 0, crashes: 0 };

interface Mutant {
  readonly sabotage: SimulationOptions['sabotage'];
  readonly noticed: RegExp;
  readonly faults?: Partial<Faults>;
}

/** What of leases is broken on purpose, and the invariant that must notice it. */
const MUTANTS: Readonly<Record<string, Mutant>> = {
  'a table that counts a lease twice': {
    sabotage: { apply: takingTwice },
    noticed: /^I1 (uM|tM)\d+ is/,
  },
  'leases without the rule of what is plenty': {
    sabotage: { apply: withoutPlenty, store: seeingNothingUsed },
    noticed: /^I5 leased beyond four fifths/,
  },
  'a worker that does not return its leases': {
    sabotage: { store: keeping },
    noticed: /^I5 idle lease/,
    faults: CALM,
  },
  'accounts that give back what a call has used': {
    sabotage: { accounts: withParts((part) => ({ ...part, settle: async () => part.giveBack() })) },
    noticed: /^I2 (lease returned although the provider bills|settled \d+, ledger has)/,
  },
  'accounts that settle a part twice': {
    sabotage: { accounts: withParts(settlingTwice) },
    noticed: /^I2 settled (twice|without a part)/,
  },
  'leads that do not name their leases': {
    sabotage: { store: withoutUses },
    noticed: /^I2 lease returned although the provider bills/,
    faults: { crashes: 0.05 },
  },
};

describe('the simulation of leases notices', { timeout: TIMEOUT_MS }, () => {
  it.each(Object.entries(MUTANTS))('%s', async (_name, { sabotage = {}, noticed, faults = {} }) => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const options = { seed, operations: 600, callers: 120, workers: 1, sabotage, faults };
      const { violations } = await runSimulation(options);
      for (const { what } of violations) seen.add(what);
      if (violations.some(({ what }) => noticed.test(what))) return;
    }
    expect([...seen], `not noticed in ${SEEDS} seeds`).toContain(noticed);
  });

  it('nothing where nothing is broken', async () => {
    for (let seed = 1; seed <= 5; seed += 1) {
      const options = { seed, operations: 600, callers: 120, workers: 1, faults: CALM };
      expect((await runSimulation(options)).violations).toEqual([]);
    }
  });
});

function isOfLease({ set }: AccountWrite): boolean {
  return set.some(([[map], value]) => map === 'h' && isLeaseText(value));
}

function isLeaseText(value: unknown): boolean {
  return typeof value === 'string' && value.split('.')[5]?.startsWith('&') === true;
}

function takingTwice(item: StoredItem | undefined, write: AccountWrite): StoredItem | undefined {
  if (!isOfLease(write)) return applyWrite(item, write);
  const add = write.add.map(([name, amount]) => [name, Math.max(amount, 2 * amount)] as const);
  return applyWrite(item, { ...write, add });
}

function withoutPlenty(item: StoredItem | undefined, write: AccountWrite): StoredItem | undefined {
  if (!isOfLease(write)) return applyWrite(item, write);
  const conditions = write.conditions.filter(({ kind }) => kind !== 'any' && kind !== 'at-most');
  return applyWrite(item, { ...write, conditions });
}

/** Who has reserved sees an account in which nobody else has. */
function seeingNothingUsed(store: AccountStore): AccountStore {
  const isKept = ([name]: [string, unknown]) => !/^[a-z][A-Za-z]\d+$/.test(name);
  return {
    ...store,
    async write(key, write) {
      const { kind, item } = await store.write(key, write);
      if (kind === 'refused') return item === undefined ? { kind } : { kind, item };
      return { kind, item: Object.fromEntries(Object.entries(item).filter(isKept)) };
    },
  };
}

/** What only gives back never arrives, and nobody says so. */
function keeping(store: AccountStore): AccountStore {
  const givesBack = (write: AccountWrite) =>
    write.conditions.some((each) => each.kind === 'equals' && isLeaseText(each.value)) &&
    write.add.some(([, amount]) => amount < 0) &&
    !write.add.some(([name]) => name.startsWith('s'));
  return {
    ...store,
    write: (key, write) =>
      givesBack(write) ? new Promise(() => undefined) : store.write(key, write),
  };
}

function withParts(change: (part: LeasedPart) => LeasedPart) {
  const changed = (reservation: Reservation): Reservation => ({
    ...reservation,
    grants: reservation.grants.map(({ part, ...grant }) =>
      part === undefined ? grant : { ...grant, part: change(part) },
    ),
  });
  return (accounts: Accounts): Accounts => ({
    ...accounts,
    settle: (reservation, actual) => accounts.settle(changed(reservation), actual),
  });
}

function settlingTwice(part: LeasedPart): LeasedPart {
  const settle: LeasedPart['settle'] = async (actual) => {
    await Promise.all([part.settle(actual), part.settle(actual)]);
  };
  return { ...part, settle };
}

function withoutUses(store: AccountStore): AccountStore {
  const strip = (write: AccountWrite): AccountWrite => ({
    ...write,
    set: write.set.map(([path, value]) => [
      path,
      typeof value === 'string' ? value.replace(/\.\^.*%,@/, '.@') : value,
    ]),
  });
  return { ...store, write: (key, write) => store.write(key, strip(write)) };
}
