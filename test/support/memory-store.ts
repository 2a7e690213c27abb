import { renderSetup } from '../../core/limits/account-setup.ts';
import { applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import type { AccountStore } from '../../core/limits/accounts.ts';
import type { Limits } from '../../core/limits/dimensions.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';

export interface MemoryStore extends AccountStore {
  readonly items: Map<string, StoredItem>;
  /** Creates the scope's account, or changes its limits as a policy would. */
  setUp(scope: Scope, limits: Limits): void;
  setStatus(scope: Scope, status: 'active' | 'revoked'): void;
  /** Number of writes since the start, refused ones included. */
  writes(): number;
}

/** The accounts table in memory: the twin of the DynamoDB adapter, held to it by test/contract. */
export function createMemoryStore(): MemoryStore {
  const items = new Map<string, StoredItem>();
  let writes = 0;
  return {
    items,
    writes: () => writes,
    setUp(scope, limits) {
      const { names, values } = renderSetup({ limits, policyVersion: 1 });
      const old = items.get(accountKey(scope));
      const item = {
        st: 'active',
        h: {},
        x: {},
        ...old,
        [names['#l'] ?? '']: values[':l'],
        [names['#lv'] ?? '']: values[':lv'],
        [names['#pv'] ?? '']: 1,
      };
      items.set(accountKey(scope), item);
    },
    setStatus(scope, status) {
      items.set(accountKey(scope), { ...items.get(accountKey(scope)), st: status });
    },
    async write(key, write) {
      writes += 1;
      const old = items.get(key);
      const next = applyWrite(old, write);
      if (next === undefined)
        return old === undefined ? { kind: 'refused' } : { kind: 'refused', item: old };
      items.set(key, next);
      return { kind: 'applied', item: next };
    },
    read: async (key) => items.get(key),
  };
}
