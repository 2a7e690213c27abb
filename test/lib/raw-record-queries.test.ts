/** What nobody could read, and what looks odd, through the local Kinesis, Firehose and Athena to the named queries. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LAKE } from '../../core/names.ts';
import { usageEventColumns } from '../../core/usage/event.ts';
import { USAGE_SCHEMA_VERSION } from '../../core/usage/event-values.ts';
import { REJECTED_COLUMNS } from '../../lib/constructs/usage-lake.ts';
import { readNamedQueries } from '../../lib/constructs/usage-queries.ts';
import { type LocalAws, startLocalAws } from '../../local/aws/local-aws.ts';
import { clientsOf } from '../contract/aws/endpoint.ts';
import { deployLake, putJson, query } from '../contract/aws/lake-fixture.ts';
import { USAGE_EVENT } from '../support/ledger-lake.ts';

const HOUR_MS = 3_600_000;
const HOSTILE = `'); DROP TABLE usage; -- "request_id":"evil" \u{1F600}`;

const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-raw-'));
let aws: LocalAws;
beforeAll(async () => {
  aws = await startLocalAws({ dataDir });
  deployLake(aws, usageEventColumns);
  aws.createTable({
    database: LAKE.database,
    table: LAKE.rejectedTable,
    bucket: 'lake',
    prefix: 'errors/format-conversion-failed/',
    columns: REJECTED_COLUMNS,
    partitionKeys: [{ name: 'dt', type: 'string' }],
    format: 'json',
  });
});
afterAll(async () => {
  await aws.close();
  rmSync(dataDir, { recursive: true });
});

async function ask(name: string): Promise<Record<string, string | undefined>[]> {
  const sql = readNamedQueries().find((each) => each.name === name)?.sql ?? '';
  const { rows, reason } = await query(clientsOf(aws.url).athena, sql);
  expect(reason).toBeUndefined();
  const [columns = [], ...values] = rows;
  return values.map((row) =>
    Object.fromEntries(columns.map((column, index) => [String(column), row[index]])),
  );
}

const now = { ...USAGE_EVENT, event_time_ms: Date.now() };

it('no record, no answer', async () => {
  expect(await ask('rejected-records')).toEqual([]);
  expect(await ask('flagged-records')).toEqual([]);
});

it('what does not fit is kept with its reason, and names its request where that can be read', async () => {
  const misfit = { ...now, request_id: 'req_misfit', input_tokens: 'many', feature: HOSTILE };
  const cut = JSON.stringify({ ...now, request_id: 'req_cut' }).slice(0, 300);
  await putJson(clientsOf(aws.url).kinesis, [now, misfit, cut, '-', '[]', 'null']);
  await aws.flush();
  const found = await ask('rejected-records');
  expect(found.map(({ request_id }) => request_id).sort()).toEqual([
    'req_cut',
    'req_misfit',
    undefined,
    undefined,
    undefined,
  ]);
  const row = found.find(({ request_id }) => request_id === 'req_misfit');
  expect(row).toMatchObject({
    dt: new Date().toISOString().slice(0, 10),
    error_code: 'DataFormatConversion.MalformedData',
    tenant_id: 'acme',
    cost_nano_usd: '1000',
  });
  expect(row?.['error_message']).toContain('input_tokens');
  expect(JSON.parse(row?.['record'] ?? '')).toMatchObject({ feature: HOSTILE });
  expect(Number(row?.['arrived_at_ms'])).toBeGreaterThan(now.event_time_ms - HOUR_MS);
});

it('what looks odd is kept among the rest, and says why', async () => {
  const { request_id: _none, ...nameless } = now;
  const oddities = [
    { ...now, request_id: 'newer', schema_version: USAGE_SCHEMA_VERSION + 1, mystery: true },
    nameless,
    { ...now, request_id: 'ahead', event_time_ms: now.event_time_ms + 3 * HOUR_MS },
    { ...now, request_id: 'epoch', event_time_ms: 0 },
    { ...now, request_id: 'far', event_time_ms: Number.MAX_SAFE_INTEGER },
    { ...now, request_id: 'late', event_time_ms: now.event_time_ms - 26 * HOUR_MS },
    { ...now, request_id: 'in time', event_time_ms: now.event_time_ms - 20 * HOUR_MS },
    { ...now, request_id: 'hostile', feature: HOSTILE },
  ];
  await putJson(clientsOf(aws.url).kinesis, oddities);
  await aws.flush();
  const found = await ask('flagged-records');
  expect(found.map(({ flag, request_id }) => [flag, request_id])).toEqual([
    ['begins after its arrival', 'ahead'],
    ['begins after its arrival', 'far'],
    ['more than a day late', 'epoch'],
    ['more than a day late', 'late'],
    ['no request', undefined],
    ['unknown version', 'newer'],
  ]);
  const { athena } = clientsOf(aws.url);
  const hostile = await query(athena, "SELECT feature FROM usage WHERE request_id = 'hostile'");
  expect(hostile.rows[1]).toEqual([HOSTILE]);
});
