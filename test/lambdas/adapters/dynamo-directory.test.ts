import { expect, it } from 'vitest';
import {
  CURRENT_POLICY,
  keyRecordKey,
  LATEST_POLICY,
} from '../../../core/catalog/catalog-items.ts';
import type { PolicySnapshot } from '../../../core/catalog/snapshot.ts';
import { authenticate } from '../../../core/tenancy/authenticate.ts';
import { hashKey } from '../../../core/tenancy/virtual-key.ts';
import { createDynamoDirectory } from '../../../lambdas/adapters/dynamo-directory.ts';
import { packDocument } from '../../../lambdas/adapters/policy-parts.ts';
import { createTestGateway, model } from '../../support/gateway.ts';

const KEY_RECORD = keyRecordKey('');

/** A directory over a catalog in which every key has the same record. */
async function open(changed: Partial<PolicySnapshot> = {}) {
  const gateway = createTestGateway({
    providerUrl: 'http://127.0.0.1:9',
    models: [model('sim-small')],
  });
  const { key, ports } = gateway;
  const policy = await ports.directory.policy();
  const record = await ports.directory.findKey(hashKey(key));
  gateway.close();
  const [snapshot = new Uint8Array()] = await packDocument({ ...policy, ...changed });
  const head = { version: policy.version, snapshot, snapshotParts: 1, treeParts: 0 };
  const items = new Map<string, Record<string, unknown>>([
    [CURRENT_POLICY, { version: policy.version }],
    [LATEST_POLICY, head],
    [KEY_RECORD, { document: JSON.stringify(record) }],
  ]);
  let nowMs = Date.UTC(2026, 10, 21);
  const reads: string[] = [];
  const directory = createDynamoDirectory({
    dynamo: {
      getItem: async ({ Key }) => {
        const name = JSON.stringify(Key);
        const [pk = name, item] = [...items].find(([each]) => name.includes(each)) ?? [];
        reads.push(pk);
        return item && { pk, ...item };
      },
    },
    tableName: 'catalog',
    clock: { nowMs: () => nowMs },
    report: () => {},
  });
  return {
    key,
    record,
    items,
    reads,
    directory,
    nowMs: () => nowMs,
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

it('reads for a key whose team is gone once a second, however often it calls', async () => {
  const { directory, key, reads, nowMs, advance } = await open({ teams: {} });
  for (let call = 0; call < 30; call += 1) {
    await expect(
      authenticate({ directory }, { authorization: `Bearer ${key}` }, nowMs()),
    ).rejects.toThrow('no longer exists');
    advance(100);
  }
  expect(reads.filter((each) => each === CURRENT_POLICY)).toHaveLength(3);
});

it('gives the same record and policy for as long as nothing in them has changed', async () => {
  const { directory, items, record, advance } = await open();
  const look = () => Promise.all([directory.findKey('a'), directory.policy()]);
  const [key, policy] = await look();
  advance(30_000);
  const again = await look();
  expect([again[0] === key, again[1] === policy]).toEqual([true, true]);
  items.set(KEY_RECORD, { document: JSON.stringify({ ...record, owner: 'bob' }) });
  expect((await look())[0]).toBe(key);
  advance(30_000);
  expect((await look())[0]).toEqual({ ...record, owner: 'bob' });
  items.delete(KEY_RECORD);
  advance(30_000);
  expect((await look())[0]).toBeUndefined();
});

it('recalls for an hour what it has read, and says whether that is 30 s old', async () => {
  const { directory, items, reads, advance } = await open();
  await directory.findKey('a');
  expect(directory.recall?.('a')).toBeUndefined();
  await directory.policy();
  const seen = reads.length;
  expect(directory.recall?.('a')).toMatchObject({ key: { keyId: 'vk_test' }, isFresh: true });
  expect(directory.recall?.('b')).toBeUndefined();
  advance(29_999);
  expect(directory.recall?.('a')?.isFresh).toBe(true);
  advance(1);
  expect(directory.recall?.('a')?.isFresh).toBe(false);
  advance(3_569_999);
  expect(directory.recall?.('a')?.isFresh).toBe(false);
  advance(1);
  expect(directory.recall?.('a')).toBeUndefined();
  expect(reads).toHaveLength(seen);
  items.delete(KEY_RECORD);
  await Promise.all([directory.findKey('a'), directory.policy()]);
  expect(directory.recall?.('a')).toBeUndefined();
});

it('recalls nothing of which one part is old and the other new as fresh', async () => {
  const { directory, advance } = await open();
  await Promise.all([directory.findKey('a'), directory.policy()]);
  advance(30_000);
  await directory.policy();
  expect(directory.recall?.('a')?.isFresh).toBe(false);
  await directory.findKey('a');
  expect(directory.recall?.('a')?.isFresh).toBe(true);
});

it('forgets the key that was read longest ago, where it knows ten thousand', async () => {
  const { directory, advance } = await open();
  await directory.policy();
  for (let index = 0; index < 10_000; index += 1) await directory.findKey(`k${index}`);
  advance(30_000);
  await directory.findKey('k0');
  await directory.findKey('one more');
  const known = ['k0', 'k1', 'k2', 'one more'].map((each) => directory.recall?.(each)?.key.keyId);
  expect(known).toEqual(['vk_test', undefined, 'vk_test', 'vk_test']);
});
