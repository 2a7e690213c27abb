/** The operations of governance over a real engine, called as the router would: read, asked for the right, handled. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { AuditRecord } from '../../core/governance/audit.ts';
import { mayDo } from '../../core/governance/permissions.ts';
import type { Principal } from '../../core/governance/principal.ts';
import { TABLE_KEY, TABLE_SORT } from '../../core/names.ts';
import { createAuditLog } from '../../lambdas/adapters/audit-log.ts';
import { createDynamoAccounts } from '../../lambdas/adapters/dynamo-accounts.ts';
import { overSdk } from '../../lambdas/adapters/dynamo-sdk.ts';
import { applyPolicy } from '../../lambdas/admin/apply-policy.ts';
import { createAuditRoutes } from '../../lambdas/admin/audit-routes.ts';
import { createCatalogWriter } from '../../lambdas/admin/catalog-writer.ts';
import { enforceOverrides } from '../../lambdas/admin/enforce-overrides.ts';
import { createIdentify } from '../../lambdas/admin/identify.ts';
import { createKeyStore } from '../../lambdas/admin/key-store.ts';
import { createOverrideAccounts } from '../../lambdas/admin/override-accounts.ts';
import { createOverrideRoutes } from '../../lambdas/admin/override-routes.ts';
import { createPrincipalRoutes } from '../../lambdas/admin/principal-routes.ts';
import { createOverrideRegister, createPrincipalRegister } from '../../lambdas/admin/registers.ts';
import type { AdminRoute } from '../../lambdas/admin/route.ts';
import { createMemoryObjects } from './memory-objects.ts';

export const POLICY = `
time_zone: UTC
providers:
  own: { kind: vllm, base_url: "http://vllm.internal:8000" }
models:
  fast:
    tier: shared
    context_tokens: 8K
    max_output_tokens: 1K
    default_max_output_tokens: 100
    routes: [{ provider: own, model: llama, free: "true" }]
tenants:
  acme:
    limits: { monthly_budget: $1K }
    teams:
      search: { owner: ann, limits: { monthly_budget: $100, daily_quota: 1M } }
      support: { owner: bob, limits: { monthly_budget: $100 } }
    projects:
      web: { team: search, limits: { monthly_budget: $50 } }
  other:
    limits: { monthly_budget: $1K }
    teams:
      lab: { owner: eve, limits: { monthly_budget: $100 } }
`;

export const ROOT: Principal = { id: 'root', name: 'root', role: 'platform-admin' };
/** A week before the month's end. */
const NOW = Date.UTC(2026, 10, 23, 22);

export interface Call {
  readonly as: Principal;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly status: number;
  /** As a client reads it. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly operation: string;
}

export type Governance = Awaited<ReturnType<typeof startGovernance>>;

export async function startGovernance(binary: string) {
  const { client, stop } = await startEngine(binary);
  let nowMs = NOW;
  const clock = { nowMs: () => nowMs };
  const objects = createMemoryObjects();
  const reports: string[] = [];
  const audit = createAuditLog({
    client,
    tableName: 'audit',
    objects,
    clock,
    report: (incident) => void reports.push(incident),
  });
  const catalog = { client, tableName: 'catalog', clock };
  const principals = createPrincipalRegister(catalog);
  const overrides = createOverrideRegister(catalog);
  const writer = createCatalogWriter({
    client,
    catalogTable: 'catalog',
    accountsTable: 'accounts',
  });
  const keys = createKeyStore({ client, catalogTable: 'catalog' });
  const store = createDynamoAccounts({ dynamo: overSdk(client), tableName: 'accounts' });
  const enforce = () => enforceOverrides({ writer, overrides, clock });
  const applyPorts = { writer, keys, accounts: writer, clock };
  const applied = await applyPolicy(applyPorts, POLICY);
  if (applied.kind !== 'applied') throw new Error(JSON.stringify(applied));
  const routes: readonly AdminRoute[] = [
    ...createPrincipalRoutes({ principals, audit, catalogTable: 'catalog', clock }),
    ...createOverrideRoutes({
      overrides,
      principals,
      audit,
      writer,
      clock,
      enforce,
      ...createOverrideAccounts({ store, clock }),
    }),
    ...createAuditRoutes({ audit, clock }),
  ];
  const identify = createIdentify({
    client,
    catalogTable: 'catalog',
    principals,
    rootSecret: async () => 'the-secret-of-the-root',
    clock,
  });
  return {
    client,
    stop,
    routes,
    audit,
    objects,
    reports,
    store,
    writer,
    applyPorts,
    clock,
    identify,
    principals,
    overrides,
    enforce,
    advance: (ms: number) => {
      nowMs += ms;
    },
    call: (call: Call) => answer(routes, call),
    records: async (): Promise<readonly AuditRecord[]> =>
      (await audit.recent({ from: '2026', to: '2099', limit: 10_000 }, {})).records,
  };
}

async function answer(routes: readonly AdminRoute[], call: Call): Promise<Answered> {
  const route = routes.find(
    ({ method, path }) => method === call.method && paramsOf(path, call.path) !== undefined,
  );
  if (route === undefined) throw new Error(`no route ${call.method} ${call.path}`);
  const { operation } = route;
  const input = {
    params: route.params.safeParse(paramsOf(route.path, call.path)),
    query: route.query.safeParse(call.query ?? {}),
    body: route.body.safeParse(call.body),
  };
  const { params, query, body } = input;
  if (!params.success || !query.success || !body.success)
    return { status: 400, body: {}, operation };
  const read = { params: params.data, query: query.data, body: body.data };
  if (!mayDo(call.as, route.permission, route.target(read)))
    return { status: 403, body: {}, operation };
  const result = await route.handle({
    ...read,
    principal: call.as,
    reason: undefined,
    sourceIp: '192.0.2.1',
    requestId: 'req_test',
  });
  if (result.status < 300) route.answer.parse(result.body);
  return { ...result, body: JSON.parse(JSON.stringify(result.body)), operation };
}

function paramsOf(pattern: string, path: string): Record<string, string> | undefined {
  const [want, have] = [pattern.split('/'), path.split('/')];
  if (want.length !== have.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of want.entries()) {
    const given = have[index] ?? '';
    if (part.startsWith('{')) params[part.slice(1, -1)] = given;
    else if (part !== given) return undefined;
  }
  return params;
}

async function startEngine(binary: string) {
  const port = await freePort();
  const child = spawn(binary, ['--port', String(port)], { stdio: 'ignore' });
  const client = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 10,
  });
  for (const [TableName, ...keys] of [
    ['accounts', TABLE_KEY],
    ['catalog', TABLE_KEY],
    ['audit', TABLE_KEY, TABLE_SORT],
  ] as const)
    await client.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: keys.map((AttributeName, index) => ({
          AttributeName,
          KeyType: index === 0 ? 'HASH' : 'RANGE',
        })),
        AttributeDefinitions: keys.map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
      }),
    );
  return {
    client,
    async stop() {
      client.destroy();
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return address.port;
}
