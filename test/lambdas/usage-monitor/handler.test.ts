/** What the monitor makes of bad input: its handler as Lambda loads it, before a real table and a bus that takes everything. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Context, KinesisStreamBatchResponse, KinesisStreamRecord } from 'aws-lambda';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import { ENV } from '../../../core/names.ts';
import { amountOf } from '../../../core/rollups/amounts.ts';
import { windowStart } from '../../../core/rollups/windows.ts';
import { overSdk } from '../../../lambdas/adapters/dynamo-sdk.ts';
import { createRollupReader } from '../../../lambdas/adapters/rollup-reader.ts';
import { type Dynamo, startDynamo } from '../../../local/dynamo.ts';
import { usageEvent } from '../../core/rollups/usage-events.ts';
import { type AwsStub, startAwsStub } from '../../support/aws-stub.ts';
import { applyFile, openControlPlane, TABLES } from '../../support/control-plane.ts';
import { kinesisRecord } from '../../support/kinesis-record.ts';

const POLICY = `
time_zone: UTC
providers: {}
models: {}
tenants:
  acme:
    limits: { monthly_budget: $1000 }
    teams:
      search: { owner: ann, limits: { monthly_budget: $100 } }
`;
const HOUR_MS = 3_600_000;

let dynamo: Dynamo;
let client: DynamoDBClient;
let bus: AwsStub;
let handle: (records?: readonly KinesisStreamRecord[]) => Promise<KinesisStreamBatchResponse>;
let printed = '';

beforeAll(async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-monitor-'));
  dynamo = await startDynamo({ dataDir, env: { PATH: process.env['PATH'] }, log: () => {} });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  client = new DynamoDBClient({ endpoint: dynamo.url, region: 'us-east-1', credentials });
  const { ports } = await openControlPlane(client, systemClock);
  await applyFile(ports.change, POLICY);
  bus = await startAwsStub((response) => response.end('{"FailedEntryCount":0,"Entries":[]}'));
  for (const [name, value] of Object.entries({
    [ENV.accountsTable]: TABLES.accountsTable,
    [ENV.catalogTable]: TABLES.catalogTable,
    [ENV.rollupsTable]: TABLES.rollupsTable,
    [ENV.alertBus]: 'alerts',
    AWS_ENDPOINT_URL: bus.url,
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
  }))
    vi.stubEnv(name, value);
  const { handler } = await import('../../../lambdas/usage-monitor/handler.ts');
  handle = async (records) =>
    handler(records === undefined ? {} : { Records: [...records] }, CONTEXT);
  const print = (chunk: unknown) => {
    printed += String(chunk);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(print);
  vi.spyOn(process.stderr, 'write').mockImplementation(print);
});
beforeEach(() => {
  printed = '';
  bus.seen.length = 0;
});
afterAll(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  client.destroy();
  bus.close();
  await dynamo.close();
});

let sequence = 0;
function recordOf(data: string): KinesisStreamRecord {
  sequence += 1;
  return kinesisRecord(sequence, { data, arrivedSeconds: Date.now() / 1000 });
}
const now = () => new Date().toISOString();
const call = (fields: Parameters<typeof usageEvent>[0] = {}) => {
  const period = now().slice(0, 7);
  return { ...usageEvent(), event_time_ms: Date.now(), period, ...fields };
};
const usage = (fields: Parameters<typeof usageEvent>[0] = {}) =>
  recordOf(JSON.stringify(call(fields)));
/** How often the monitor counted something, by the name of its metric: a value, or a list of values. */
const counted = (metric: string) =>
  [...printed.matchAll(new RegExp(`"${metric}":\\[?([\\d,]+)`, 'g'))]
    .flatMap(([, values = '']) => values.split(','))
    .reduce((sum, value) => sum + Number(value), 0);

async function requestsOf(tenantId: string, teamId: string, hoursAgo = 0): Promise<number> {
  const reader = createRollupReader({ dynamo: overSdk(client), tableName: TABLES.rollupsTable });
  const toMs = windowStart('hour', Date.now() - hoursAgo * HOUR_MS);
  const range = { granularity: 'hour', fromMs: toMs - HOUR_MS, toMs } as const;
  const stored = await reader.readCollection({ kind: 'team', tenantId, teamId }, range);
  const own = stored.filter(({ member }) => member === 'all');
  return own.reduce((sum, { rollup }) => sum + amountOf(rollup, 'requests'), 0);
}

const DONE = { batchItemFailures: [] };

describe('the monitor', () => {
  it('passes over poison records, negative usage among them, and counts them', async () => {
    const poison = [
      'no JSON',
      '{}',
      'null',
      '[]',
      JSON.stringify(call({ input_tokens: -5 })),
      JSON.stringify(call({ cost_nano_usd: -1 })),
      JSON.stringify({ ...call(), output_tokens: 'many' }),
      JSON.stringify({ ...call(), event_time_ms: 'yesterday' }),
    ];
    const team_id = 'poisoned';
    const records = [...poison.map(recordOf), usage({ team_id })];
    expect(await handle(records)).toEqual(DONE);
    expect(counted('PoisonRecords')).toBe(poison.length);
    expect(await requestsOf('acme', team_id)).toBe(1);
    expect(bus.seen).toEqual([]);
  });

  it('counts a call of a clock far ahead when it arrives, and forgets one of weeks ago where sums are', async () => {
    const team_id = 'skewed';
    const at = (hours: number) => usage({ team_id, event_time_ms: Date.now() + hours * HOUR_MS });
    expect(await handle([at(24 * 365), at(3), at(-24 * 21), at(-24 * 90), at(0)])).toEqual(DONE);
    expect(await requestsOf('acme', team_id)).toBe(3);
    expect(await requestsOf('acme', team_id, 24 * 21)).toBe(1);
    expect(await requestsOf('acme', team_id, 24 * 90)).toBe(0);
    expect(counted('EventsOutOfTime')).toBe(4);
    expect(bus.seen).toEqual([]);
  });

  it('counts absurd usage as the most that one call can be, and tells it once', async () => {
    const team_id = 'absurd';
    const absurd = { input_tokens: 9e15, output_tokens: 9e15, cost_nano_usd: 9e15 };
    const records = Array.from({ length: 50 }, () => usage({ team_id, ...absurd }));
    expect(await handle(records)).toEqual(DONE);
    expect(counted('AbsurdUsage')).toBe(50);
    const told = bus.seen.length;
    expect(told).toBeLessThan(10);
    await handle([usage({ team_id, ...absurd })]);
    await handle();
    expect(bus.seen).toHaveLength(told);
  });

  it('tells nothing of a team without a history that only calls a lot', async () => {
    const records = Array.from({ length: 500 }, () =>
      usage({ team_id: 'newcomer', feature: null }),
    );
    expect(await handle(records)).toEqual(DONE);
    expect(await requestsOf('acme', 'newcomer')).toBe(500);
    expect(bus.seen).toEqual([]);
  });

  it('keeps on with calls of teams, tenants and keys that are gone from the policy', async () => {
    const gone = { tenant_id: 'gone', team_id: 'gone', virtual_key_id: 'vk_gone' };
    expect(await handle([usage(gone), usage({ team_id: 'gone' }), usage()])).toEqual(DONE);
    await handle();
    expect(await requestsOf('gone', 'gone')).toBe(1);
    expect(printed).not.toContain('not checked');
    expect(bus.seen).toEqual([]);
  });
});

const CONTEXT: Context = {
  callbackWaitsForEmptyEventLoop: false,
  functionName: 'usage-monitor',
  functionVersion: '1',
  invokedFunctionArn: '',
  memoryLimitInMB: '512',
  awsRequestId: 'test',
  logGroupName: '',
  logStreamName: '',
  getRemainingTimeInMillis: () => 60_000,
  done: () => {},
  fail: () => {},
  succeed: () => {},
};
