/**
 * Rides: the settlement of a call waits a moment for the next call of its key, and is written in that call's reserve. So a busy key
 * costs a write a call in the place of two (ADR 0042). Only keys that limit nothing themselves are asked so: nobody needs the
 * room that a settlement there gives back. A reserve waits for nothing, and a settlement that no reserve has written
 * for certain is written on its own, as ever. Decides which account of the key a call goes to, and who rides; writes nothing.
 */
import type { AccountWrite, Path } from './account-write.ts';
import type { Pause } from './patient-store.ts';
import { scopeKeyOf, shardKey } from './shards.ts';

export interface Rides {
  /**
   * For a reserve of the key: where settlements wait, else where fewest calls of this process are open. The call counts there
   * at once, so that those which come before its answer go elsewhere.
   */
  place(key: KeyAccounts): Place;
  /** It holds in another account, or nowhere. */
  moved(from: string, to: string | undefined): void;
  /** True when a reserve has written it, false when it is to be written on its own. Then the call is closed. */
  wait(rider: { account: string; accounts: number; settlement: AccountWrite }): Promise<boolean>;
}

interface KeyAccounts {
  readonly scopeKey: string;
  /** How many the key has. */
  readonly accounts: number;
}

interface Place {
  readonly account: string;
  readonly ride?: Ride;
}

export interface Ride {
  /** The reserve that settles as well. */
  with(reserve: AccountWrite): AccountWrite;
  /** Says what became of the reserve, and must: calls wait for it to be closed. */
  end(isWritten: boolean): void;
}

interface Rider {
  readonly account: string;
  readonly settlement: AccountWrite;
  readonly end: (isWritten: boolean) => void;
}

/** As long as the shortest round of a lease, for which the call has waited before. */
const WAIT_MS = 250;
/** In one write: so many settlements wait at most when a lease's round is full. */
const MAX_RIDERS = 8;

export function createRides({ pause }: { readonly pause: Pause }): Rides {
  const openIn = new Map<string, Map<string, number>>();
  const waiting = new Map<string, Set<Rider>>();
  let turn = 0;

  function count(account: string, change: number): void {
    const scopeKey = scopeKeyOf(account);
    const counts = openIn.get(scopeKey) ?? new Map<string, number>();
    const open = (counts.get(account) ?? 0) + change;
    if (open > 0) openIn.set(scopeKey, counts.set(account, open));
    else if (counts.delete(account) && counts.size === 0) openIn.delete(scopeKey);
  }

  /** An account with more than its share of the open calls is left to become emptier (ADR 0036). */
  function isCrowded({ scopeKey, accounts }: KeyAccounts, account: string): boolean {
    const counts = openIn.get(scopeKey) ?? new Map<string, number>();
    const total = [...counts.values()].reduce((sum, each) => sum + each, 0);
    return (counts.get(account) ?? 0) > Math.ceil(total / accounts) + 1;
  }

  /** Of equals each in turn, so that a key with few calls at a time uses all of its accounts. */
  function emptiest({ scopeKey, accounts }: KeyAccounts): string {
    turn += 1;
    let found = { account: scopeKey, open: Infinity };
    for (let distance = 0; distance < accounts && found.open > 0; distance += 1) {
      const account = shardKey(scopeKey, (turn + distance) % accounts);
      const open = openIn.get(scopeKey)?.get(account) ?? 0;
      if (open < found.open) found = { account, open };
    }
    return found.account;
  }

  function remove(rider: Rider): boolean {
    const scopeKey = scopeKeyOf(rider.account);
    const riders = waiting.get(scopeKey);
    if (riders?.delete(rider) !== true) return false;
    if (riders.size === 0) waiting.delete(scopeKey);
    return true;
  }

  function waitFor(account: string, settlement: AccountWrite): Promise<boolean> {
    const { promise, resolve: end } = Promise.withResolvers<boolean>();
    const rider = { account, settlement, end };
    const scopeKey = scopeKeyOf(account);
    waiting.set(scopeKey, (waiting.get(scopeKey) ?? new Set()).add(rider));
    void pause(WAIT_MS).then(() => {
      if (remove(rider)) end(false);
    });
    return promise;
  }

  return {
    place(key) {
      const all = [...(waiting.get(key.scopeKey) ?? [])];
      const found = all.find((rider) => !isCrowded(key, rider.account));
      const account = found?.account ?? emptiest(key);
      count(account, 1);
      if (found === undefined) return { account };
      const riders = all.filter((rider) => rider.account === account).slice(0, MAX_RIDERS);
      for (const rider of riders) remove(rider);
      const settlements = riders.map(({ settlement }) => settlement);
      const ride: Ride = {
        with: (reserve) => withRiders(reserve, settlements),
        end(isWritten) {
          for (const rider of riders) rider.end(isWritten);
        },
      };
      return { account, ride };
    },
    moved(from, to) {
      count(from, -1);
      if (to !== undefined) count(to, 1);
    },
    async wait({ account, accounts, settlement }) {
      const isHopeless = isCrowded({ scopeKey: scopeKeyOf(account), accounts }, account);
      const isWritten = !isHopeless && (await waitFor(account, settlement));
      count(account, -1);
      return isWritten;
    },
  };
}

/** One write that reserves and settles, or does neither: each settlement keeps its condition, that its hold is there. */
export function withRiders(
  reserve: AccountWrite,
  settlements: readonly AccountWrite[],
): AccountWrite {
  const all = [reserve, ...settlements];
  const set = all.flatMap((write) => write.set);
  const add = new Map<string, number>();
  for (const [name, amount] of all.flatMap((write) => write.add))
    add.set(name, (add.get(name) ?? 0) + amount);
  const remove = new Map(all.flatMap((write) => write.remove).map((path) => [nameOf(path), path]));
  // What one of them still writes is not swept by another, and nothing is named twice.
  for (const name of [...add.keys(), ...set.map(([path]) => nameOf(path))]) remove.delete(name);
  return {
    ...reserve,
    conditions: all.flatMap((write) => write.conditions),
    set,
    add: [...add].filter(([, amount]) => amount !== 0),
    remove: [...remove.values()],
  };
}

function nameOf(path: Path): string {
  return path.join(' ');
}
