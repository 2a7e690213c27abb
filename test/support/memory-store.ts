import { type KeyStatus, parseAccount } from '../../core/limits/account.ts';
import { type AccountStore, writeResult } from '../../core/limits/account-store.ts';
import { applyWrite, type StoredItem } from '../../core/limits/account-write.ts';
import type { Moment } from '../../core/limits/denial.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import { planSetup } from '../../core/limits/shard-setup.ts';
import { type Shard, shardKey } from '../../core/limits/shards.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';

export interface MemoryStore extends AccountStore {
  readonly items: Map<string, StoredItem>;
  /** Creates the scope's accounts, or changes their limits as a policy would. */
  setUp(scope: Scope, limits: LimitPlan, at?: Moment): void;
  setStatus(scope: Scope, status: KeyStatus): void;
  /** All accounts of the scope. */
  shardsOf(scope: Scope): Shard[];
  /** Number of writes since the start, refused ones and each of a transaction included; of one account, or of all. */
  writes(key?: string): number;
}

/** The accounts table in memory: the twin of the DynamoDB adapter, held to it by test/contract. */
export function createMemoryStore(): MemoryStore {
  const items = new Map<string, StoredItem>();
  const writes = new Map<string, number>();
  const count = (key: string) => void writes.set(key, (writes.get(key) ?? 0) + 1);
  const store: MemoryStore = {
    items,
    writes: (key) =>
      key === undefined
        ? [...writes.values()].reduce((sum, each) => sum + each, 0)
        : (writes.get(key) ?? 0),
    shardsOf(scope) {
      const shards: Shard[] = [];
      for (let index = 0; ; index += 1) {
        const key = shardKey(accountKey(scope), index);
        const item = items.get(key);
        if (item === undefined) return shards;
        shards.push({ key, account: parseAccount(item) });
      }
    },
    setUp(scope, limits, at = momentOf(0, calendarDay(0, 'UTC'))) {
      const setup = { limits, policyVersion: 1 };
      for (const { key, write } of planSetup(store.shardsOf(scope), accountKey(scope), {
        setup,
        at,
      })) {
        const next = applyWrite(items.get(key), write);
        if (next === undefined) throw new Error(`the setup of ${key} was refused`);
        items.set(key, next);
      }
    },
    setStatus(scope, status) {
      for (const { key } of store.shardsOf(scope))
        items.set(key, { ...items.get(key), st: status });
    },
    async write(key, write) {
      count(key);
      const old = items.get(key);
      const next = applyWrite(old, write);
      if (next !== undefined) items.set(key, next);
      return writeResult(write, old, next);
    },
    async writeTogether(all) {
      const next = all.map(({ key, write }) => ({ key, item: applyWrite(items.get(key), write) }));
      for (const { key } of all) count(key);
      if (next.some(({ item }) => item === undefined)) return false;
      for (const { key, item } of next) if (item !== undefined) items.set(key, item);
      return true;
    },
    read: async (key) => items.get(key),
  };
  return store;
}
