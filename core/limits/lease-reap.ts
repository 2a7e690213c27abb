/**
 * What becomes of a lease whose worker died. Nothing in its account says which calls used it; their leads do, each in its key's
 * account. So a lead that is posted takes its part out of the lease with it. What is left when every such lead is
 * closed nobody has used, and it is given back. Leads expire before their lease: a pass over all accounts that closed every
 * expired call has closed them.
 */
import { ATTR, encodeHold, type Hold, type LeaseUse, parseAccount } from './account.ts';
import type { AccountStore, Reader } from './account-store.ts';
import type { PostedPart } from './posted.ts';
import { expiredHolds, type OpenHold, planRelease, settledSums } from './reap.ts';
import { scopeKeyOf } from './shards.ts';

/** Of the account, as many as the lease has expired before the pass over all accounts began, and that was whole. */
export async function releaseLeases(
  store: AccountStore,
  accountKey: string,
  passBeganSeconds: number,
): Promise<number> {
  const item = await store.read(accountKey);
  if (item === undefined) return 0;
  let released = 0;
  for (const open of expiredHolds(parseAccount(item), passBeganSeconds)) {
    if (open.hold.owner.kind !== 'lease') continue;
    const write = planRelease(open);
    // Closes the race with a worker that lives after all, and with a lead that is posted.
    const isAsRead = isLease(open);
    const { kind } = await store.write(accountKey, { ...write, conditions: [isAsRead] });
    if (kind === 'applied') released += 1;
  }
  return released;
}

/** The parts of leases that the call has, as its lead tells. None where the account has settled the call. */
export async function partsOf(
  store: Reader,
  leadAccount: string,
  { id, hold: lead }: OpenHold,
): Promise<PostedPart[]> {
  const uses = lead.owner.kind === 'lead' ? (lead.owner.leases ?? []) : [];
  const leases = uses.map(async ({ account, lease }: LeaseUse) => {
    const item = await store.read(account);
    const hold = item === undefined ? undefined : parseAccount(item).holds.get(lease);
    if (hold?.owner.kind !== 'lease' || hold.owner.settled.includes(id)) return [];
    const owner = { kind: 'sibling', leadAccount: scopeKeyOf(leadAccount) } as const;
    const part: Hold = { ...lead, countsDay: hold.countsDay, owner };
    return [planPart(account, { id: lease, hold }, { id, hold: part })];
  });
  return (await Promise.all(leases)).flat();
}

/** Moves the part from what the lease holds to what is settled, and names it there. */
function planPart(key: string, lease: OpenHold, { id: holdId, hold: part }: OpenHold): PostedPart {
  const { id, hold } = lease;
  const { owner } = hold;
  const rest: Hold = {
    ...hold,
    nanoUsd: hold.nanoUsd - part.nanoUsd,
    inputTokens: hold.inputTokens - part.inputTokens,
    outputTokens: hold.outputTokens - part.outputTokens,
    owner: owner.kind === 'lease' ? { ...owner, settled: [...owner.settled, holdId] } : owner,
  };
  return {
    key,
    hold: part,
    write: {
      conditions: [isLease(lease)],
      set: [[[ATTR.holds, id], encodeHold(rest)]],
      add: settledSums(part, part, 1),
      remove: [],
    },
  };
}

/** Closes the race with the lease's worker and with other reapers: what was read is still so. */
function isLease({ id, hold }: OpenHold) {
  return { kind: 'equals', path: [ATTR.holds, id], value: encodeHold(hold) } as const;
}
