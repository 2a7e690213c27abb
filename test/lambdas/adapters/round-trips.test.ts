import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import {
  CURRENT_POLICY,
  keyRecordKey,
  LATEST_POLICY,
} from '../../../core/catalog/catalog-items.ts';
import { systemClock } from '../../../core/clock.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { planVersionOf } from '../../../core/limits/schedule.ts';
import { scopeKeyOf } from '../../../core/limits/shards.ts';
import type { UpstreamRequest } from '../../../core/providers/upstream.ts';
import { serve } from '../../../core/serve.ts';
import { teamKey } from '../../../core/tenancy/scopes.ts';
import { hashKey } from '../../../core/tenancy/virtual-key.ts';
import { type Plain, toAttribute } from '../../../lambdas/adapters/attribute-values.ts';
import { type Aws, createAws } from '../../../lambdas/adapters/aws-client.ts';
import { createDynamoAccounts } from '../../../lambdas/adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../../../lambdas/adapters/dynamo-directory.ts';
import { createLeanDynamo } from '../../../lambdas/adapters/dynamo-lean.ts';
import { packDocument } from '../../../lambdas/adapters/policy-parts.ts';
import { createTestGateway, model, type TestGateway } from '../../support/gateway.ts';

/** Every answer of the table takes this long, so that waves of parallel calls can be told apart. */
const ROUND_TRIP_MS = 120;

const FREE = { ...model('own'), routes: [{ provider: 'sim', model: 'own', free: true }] };

let server: Server;
let gateway: TestGateway;
let aws: Aws;
const arrivals: number[] = [];
/** How much later it is for the directory than for the rest. */
let passedMs = 0;
const items = new Map<string, Record<string, Plain>>();

beforeAll(async () => {
  server = createServer(async (request, response) => {
    arrivals.push(performance.now());
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { Key } = JSON.parse(Buffer.concat(chunks).toString()) as { Key: { pk: { S: string } } };
    // All accounts of a scope are alike here.
    const item = items.get(scopeKeyOf(Key.pk.S));
    const attributes =
      item &&
      Object.fromEntries(Object.entries(item).map(([name, value]) => [name, onTheWire(value)]));
    await sleep(ROUND_TRIP_MS);
    const isRead = String(request.headers['x-amz-target']).endsWith('GetItem');
    response.setHeader('content-type', 'application/x-amz-json-1.0');
    response.end(JSON.stringify(isRead ? { Item: attributes } : { Attributes: attributes }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const env = {
    AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${address.port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
  };
  aws = createAws({ clock: systemClock, env });
  gateway = createTestGateway({
    providerUrl: 'http://127.0.0.1:9',
    models: [model('sim-small'), FREE],
  });
  await store(gateway);
});
/** An environment that knows nothing yet. */
beforeEach(() => {
  const { accounts, catalog } = createLeanDynamo(aws);
  const { ports } = gateway;
  Object.assign(ports, {
    directory: createDynamoDirectory({
      dynamo: catalog,
      tableName: 'catalog',
      clock: { nowMs: () => systemClock.nowMs() + passedMs },
      report: ports.report,
    }),
    accounts: createAccounts({
      store: createDynamoAccounts({ dynamo: accounts, tableName: 'accounts' }),
      clock: systemClock,
    }),
  });
});
afterAll(() => {
  gateway.close();
  aws.close();
  server.close();
  server.closeAllConnections();
});

function onTheWire(value: Plain) {
  if (value instanceof Uint8Array) return { B: Buffer.from(value).toString('base64') };
  return toAttribute(value);
}

/** The key, the policy and the accounts of the test gateway as the tables hold them. */
async function store({ key, ports: { directory } }: TestGateway): Promise<void> {
  const [record, policy] = await Promise.all([directory.findKey(hashKey(key)), directory.policy()]);
  const [snapshot = new Uint8Array()] = await packDocument(policy);
  const head = { version: policy.version, snapshot, snapshotParts: 1, treeParts: 0 };
  items.set(CURRENT_POLICY, { pk: CURRENT_POLICY, version: policy.version });
  items.set(LATEST_POLICY, { pk: LATEST_POLICY, ...head });
  items.set(keyRecordKey(hashKey(key)), {
    pk: keyRecordKey(hashKey(key)),
    document: JSON.stringify(record),
  });
  const limits = policy.teams[teamKey('acme', 'search')]?.limits ?? {};
  for (const pk of ['key/vk_test', 'team/acme/search'])
    items.set(pk, {
      pk,
      st: 'active',
      h: {},
      x: {},
      l: {},
      lv: planVersionOf(limits),
      pv: 1,
    });
}

/** Waves of table calls that one request makes before it calls the provider (which refuses the connection). */
async function roundTrips(alias: string): Promise<number> {
  arrivals.length = 0;
  const nowMs = Date.now();
  let dispatchedMs = 0;
  const { ports } = gateway;
  const upstream = {
    send: async ({ mayBegin }: UpstreamRequest) => {
      await mayBegin;
      dispatchedMs = performance.now();
      throw new Error('stop here');
    },
  };
  const body = Buffer.from(
    JSON.stringify({ model: alias, messages: [{ role: 'user', content: 'Hi' }] }),
  );
  const response = await serve(
    { ...ports, upstream },
    {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'x-api-key': gateway.key },
      body,
      requestId: 'req_0123456789abcdefghijkl',
      receivedAtMs: nowMs,
      deadlineMs: nowMs + 60_000,
    },
  );
  await response.closed;
  expect(dispatchedMs).toBeGreaterThan(0);
  const before = arrivals.filter((at) => at < dispatchedMs).toSorted((a, b) => a - b);
  return before.filter(
    (at, index) => index === 0 || at - (before[index - 1] ?? 0) > ROUND_TRIP_MS / 2,
  ).length;
}

it.each([
  ['something', 'sim-small'],
  ['nothing', 'own'],
])(
  'makes two round trips before it dispatches a call that costs %s when nothing is known, and one when key and policy are, or were half an hour ago',
  async (_what, alias) => {
    expect(await roundTrips(alias)).toBe(2);
    expect(await roundTrips(alias)).toBe(1);
    const before = arrivals.length;
    passedMs += 1_800_000;
    expect(await roundTrips(alias)).toBe(1);
    expect(arrivals.length).toBe(before + 2);
  },
);
