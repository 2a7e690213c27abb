/**
 * The usage monitor's own handler before the local engine: every write is a real conditional one. What counts is the CPU of
 * this process, which is the monitor's; the engine has its own. Teams have budgets, so that their accounts are read.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Context } from 'aws-lambda';
import { ENV, TABLE_KEY, TABLE_SORT } from '../core/names.ts';
import { compilePolicy } from '../core/policy/compile-policy.ts';
import { parsePolicy } from '../core/policy/parse-policy.ts';
import { amountOf, sumOf } from '../core/rollups/amounts.ts';
import { foldEvents } from '../core/rollups/fold.ts';
import { windowStart } from '../core/rollups/windows.ts';
import { overSdk } from '../lambdas/adapters/dynamo-sdk.ts';
import { createRollups } from '../lambdas/adapters/rollups.ts';
import { readRecords } from '../lambdas/usage-monitor/records.ts';
import { startDynamo } from '../local/dynamo.ts';
import { startChildServer } from './child-server.ts';
import { batchFrom, type Company } from './monitor-stream.ts';
import { fillTables, TABLES } from './table/fill-tables.ts';

export interface TableRun {
  /** Of a batch: its events, and the writes to the rollups table that they come to. */
  readonly events: number;
  readonly writes: number;
  /** CPU of an event, and of a look at a tenant or team. */
  readonly eventMicros: number;
  readonly lookMicros: number;
  /** Tenants, teams and the pool: each is looked at once a minute. */
  readonly scopes: number;
}

const ROLLUPS_TABLE = 'rollups';
/** The first one looks at everybody, and connections are made. */
const WARM_UP = 2;

export async function runBeforeTable(company: Company, batches: number): Promise<TableRun> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-bench-monitor-'));
  const engine = await startDynamo({ dataDir, env: {}, log: () => {} });
  // Whatever is told goes to a server that takes it.
  const bus = await startChildServer(import.meta.resolve('./table-process.ts'), {});
  const client = clientOf(engine.url);
  try {
    await fillTables(engine.url, policyOf(company));
    await createRollupsTable(client);
    const work = await loadMonitor(engine.url, bus.url);
    return await measure({ work, client, company, batches });
  } finally {
    client.destroy();
    await bus.stop();
    await engine.close();
  }
}

interface Measured {
  readonly work: (event: { Records?: ReturnType<typeof batchFrom> }) => Promise<void>;
  readonly client: DynamoDBClient;
  readonly company: Company;
  readonly batches: number;
}

async function measure({ work, client, company, batches }: Measured): Promise<TableRun> {
  const atMs = Date.now();
  let number = 0;
  let micros = 0;
  for (let index = 0; index < WARM_UP + batches; index += 1) {
    const Records = batchFrom(number, company, atMs);
    number += Records.length;
    const spent = await microsOf(() => work({ Records }));
    if (index >= WARM_UP) micros += spent;
  }
  await assertAllCounted(client, { company, atMs, events: number });
  const scopes = company.tenants * (1 + company.teamsOfTenant) + 1;
  const events = Math.round(number / (WARM_UP + batches));
  const { events: last } = readRecords(batchFrom(0, company, atMs), fail);
  return {
    events,
    writes: foldEvents(last, ({ feature }) => feature ?? undefined).size,
    eventMicros: micros / batches / events,
    lookMicros: (await microsOf(() => work({}))) / scopes,
    scopes,
  };
}

async function microsOf(run: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** A monitor that is fast because it loses events would not count. */
async function assertAllCounted(
  client: DynamoDBClient,
  { company, atMs, events }: { company: Company; atMs: number; events: number },
): Promise<void> {
  const rollups = createRollups({ dynamo: overSdk(client), tableName: ROLLUPS_TABLE });
  const hourMs = windowStart('hour', atMs);
  const range = { granularity: 'hour', fromMs: hourMs, toMs: hourMs } as const;
  let counted = 0;
  for (let tenant = 0; tenant < company.tenants; tenant += 1) {
    const subject = { kind: 'tenant', tenantId: `tenant-${tenant}` } as const;
    const stored = await rollups.readCollection(subject, range);
    counted += amountOf(sumOf(stored.map(({ rollup }) => rollup)), 'requests');
  }
  if (counted !== events) throw new Error(`${counted} of ${events} events were counted`);
}

/** As Lambda loads it: from its environment. */
async function loadMonitor(dynamoUrl: string, busUrl: string): Promise<Measured['work']> {
  Object.assign(process.env, {
    [ENV.accountsTable]: TABLES.accountsTable,
    [ENV.catalogTable]: TABLES.catalogTable,
    [ENV.rollupsTable]: ROLLUPS_TABLE,
    [ENV.alertBus]: 'alerts',
    [ENV.stage]: 'bench',
    AWS_ENDPOINT_URL: busUrl,
    AWS_ENDPOINT_URL_DYNAMODB: dynamoUrl,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
  });
  const { handler } = await import('../lambdas/usage-monitor/handler.ts');
  return async ({ Records }) => {
    const event = Records === undefined ? {} : { Records };
    const { batchItemFailures } = await handler(event, CONTEXT);
    if (batchItemFailures.length > 0) throw new Error('the batch failed; its log says why');
  };
}

const CONTEXT: Context = {
  callbackWaitsForEmptyEventLoop: false,
  functionName: 'usage-monitor',
  functionVersion: '1',
  invokedFunctionArn: '',
  memoryLimitInMB: '512',
  awsRequestId: 'bench',
  logGroupName: '',
  logStreamName: '',
  getRemainingTimeInMillis: () => 600_000,
  done: () => {},
  fail: () => {},
  succeed: () => {},
};

/** Every tenant and team has a budget that is far away. */
function policyOf({ tenants, teamsOfTenant }: Company) {
  const team = { owner: 'bench', limits: { monthly_budget: '$1000000' } };
  const names = (word: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${word}-${index}`);
  const teams = Object.fromEntries(names('team', teamsOfTenant).map((name) => [name, team]));
  const tenant = { limits: { monthly_budget: '$9000000' }, teams };
  const source = {
    time_zone: 'UTC',
    providers: {},
    models: {},
    tenants: Object.fromEntries(names('tenant', tenants).map((name) => [name, tenant])),
  };
  const parsed = parsePolicy(JSON.stringify(source), 'bench');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors.slice(0, 3)));
  return { ...compilePolicy(parsed.policy, 1, Date.now()), records: new Map() };
}

function clientOf(endpoint: string): DynamoDBClient {
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
  return new DynamoDBClient({ endpoint, region: 'us-east-1', credentials });
}

async function createRollupsTable(client: DynamoDBClient): Promise<void> {
  const keys = [TABLE_KEY, TABLE_SORT];
  await client.send(
    new CreateTableCommand({
      TableName: ROLLUPS_TABLE,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: TABLE_KEY, KeyType: 'HASH' },
        { AttributeName: TABLE_SORT, KeyType: 'RANGE' },
      ],
      AttributeDefinitions: keys.map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
    }),
  );
}

function fail(): never {
  throw new Error('a record of the benchmark is not readable');
}
