import { describe, expect, it } from 'vitest';
import type { AccountStore } from '../../core/limits/account-store.ts';
import { type AccountWrite, applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import { changesOf } from './change.ts';
import type { Faults } from './faults.ts';
import { runSimulation, type SimulationOptions } from './run.ts';

const SEEDS = 40;
/** Histories of 600 calls are long where other tests run beside them. */
const TIMEOUT_MS = 180_000;
/** What is in doubt is what may be written twice. */
const TROUBLED: Partial<Faults> = { timeouts: 0.2, crashes: 0.002 };

interface Mutant {
  readonly sabotage: SimulationOptions['sabotage'];
  readonly noticed: RegExp;
}

/** What is broken on purpose where settlements ride in reserves, and the invariant that must notice it. */
const MUTANTS: Readonly<Record<string, Mutant>> = {
  'settlements that are lost with the reserve that they rode in': {
    sabotage: { store: losingRiders },
    noticed: /^I3 still held after closing/,
  },
  'settlements that are written again whatever became of their reserve': {
    sabotage: { store: settlingAgain },
    noticed: /^I2 closed without a hold/,
  },
  'a reserve that takes the holds of its riders away without their cost': {
    sabotage: { apply: withoutCost },
    noticed: /^I1 s[niou]\d+ is/,
  },
};

describe('the simulation of rides notices', { timeout: TIMEOUT_MS }, () => {
  it.each(Object.entries(MUTANTS))('%s', async (_name, { sabotage = {}, noticed }) => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const size = { seed, operations: 600, callers: 120, workers: 1 };
      const { violations } = await runSimulation({ ...size, sabotage, faults: TROUBLED });
      for (const { what } of violations) seen.add(what);
      if (violations.some(({ what }) => noticed.test(what))) return;
    }
    expect([...seen], `not noticed in ${SEEDS} seeds`).toContain(noticed);
  });
});

/** The calls that a reserve settles as well. */
function ridersOf(write: AccountWrite): string[] {
  const changes = changesOf({ write });
  return changes.at(-1)?.kind === 'reserve' ? changes.slice(0, -1).map(({ holdId }) => holdId) : [];
}

/** The call that the write settles, and does nothing else. */
function settledBy(write: AccountWrite): string | undefined {
  const [change, ...others] = changesOf({ write });
  return change?.kind === 'settle' && others.length === 0 ? change.holdId : undefined;
}

function isNotSettled([name]: readonly [string, number]): boolean {
  return !name.startsWith('s');
}

function withoutCost(item: StoredItem | undefined, write: AccountWrite): StoredItem | undefined {
  const add = ridersOf(write).length === 0 ? write.add : write.add.filter(isNotSettled);
  return applyWrite(item, { ...write, add });
}

/** Whoever settles what had ridden in a reserve, and was not written with it, is told that it is done. */
function losingRiders(store: AccountStore): AccountStore {
  const lost = new Set<string>();
  return {
    ...store,
    async write(key, write) {
      if (lost.has(settledBy(write) ?? '')) return { kind: 'applied', item: {} };
      for (const id of ridersOf(write)) lost.add(id);
      return store.write(key, write);
    },
  };
}

/** Once a call has ridden, its own settlement asks for nothing. */
function settlingAgain(store: AccountStore): AccountStore {
  const ridden = new Set<string>();
  return {
    ...store,
    write(key, write) {
      for (const id of ridersOf(write)) ridden.add(id);
      const isAgain = ridden.has(settledBy(write) ?? '');
      return store.write(key, isAgain ? { ...write, conditions: [] } : write);
    },
  };
}
