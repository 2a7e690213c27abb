/**
 * The reaper: closes expired holds of one account at a time. Any number of reapers may run at once; every
 * step is a conditional write that only one of them can make. A call's usage event goes before its hold.
 */
import type { Clock } from '../clock.ts';
import { parseAccount } from './account.ts';
import { type AccountStore, type Reader, readScope } from './account-store.ts';
import { partsOf } from './lease-reap.ts';
import type { Pause } from './patient-store.ts';
import { planPost, postedKey, readPosted, wasLeadPosted } from './posted.ts';
import { expiredHolds, type OpenHold, planForget, planRelease } from './reap.ts';

export interface ReaperPorts {
  readonly store: AccountStore;
  readonly clock: Clock;
  readonly pause: Pause;
  /** Writes the ledger row of a call that nobody else will write. Resolves when it is durable. */
  readonly bookExpired: (accountKey: string, lead: OpenHold) => Promise<void>;
}

export interface ReapCount {
  readonly posted: number;
  readonly released: number;
  /** Expired calls that could not be closed this time. */
  readonly left: number;
  /** Expired leases, which `releaseLeases` gives back at the end of a pass that has left nothing. */
  readonly leases: number;
}

/** Closes what has expired in the account as it is now. */
export async function reapAccount(ports: ReaperPorts, accountKey: string): Promise<ReapCount> {
  const { store, clock } = ports;
  const item = await store.read(accountKey);
  const count = { posted: 0, released: 0, left: 0, leases: 0 };
  if (item === undefined) return count;
  const account = parseAccount(item);
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  for (const open of expiredHolds(account, nowSeconds)) {
    if (open.hold.owner.kind === 'lease') count.leases += 1;
    else if (await wasNeverSent(ports, accountKey, open)) {
      if (await isReleased(ports, accountKey, open)) count.released += 1;
    } else if (await isPosted(ports, accountKey, open)) count.posted += 1;
    else count.left += 1;
  }
  const forget = planForget(account, nowSeconds);
  if (forget !== undefined) await store.write(accountKey, forget);
  return count;
}

/** True for a sibling whose lead is gone, and was not posted either. */
export async function wasNeverSent(
  { store, pause }: { readonly store: Reader; readonly pause: Pause },
  accountKey: string,
  open: OpenHold,
): Promise<boolean> {
  const { owner } = open.hold;
  if (owner.kind !== 'sibling') return false;
  const lead = await readScope(store, owner.leadAccount);
  if (lead?.holds.has(open.id)) return false;
  const posted = await readPosted(store, postedKey(accountKey, open), pause);
  return !wasLeadPosted(posted, owner.leadAccount);
}

async function isReleased(
  { store }: ReaperPorts,
  accountKey: string,
  open: OpenHold,
): Promise<boolean> {
  const { kind } = await store.write(accountKey, planRelease(open));
  return kind === 'applied';
}

/** False when somebody else was faster, or a transaction was at the account: then the next round posts it. */
async function isPosted(
  { store, clock, bookExpired }: ReaperPorts,
  accountKey: string,
  open: OpenHold,
): Promise<boolean> {
  if (open.hold.owner.kind === 'lead') await bookExpired(accountKey, open);
  const parts = await partsOf(store, accountKey, open);
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  return store.writeTogether(planPost(accountKey, open, { nowSeconds, parts }));
}
