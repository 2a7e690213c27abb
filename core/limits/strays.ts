/**
 * Strays: accounts where copies of a reserve may hold, now or later, although its call holds elsewhere or not at all. A
 * copy that has arrived is given back, one that may yet arrive is refused by a mark.
 */
import { parseAccount } from './account.ts';
import type { AccountSetup } from './account-setup.ts';
import type { AccountStore, WriteResult } from './account-store.ts';
import type { AccountWrite } from './account-write.ts';
import type { Moment } from './denial.ts';
import { planUndo, planVoid } from './reap.ts';
import { isOurs, type ReserveRequest } from './reserve.ts';
import { type Actual, type Grant, planForce, planSettle } from './settle.ts';
import { setUpScope } from './shard-setup.ts';
import { scopeKeyOf } from './shards.ts';

export interface Strays {
  readonly keys: readonly string[];
  /** What the scope's accounts are made with, where calls make them. */
  readonly setup: AccountSetup | undefined;
}

/** The call was admitted without this account: counts it there once, whatever of its reserve has arrived meanwhile. */
export async function settleUnchecked(
  store: AccountStore,
  { key, grant, setup }: Unchecked,
  { actual, at }: { actual: Actual; at: Moment },
): Promise<void> {
  const { holdId } = grant.request;
  for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
    const forced = await writeOrMake(store, { key, setup, at }, planForce(grant, actual, at));
    if (forced.kind === 'applied' || forced.item === undefined) return;
    if (!parseAccount(forced.item).holds.has(holdId)) return;
    const settle = planSettle({ ...grant, isDoubtful: true }, actual, at);
    if ((await store.write(key, settle)).kind === 'applied') return;
  }
}

export interface Unchecked {
  readonly key: string;
  readonly grant: Grant;
  readonly setup: AccountSetup | undefined;
}

const MAX_ATTEMPTS = 3;

export function undoStrays(
  store: AccountStore,
  request: ReserveRequest,
  { keys, setup }: Strays,
): Promise<void>[] {
  const { holdId, expiresAtSeconds, at } = request;
  return keys.map(async (key) => {
    const mark = planVoid(holdId, expiresAtSeconds);
    const { kind, item } = await writeOrMake(store, { key, setup, at }, mark);
    if (kind === 'applied' || item === undefined) return;
    const hold = parseAccount(item).holds.get(holdId);
    if (hold === undefined || !isOurs(hold, request)) return;
    await store.write(key, planUndo({ id: holdId, hold }));
  });
}

interface Place {
  readonly key: string;
  readonly setup: AccountSetup | undefined;
  readonly at: Moment;
}

/** An account that is not there yet may be made by another call before a copy arrives, so it is made here. */
async function writeOrMake(
  store: AccountStore,
  { key, setup, at }: Place,
  write: AccountWrite,
): Promise<WriteResult> {
  const first = await store.write(key, write);
  if (first.item !== undefined || setup === undefined) return first;
  await setUpScope(store, scopeKeyOf(key), { setup, at });
  return store.write(key, write);
}
