import { type AccountStore, writeResult } from '../../core/limits/account-store.ts';
import { applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { setUpScope } from '../../core/limits/shard-setup.ts';
import type { CompiledPolicy } from '../../core/policy/compile-policy.ts';
import { accountKey } from '../../core/tenancy/scopes.ts';

/** Nothing has been used before. */
const EPOCH = momentOf(0, calendarDay(0, 'UTC'));

/** Accounts in this process's memory: what the gateway costs when its table costs nothing. */
export async function createMemoryAccounts(
  accounts: CompiledPolicy['accounts'],
): Promise<AccountStore> {
  const items = new Map<string, StoredItem>();
  const store: AccountStore = {
    async write(key, write) {
      const old = items.get(key);
      const next = applyWrite(old, write);
      if (next !== undefined) items.set(key, next);
      return writeResult(write, old, next);
    },
    async writeTogether(writes) {
      const next = writes.map(
        ({ key, write }) => [key, applyWrite(items.get(key), write)] as const,
      );
      if (next.some(([, item]) => item === undefined)) return false;
      for (const [key, item] of next) if (item !== undefined) items.set(key, item);
      return true;
    },
    read: async (key) => items.get(key),
  };
  for (const { scope, limits } of accounts)
    await setUpScope(store, accountKey(scope), { setup: { limits, policyVersion: 1 }, at: EPOCH });
  return store;
}
