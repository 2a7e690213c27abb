import { planCreate } from '../core/limits/account-setup.ts';
import { applyWrite, type StoredItem } from '../core/limits/account-write.ts';
import type { AccountStore } from '../core/limits/accounts.ts';
import type { CompiledPolicy } from '../core/policy/compile-policy.ts';
import { accountKey } from '../core/tenancy/scopes.ts';

/** Accounts in this process's memory: what the gateway costs when its table costs nothing. */
export async function createMemoryAccounts(
  accounts: CompiledPolicy['accounts'],
): Promise<AccountStore> {
  const items = new Map<string, StoredItem>();
  const store: AccountStore = {
    async write(key, write) {
      const old = items.get(key);
      const next = applyWrite(old, write);
      if (next !== undefined) {
        items.set(key, next);
        return { kind: 'applied', item: next };
      }
      return old === undefined ? { kind: 'refused' } : { kind: 'refused', item: old };
    },
    read: async (key) => items.get(key),
  };
  for (const { scope, limits } of accounts)
    await store.write(accountKey(scope), planCreate(limits));
  return store;
}
