/** The port to the accounts table: one attempt a call. Throws StoreFault when the table is out of reach. */
import { GatewayError } from '../errors.ts';
import { type Account, type AccountItem, parseAccount } from './account.ts';
import type { AccountWrite } from './account-write.ts';
import { type Shard, shardKey, sumAccounts } from './shards.ts';

export interface AccountStore {
  write(key: string, write: AccountWrite): Promise<WriteResult>;
  /**
   * All or nothing, over different keys. False, and nothing is written, when a condition did not hold or
   * another transaction was at one of the accounts.
   */
  writeTogether(writes: readonly KeyedWrite[]): Promise<boolean>;
  read(key: string): Promise<AccountItem | undefined>;
}

export type WriteResult =
  /** The item as the write left it; empty where the write says that it is not read. */
  | { readonly kind: 'applied'; readonly item: AccountItem }
  /** A condition did not hold; the item as it is, absent when there is none, or when it is not read. */
  | { readonly kind: 'refused'; readonly item?: AccountItem };

/** What a store answers, by the item before the write and after it; no item after it where a condition did not hold. */
export function writeResult(
  { itemUnread }: AccountWrite,
  before: AccountItem | undefined,
  after: AccountItem | undefined,
): WriteResult {
  if (after !== undefined) return { kind: 'applied', item: itemUnread === undefined ? after : {} };
  return before === undefined || itemUnread === 'always'
    ? { kind: 'refused' }
    : { kind: 'refused', item: before };
}

export interface KeyedWrite {
  readonly key: string;
  readonly write: AccountWrite;
}

/** Nobody can say what a call may spend. */
export class StoreFault extends GatewayError {
  /** The write may have been applied, or may still be on its way. False: it never was and never will be. */
  readonly isDoubtful: boolean;

  constructor(cause: unknown, { isDoubtful }: { readonly isDoubtful: boolean }) {
    super('limiter_unavailable', 'The limits of this key cannot be checked right now.', { cause });
    this.isDoubtful = isDoubtful;
  }
}

export type Reader = Pick<AccountStore, 'read'>;

/**
 * All shards of a scope, the first one first; none when the scope has no account. One round trip when there
 * are not more than expected. They are read one by one, so a slice that moves meanwhile may be missed.
 */
export async function readShards(
  store: Reader,
  scopeKey: string,
  expected: number,
): Promise<Shard[]> {
  const seen = await readRange(store, scopeKey, { from: 0, to: expected });
  const first = seen[0];
  if (first === undefined || first.key !== scopeKey) return [];
  const { shards } = first.account;
  return [...seen, ...(await readRange(store, scopeKey, { from: expected, to: shards }))];
}

/** The scope's shards as one account. */
export async function readScope(store: Reader, scopeKey: string): Promise<Account | undefined> {
  const [first, ...others] = await readShards(store, scopeKey, 1);
  return first === undefined
    ? undefined
    : sumAccounts([first.account, ...others.map(({ account }) => account)]);
}

async function readRange(
  store: Reader,
  scopeKey: string,
  { from, to }: { from: number; to: number },
): Promise<Shard[]> {
  const keys = Array.from({ length: Math.max(0, to - from) }, (_, index) =>
    shardKey(scopeKey, from + index),
  );
  const items = await Promise.all(keys.map(async (key) => ({ key, item: await store.read(key) })));
  return items.flatMap(({ key, item }) =>
    item === undefined ? [] : [{ key, account: parseAccount(item) }],
  );
}
