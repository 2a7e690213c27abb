/** The ports of the in-process gateways: the proxy's own adapters, but for the usage stream and, where asked, the accounts. */
import { inspect } from 'node:util';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { KeyRecord } from '../core/catalog/snapshot.ts';
import { systemClock, systemTimer } from '../core/clock.ts';
import { createAccounts } from '../core/limits/accounts.ts';
import { calendarDay } from '../core/limits/periods.ts';
import { momentOf } from '../core/limits/reserve.ts';
import { TABLE_KEY } from '../core/names.ts';
import { type CompiledPolicy, compilePolicy } from '../core/policy/compile-policy.ts';
import { parsePolicy } from '../core/policy/parse-policy.ts';
import type { Report } from '../core/report.ts';
import type { Ports } from '../core/serve.ts';
import { hashKey, keyIdOf } from '../core/tenancy/virtual-key.ts';
import { createAws } from '../lambdas/adapters/aws-client.ts';
import { createDynamoAccounts, pauseRandomly } from '../lambdas/adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../lambdas/adapters/dynamo-directory.ts';
import { createLeanDynamo } from '../lambdas/adapters/dynamo-lean.ts';
import { createHttpUpstream } from '../lambdas/adapters/http-upstream.ts';
import { createCatalogWriter } from '../lambdas/admin/catalog-writer.ts';
import { createKeyStore } from '../lambdas/admin/key-store.ts';
import { startDynamo } from '../local/dynamo.ts';
import type { GatewayServerOptions } from './gateway-server.ts';
import { createMemoryAccounts } from './memory-accounts.ts';
import { benchPolicy } from './policy.ts';

const TABLES = { accountsTable: 'accounts', catalogTable: 'catalog' } as const;
const VERSION = 1;

export async function createBenchPorts(options: GatewayServerOptions): Promise<Ports> {
  const company = companyOf(options);
  const state = await (options.accounts === 'memory'
    ? inMemory(company)
    : inDynamo(company, options.dataDir));
  const clock = systemClock;
  return {
    ...state,
    clock,
    timer: systemTimer,
    cancellations: { mark: async () => {}, isMarked: async () => false },
    providerKeys: { get: async () => undefined, cacheSecret: async () => 'none' },
    upstream: createHttpUpstream({ clock }),
    usage: { put: async () => {} },
    report,
  };
}

/** A figure taken while something went wrong would mislead, so that the process ends and the run with it. */
const report: Report = (incident, fault) => {
  process.stderr.write(`${incident}: ${inspect(fault)}\n`);
  process.exit(1);
};

interface Company {
  readonly snapshot: CompiledPolicy['snapshot'];
  readonly accounts: CompiledPolicy['accounts'];
  readonly keyHash: string;
  readonly record: KeyRecord;
}

function companyOf({ providerUrl, key }: GatewayServerOptions): Company {
  const parsed = parsePolicy(benchPolicy(providerUrl), 'bench');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
  const { snapshot, accounts } = compilePolicy(parsed.policy, VERSION, Date.now());
  const [project] = snapshot.projects;
  if (project === undefined) throw new Error('the policy has no project');
  const { id: projectId, teamId, tenantId } = project;
  const keyHash = hashKey(key);
  const keyId = keyIdOf(keyHash);
  const record: KeyRecord = {
    ...{ keyId, tenantId, teamId, projectId, owner: 'bench', limits: {}, createdAtMs: 0 },
    ...{ pinnedTags: {}, features: [] },
  };
  const keyAccount = { scope: { kind: 'key', keyId }, limits: {} } as const;
  return { snapshot, accounts: [...accounts, keyAccount], keyHash, record };
}

type State = Pick<Ports, 'directory' | 'accounts'>;

async function inMemory({ snapshot, accounts, keyHash, record }: Company): Promise<State> {
  const store = await createMemoryAccounts(accounts);
  return {
    directory: {
      findKey: async (hash) => (hash === keyHash ? record : undefined),
      policy: async () => snapshot,
    },
    accounts: createAccounts({ store, clock: systemClock }),
  };
}

async function inDynamo(company: Company, dataDir: string): Promise<State> {
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const { url } = await startDynamo({ dataDir, env: process.env, log });
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_DYNAMODB: url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
  });
  await fillTables(new DynamoDBClient(), company);
  const clock = systemClock;
  const { accounts, catalog } = createLeanDynamo(createAws({ clock }));
  const store = createDynamoAccounts({
    dynamo: accounts,
    tableName: TABLES.accountsTable,
  });
  return {
    directory: createDynamoDirectory({
      dynamo: catalog,
      tableName: TABLES.catalogTable,
      clock,
      report,
    }),
    accounts: createAccounts({ store, clock, pause: pauseRandomly }),
  };
}

async function fillTables(client: DynamoDBClient, company: Company): Promise<void> {
  for (const TableName of Object.values(TABLES)) {
    const create = new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: TABLE_KEY, AttributeType: 'S' }],
      KeySchema: [{ AttributeName: TABLE_KEY, KeyType: 'HASH' }],
    });
    await client.send(create);
  }
  const writer = createCatalogWriter({ client, ...TABLES });
  const document = { version: VERSION, tree: {}, source: '', fileVersion: VERSION };
  await writer.policies.store(document, company.snapshot);
  await writer.policies.switchTo(undefined, { version: VERSION, pending: [], done: 0 }, []);
  await createKeyStore({ client, catalogTable: TABLES.catalogTable }).store({
    record: company.record,
    keyHash: company.keyHash,
    revision: 0,
  });
  const nowMs = systemClock.nowMs();
  const at = momentOf(nowMs, calendarDay(nowMs, company.snapshot.timeZone));
  for (const { scope, limits } of company.accounts)
    await writer.setUpAccount(scope, { limits, policyVersion: VERSION }, at);
}
