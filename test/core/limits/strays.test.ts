import { describe, expect, it } from 'vitest';
import type { AccountStore } from '../../../core/limits/account-store.ts';
import { momentOf, planReserve, type ReserveRequest } from '../../../core/limits/reserve.ts';
import type { Grant } from '../../../core/limits/settle.ts';
import { settleUnchecked, undoStrays } from '../../../core/limits/strays.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const USER: Scope = { kind: 'user', tenantId: 'acme', teamId: 'search', userId: 'ann' };
const KEY = accountKey(USER);
const PLAN = { requestsPerMinute: 10, nanoUsdPerMonth: 10_000 };
const SETUP = { limits: PLAN, policyVersion: 1 };
const NOW_MS = Date.UTC(2026, 10, 20, 12);
const AT = momentOf(NOW_MS, { day: 20261120, month: 202611 });
const REQUEST: ReserveRequest = {
  holdId: 'abcdefgh',
  demand: { nanoUsd: 900, inputTokens: 50, outputTokens: 20 },
  at: AT,
  expiresAtSeconds: NOW_MS / 1_000 + 900,
  owner: { kind: 'sibling', leadAccount: 'key/vk_0123456789ab' },
};
const RESERVE = planReserve(REQUEST, PLAN);
const GRANT: Grant = { request: REQUEST, plan: PLAN };
const ACTUAL = { nanoUsd: 300, inputTokens: 40, outputTokens: 7 };

function table({ isMade = true } = {}) {
  const store = createMemoryStore();
  if (isMade) store.setUp(USER, PLAN);
  const item = () => store.items.get(KEY);
  return { store, item };
}

function count(store: AccountStore, setup: typeof SETUP | undefined = SETUP): Promise<void> {
  return settleUnchecked(store, { key: KEY, grant: GRANT, setup }, { actual: ACTUAL, at: AT });
}

async function undo(store: AccountStore, setup: typeof SETUP | undefined = SETUP): Promise<void> {
  await Promise.all(undoStrays(store, REQUEST, { keys: [KEY], setup }));
}

describe('a call that was admitted without an account is counted there', () => {
  it('in one write', async () => {
    const { store, item } = table();
    await count(store);
    expect(item()).toMatchObject({ sn202611: 1, su202611: 300, uM202611: 300, h: {} });
    expect(store.writes(KEY)).toBe(1);
  });

  it('once, however often it is tried', async () => {
    const { store, item } = table();
    await count(store);
    await count(store);
    expect(item()).toMatchObject({ sn202611: 1, uM202611: 300 });
    expect(store.writes(KEY)).toBe(2);
  });

  it('by settling the copy of its reserve that has arrived, whose copies hold no more', async () => {
    const { store, item } = table();
    await store.write(KEY, RESERVE);
    await count(store);
    expect(item()).toMatchObject({ sn202611: 1, uM202611: 300, h: {} });
    expect(item()).toMatchObject({ x: { abcdefgh: expect.any(String) } });
    expect(store.writes(KEY)).toBe(3);
  });

  it('when the copy goes while it is looked at', async () => {
    const { store, item } = table();
    await store.write(KEY, RESERVE);
    let refusals = 0;
    const racing: AccountStore = {
      ...store,
      async write(key, write) {
        const result = await store.write(key, write);
        if (result.kind === 'refused' && refusals === 0) {
          refusals += 1;
          await undo(store);
          // The mark that the undo left has gone with time.
          store.items.set(KEY, { ...store.items.get(KEY), x: {} });
        }
        return result;
      },
    };
    await count(racing);
    expect(item()).toMatchObject({ sn202611: 1, uM202611: 300, h: {} });
  });

  it('after making the account where calls make it, and not at all where they do not', async () => {
    const made = table({ isMade: false });
    await count(made.store);
    expect(made.item()).toMatchObject({ st: 'active', sn202611: 1, uM202611: 300 });
    const unknown = table({ isMade: false });
    await settleUnchecked(
      unknown.store,
      { key: KEY, grant: GRANT, setup: undefined },
      { actual: ACTUAL, at: AT },
    );
    expect(unknown.item()).toBeUndefined();
    expect(unknown.store.writes()).toBe(1);
  });
});

describe('a stray', () => {
  it('that has not arrived is refused when it does', async () => {
    const { store, item } = table();
    await undo(store);
    expect(store.writes(KEY)).toBe(1);
    expect((await store.write(KEY, RESERVE)).kind).toBe('refused');
    expect(item()).toMatchObject({ h: {}, x: { abcdefgh: expect.any(String) } });
  });

  it('that has arrived is given back, and its copies are refused', async () => {
    const { store, item } = table();
    await store.write(KEY, RESERVE);
    await undo(store);
    expect(item()).toMatchObject({ h: {}, uM202611: 0, x: { abcdefgh: expect.any(String) } });
    expect((await store.write(KEY, RESERVE)).kind).toBe('refused');
  });

  it('is left alone where it is the hold of another call by the same name', async () => {
    const { store, item } = table();
    const owner = { kind: 'sibling', leadAccount: 'key/vk_ba9876543210' } as const;
    await store.write(KEY, planReserve({ ...REQUEST, owner }, PLAN));
    const before = item();
    await undo(store);
    expect(item()).toEqual(before);
  });

  it('is not marked twice', async () => {
    const { store, item } = table();
    await undo(store);
    const before = item();
    await undo(store);
    expect(item()).toEqual(before);
    expect(store.writes(KEY)).toBe(2);
  });

  it('is marked in an account that is made for it, where calls make accounts', async () => {
    const made = table({ isMade: false });
    await undo(made.store);
    expect(made.item()).toMatchObject({ st: 'active', x: { abcdefgh: expect.any(String) } });
    const unknown = table({ isMade: false });
    await Promise.all(undoStrays(unknown.store, REQUEST, { keys: [KEY], setup: undefined }));
    expect(unknown.item()).toBeUndefined();
    expect(unknown.store.writes()).toBe(1);
  });
});
