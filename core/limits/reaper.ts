/**
 * The reaper: closes expired holds of one account at a time. Any number of reapers may run at once; every
 * step is a conditional write that only one of them can make. A call's usage event goes before its hold.
 */
import type { Clock } from '../clock.ts';
import { parseAccount } from './account.ts';
import { type AccountStore, readScope } from './account-store.ts';
import { expiredHolds, fateOf, type OpenHold, planForget, planPost, planRelease } from './reap.ts';

export interface ReaperPorts {
  readonly store: AccountStore;
  readonly clock: Clock;
  /** Writes the ledger row of a call that nobody else will write. Resolves when it is durable. */
  readonly bookExpired: (accountKey: string, lead: OpenHold) => Promise<void>;
}

export interface ReapCount {
  readonly posted: number;
  readonly released: number;
}

/** Closes what has expired in the account as it is now. */
export async function reapAccount(ports: ReaperPorts, accountKey: string): Promise<ReapCount> {
  const { store, clock } = ports;
  const item = await store.read(accountKey);
  const count = { posted: 0, released: 0 };
  if (item === undefined) return count;
  const account = parseAccount(item);
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  for (const open of expiredHolds(account, nowSeconds)) {
    const fate = await decideFate(ports, open);
    if (open.hold.owner.kind === 'lead') await ports.bookExpired(accountKey, open);
    const plan = fate === 'post' ? planPost(open) : planRelease(open);
    const { kind } = await store.write(accountKey, plan);
    if (kind === 'applied') count[fate === 'post' ? 'posted' : 'released'] += 1;
  }
  const forget = planForget(account, nowSeconds);
  if (forget !== undefined) await store.write(accountKey, forget);
  return count;
}

async function decideFate({ store }: ReaperPorts, open: OpenHold): Promise<'post' | 'release'> {
  const { owner } = open.hold;
  const lead = owner.kind === 'lead' ? undefined : await readScope(store, owner.leadAccount);
  return fateOf(open, lead);
}
