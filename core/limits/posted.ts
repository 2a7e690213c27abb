/**
 * Posted calls: what expired while it may have been sent, and was counted as spent at its hold. The account keeps
 * only the sums; the hold itself moves, in the same transaction, to an item of the call, where a settlement that comes
 * late, or the ledger, finds it and replaces it by the truth (ADR 0010). One entry an account, whose text says whether
 * it was corrected, so that each is corrected once and the reaper can still tell what became of a lead.
 */
import { holdIdsOf } from '../ids.ts';
import { TABLE_TTL } from '../names.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import { type AccountItem, ATTR, decodeHold, encodeHold, type Hold } from './account.ts';
import type { AccountStore, KeyedWrite, Reader } from './account-store.ts';
import type { Pause } from './patient-store.ts';
import { committedSums, type OpenHold, settledSums } from './reap.ts';
import type { Actual } from './settle.ts';
import { scopeKeyOf } from './shards.ts';

/** The item of a call, by its lead's scope and its hold: no two tenants share a key, so none meets another's. */
export function postedKey(account: string, { id, hold: { owner } }: OpenHold): string {
  return keyOf(owner.kind === 'sibling' ? owner.leadAccount : scopeKeyOf(account), id);
}

function keyOf(leadAccount: string, holdId: string): string {
  return `posted/${leadAccount}/${holdId}`;
}

/** Longer than any ledger takes to learn the truth. */
const KEPT_SECONDS = 45 * 86_400;

/** The text of an entry that has been replaced by the truth. */
const CORRECTED = '=';

/** Where the call has a part of a lease: what the account loses of that, and the hold that is posted instead. */
export interface PostedPart extends KeyedWrite {
  readonly hold: Hold;
}

/** Counts the whole hold as spent, in the month of its reserve, and keeps it for whoever learns the truth. */
export function planPost(
  account: string,
  open: OpenHold,
  { nowSeconds, parts }: { nowSeconds: number; parts: readonly PostedPart[] },
): KeyedWrite[] {
  const { id, hold } = open;
  const ofAccount = {
    // Closes the race with a settlement that is only late, and with another reaper.
    conditions: [{ kind: 'present', path: [ATTR.holds, id] }],
    set: [],
    add: settledSums(hold, hold, 1),
    remove: [[ATTR.holds, id]],
  } as const;
  const ofCall = {
    conditions: [{ kind: 'absent', path: [account] }],
    set: [
      [[account], encodeHold(hold)],
      ...parts.map((part) => [[part.key], encodeHold(part.hold)] as const),
      [[TABLE_TTL], nowSeconds + KEPT_SECONDS],
    ],
    add: [],
    remove: [],
  } as const;
  return [
    { key: account, write: ofAccount },
    ...parts.map(({ key, write }) => ({ key, write })),
    { key: postedKey(account, open), write: ofCall },
  ];
}

/** True when the call's lead was posted, whatever has become of that since. */
export function wasLeadPosted(item: AccountItem | undefined, leadAccount: string): boolean {
  return entriesOf(item).some(([account]) => scopeKeyOf(account) === leadAccount);
}

/** Strongly consistent. Posting is a transaction, whose effect may be seen in the account a moment before it is here. */
export async function readPosted(
  store: Reader,
  key: string,
  pause: Pause,
): Promise<AccountItem | undefined> {
  const item = await store.read(key);
  if (item !== undefined) return item;
  await pause(VISIBLE_AFTER_MS);
  return store.read(key);
}

const VISIBLE_AFTER_MS = 100;

export interface Correction {
  readonly store: AccountStore;
  readonly pause: Pause;
  readonly account: string;
  /** The item of the call. */
  readonly key: string;
  readonly actual: Actual;
}

/** Replaces what one account was charged at the hold, unless the truth is there. False where nothing was posted. */
export async function correctAccount(correction: Correction): Promise<boolean> {
  const { store, pause, account, key, actual } = correction;
  for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
    const item = await readPosted(store, key, pause);
    const entry = entriesOf(item).find(([name]) => name === account)?.[1];
    if (entry === undefined) return false;
    if (entry === CORRECTED) return true;
    if (await store.writeTogether(planCorrection(correction, entry, actual))) return true;
    // Somebody else corrects it, or a transaction is at the account: the entry will tell.
    await pause(VISIBLE_AFTER_MS);
  }
  throw new Error(`${account} was not corrected`);
}

const MAX_ATTEMPTS = 8;

/** What is known of a posted call in the end: its usage event. */
export interface PostedTruth {
  readonly requestId: string;
  readonly keyId: string;
  /** Who served it: the pool of a provider that another one stood in for served no tokens. */
  readonly provider: string | null;
  readonly actual: Actual;
}

/**
 * Corrects a call in every account where it was posted; for a ledger that holds the truth of it. Doing it twice, or beside a
 * late settlement, changes nothing.
 */
export async function correctPosted(
  { store, pause }: Pick<Correction, 'store' | 'pause'>,
  { requestId, keyId, provider, actual }: PostedTruth,
): Promise<void> {
  const lead: Scope = { kind: 'key', keyId };
  for (const holdId of holdIdsOf(requestId)) {
    const key = keyOf(accountKey(lead), holdId);
    for (const [account] of entriesOf(await store.read(key))) {
      const served = isPassedOver(account, provider) ? NOTHING : actual;
      await correctAccount({ store, pause, account, key, actual: served });
    }
  }
}

function isPassedOver(account: string, provider: string | null): boolean {
  if (!account.startsWith('pool/')) return false;
  return (
    provider === null || scopeKeyOf(account) !== accountKey({ kind: 'pool', providerId: provider })
  );
}

const NOTHING: Actual = { nanoUsd: 0, inputTokens: 0, outputTokens: 0 };

function planCorrection({ account, key }: Correction, entry: string, actual: Actual): KeyedWrite[] {
  const hold = decodeHold(entry);
  const difference = differenceOf(actual, hold);
  const ofAccount = {
    conditions: [{ kind: 'present', path: [ATTR.status] }],
    set: [],
    add: [...committedSums(hold, difference), ...settledSums(hold, difference, 0)],
    remove: [],
  } as const;
  const ofCall = {
    // Closes the race with everybody else who corrects it.
    conditions: [{ kind: 'equals', path: [account], value: entry }],
    set: [[[account], CORRECTED]],
    add: [],
    remove: [],
  } as const;
  const isRight = ofAccount.add.length === 0;
  return [...(isRight ? [] : [{ key: account, write: ofAccount }]), { key, write: ofCall }];
}

function differenceOf(actual: Actual, hold: Hold): Actual {
  return {
    nanoUsd: actual.nanoUsd - hold.nanoUsd,
    inputTokens: actual.inputTokens - hold.inputTokens,
    outputTokens: actual.outputTokens - hold.outputTokens,
  };
}

export interface PostedEntry {
  readonly account: string;
  readonly hold: Hold;
}

/** Where the call stands at its hold: an entry that was corrected stands for nothing any more. */
export function postedEntries(item: AccountItem): PostedEntry[] {
  return entriesOf(item).flatMap(([account, entry]) =>
    entry === CORRECTED ? [] : [{ account, hold: decodeHold(entry) }],
  );
}

export interface PostedAccount {
  readonly account: string;
  /** A settlement that came late, or the ledger, has replaced the hold by the truth. */
  readonly isCorrected: boolean;
}

/** Where a call was posted, for those who look it up. Empty where it never was, or long ago. */
export async function readPostedAccounts(
  store: Reader,
  { keyId, requestId }: { readonly keyId: string; readonly requestId: string },
): Promise<PostedAccount[]> {
  const lead = accountKey({ kind: 'key', keyId });
  const items = await Promise.all(holdIdsOf(requestId).map((id) => store.read(keyOf(lead, id))));
  return items
    .flatMap(entriesOf)
    .map(([account, entry]) => ({ account, isCorrected: entry === CORRECTED }));
}

/** Accounts and their entries: every text but the item's own key. */
function entriesOf(item: AccountItem | undefined): [string, string][] {
  return Object.entries(item ?? {}).flatMap(([name, value]): [string, string][] =>
    name !== ATTR.key && typeof value === 'string' ? [[name, value]] : [],
  );
}
