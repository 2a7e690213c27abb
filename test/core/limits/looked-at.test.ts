import { describe, expect, it } from 'vitest';
import type { AccountItem } from '../../../core/limits/account.ts';
import type { AccountStore, WriteResult } from '../../../core/limits/account-store.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import type { Limits } from '../../../core/limits/dimensions.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: Scope = { kind: 'key', keyId: 'vk_1' };
const START = Date.UTC(2026, 10, 20, 12, 0, 0);

/** Calls by one key. Tells of each reserve whether the account came back. */
function keyWith(limits: Limits) {
  const store = createMemoryStore();
  store.setUp(KEY, limits);
  let nowMs = START;
  let calls = 0;
  const items: (AccountItem | undefined)[] = [];
  const watched: AccountStore = {
    ...store,
    async write(key, write): Promise<WriteResult> {
      const result = await store.write(key, write);
      if (write.itemUnread !== 'always') items.push(result.item);
      return result;
    },
  };
  const accounts = createAccounts({ store: watched, clock: { nowMs: () => nowMs } });
  return {
    store,
    advance(ms: number) {
      nowMs += ms;
    },
    async call() {
      calls += 1;
      const demand = { nanoUsd: 1_000, inputTokens: 100, outputTokens: 50 };
      const requestId = `req_${String(calls).padStart(8, '0')}`;
      const scopes = [{ scope: KEY, limits }];
      const reservation = await accounts.reserve({
        ...{ requestId, alias: 'm', demand, scopes, timeZone: 'UTC', holdSeconds: 900 },
      });
      if (reservation.kind === 'reserved') await accounts.settle(reservation, demand);
      return reservation.kind;
    },
    /** Since the last question. */
    cameBack: () => items.splice(0).map((item) => item?.['st'] !== undefined),
  };
}

describe('the account of a key', () => {
  it('comes back once a minute where nothing is limited', async () => {
    const { call, advance, cameBack } = keyWith({});
    for (let count = 0; count < 3; count += 1) await call();
    advance(60_000);
    for (let count = 0; count < 2; count += 1) await call();
    expect(cameBack()).toEqual([true, false, false, true, false]);
  });

  it('comes back once in 64 calls of a minute, so that a crowd is seen', async () => {
    const { call, cameBack } = keyWith({});
    for (let count = 0; count < 130; count += 1) await call();
    const looks = cameBack().flatMap((came, index) => (came ? [index] : []));
    expect(looks).toEqual([0, 64, 128]);
  });

  it('comes back with every reserve where something is limited, for what is left is told', async () => {
    const { call, cameBack } = keyWith({ requestsPerMinute: 100 });
    for (let count = 0; count < 3; count += 1) await call();
    expect(cameBack()).toEqual([true, true, true]);
  });

  it('comes back with a refusal: the call after a revocation is told of it', async () => {
    const { store, call, cameBack } = keyWith({});
    await call();
    await call();
    store.setStatus(KEY, 'revoked');
    expect(await call()).toBe('inactive');
    expect(cameBack()).toEqual([true, false, true]);
  });

  it('comes back as long as there are marks in it, which are swept', async () => {
    const { store, call, cameBack } = keyWith({});
    const marks = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [`old${index}`, '1']),
    );
    store.items.set(accountKey(KEY), { ...store.items.get(accountKey(KEY)), x: marks });
    for (let count = 0; count < 5; count += 1) await call();
    expect(store.items.get(accountKey(KEY))?.['x']).toEqual({});
    expect(cameBack()).toEqual([true, true, true, true, false]);
  });

  it('is swept of what the last month left within a minute of calls', async () => {
    const { store, call, advance } = keyWith({});
    await call();
    advance(62 * 86_400_000);
    await call();
    const names = Object.keys(store.items.get(accountKey(KEY)) ?? {});
    expect(names.filter((name) => name.endsWith('202611'))).toEqual([]);
  });
});
