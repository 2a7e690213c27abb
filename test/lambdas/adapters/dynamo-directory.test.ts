import { expect, it } from 'vitest';
import {
  CURRENT_POLICY,
  keyRecordKey,
  LATEST_POLICY,
} from '../../../core/catalog/catalog-items.ts';
import { authenticate } from '../../../core/tenancy/authenticate.ts';
import { hashKey } from '../../../core/tenancy/virtual-key.ts';
import { createDynamoDirectory } from '../../../lambdas/adapters/dynamo-directory.ts';
import { packDocument } from '../../../lambdas/adapters/policy-parts.ts';
import { createTestGateway, model } from '../../support/gateway.ts';

it('reads for a key whose team is gone once a second, however often it calls', async () => {
  const gateway = createTestGateway({
    providerUrl: 'http://127.0.0.1:9',
    models: [model('sim-small')],
  });
  const { key, ports } = gateway;
  const policy = await ports.directory.policy();
  const record = await ports.directory.findKey(hashKey(key));
  gateway.close();
  const [snapshot = new Uint8Array()] = await packDocument({ ...policy, teams: {} });
  const head = { version: policy.version, snapshot, snapshotParts: 1, treeParts: 0 };
  const items = new Map<string, Record<string, unknown>>([
    [CURRENT_POLICY, { version: policy.version }],
    [LATEST_POLICY, head],
    [keyRecordKey(hashKey(key)), { document: JSON.stringify(record) }],
  ]);
  let nowMs = Date.UTC(2026, 10, 21);
  let policyReads = 0;
  const directory = createDynamoDirectory({
    dynamo: {
      getItem: async ({ Key }) => {
        const name = JSON.stringify(Key);
        if (name.includes(CURRENT_POLICY)) policyReads += 1;
        const [pk, item] = [...items].find(([each]) => name.includes(each)) ?? [];
        return item && { pk, ...item };
      },
    },
    tableName: 'catalog',
    clock: { nowMs: () => nowMs },
    report: () => {},
  });
  for (let call = 0; call < 30; call += 1) {
    await expect(
      authenticate({ directory }, { authorization: `Bearer ${key}` }, nowMs),
    ).rejects.toThrow('no longer exists');
    nowMs += 100;
  }
  expect(policyReads).toBe(3);
});
