/**
 * Strays: accounts where copies of a reserve may hold, now or later, although its call holds elsewhere or not at all. A
 * copy that has arrived is given back, one that may yet arrive is refused by a mark.
 */
import { parseAccount } from './account.ts';
import type { AccountSetup } from './account-setup.ts';
import type { AccountStore, WriteResult } from './account-store.ts';
import { planUndo, planVoid } from './reap.ts';
import { isOurs, type ReserveRequest } from './reserve.ts';
import { setUpScope } from './shard-setup.ts';
import { scopeKeyOf } from './shards.ts';

export interface Strays {
  readonly keys: readonly string[];
  /** What the scope's accounts are made with, where calls make them. */
  readonly setup: AccountSetup | undefined;
}

export function undoStrays(
  store: AccountStore,
  request: ReserveRequest,
  { keys, setup }: Strays,
): Promise<void>[] {
  const { holdId } = request;
  return keys.map(async (key) => {
    const { kind, item } = await leaveMark(store, { key, request, setup });
    if (kind === 'applied' || item === undefined) return;
    const hold = parseAccount(item).holds.get(holdId);
    if (hold === undefined || !isOurs(hold, request)) return;
    await store.write(key, planUndo({ id: holdId, hold }));
  });
}

interface Place {
  readonly key: string;
  readonly request: ReserveRequest;
  readonly setup: AccountSetup | undefined;
}

/** An account that is not there yet may be made by another call before the copy arrives, so it is made here, with the mark. */
async function leaveMark(
  store: AccountStore,
  { key, request, setup }: Place,
): Promise<WriteResult> {
  const mark = planVoid(request.holdId, request.expiresAtSeconds);
  const first = await store.write(key, mark);
  if (first.item !== undefined || setup === undefined) return first;
  await setUpScope(store, scopeKeyOf(key), { setup, at: request.at });
  return store.write(key, mark);
}
