import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BatchGetNamedQueryCommand, ListNamedQueriesCommand } from '@aws-sdk/client-athena';
import { PutRecordBatchCommand } from '@aws-sdk/client-firehose';
import { parquetMetadata } from 'hyparquet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLocalAws } from '../../../local/aws/local-aws.ts';
import { CONTRACT_ENDPOINT, clientsOf, type Endpoint, openEndpoint } from './endpoint.ts';
import { COLUMNS, deployLake, NAMED_QUERY, putJson, query } from './lake-fixture.ts';

let endpoint: Endpoint;
let clients: ReturnType<typeof clientsOf>;

beforeEach(async () => {
  endpoint = await openEndpoint();
  clients = clientsOf(endpoint.url);
  if (endpoint.local !== undefined) deployLake(endpoint.local);
});
afterEach(async () => {
  clients.destroy();
  await endpoint.close();
});

const events = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    request_id: `r${index}`,
    team_id: `team-${index % 3}`,
    tokens: index % 7 === 0 ? null : index,
    stream: index % 2 === 0,
    unknown: 'left out',
  }));

function filesUnder(folder: string): string[] {
  return readdirSync(join(endpoint.dataDir, 's3', 'lake', folder), { recursive: true })
    .map(String)
    .filter((path) => !path.startsWith('.'));
}

// A lake elsewhere needs roles and minutes of buffering; these run against the local one only.
describe.skipIf(CONTRACT_ENDPOINT !== undefined)('the lake', () => {
  it('carries 1,000 records through Kinesis, Firehose and Parquet to a query, to the token', async () => {
    const sent = events(1_000);
    await putJson(clients.kinesis, sent);
    const { rows, types } = await query(
      clients.athena,
      'SELECT count(*) AS requests, sum(tokens) AS tokens, count(DISTINCT dt) AS days FROM usage',
    );
    const tokens = sent.reduce((sum, event) => sum + (event.tokens ?? 0), 0);
    expect(rows[1]?.slice(0, 2)).toEqual(['1000', String(tokens)]);
    expect(types).toEqual(['bigint', 'bigint', 'bigint']);
  });

  it('writes Snappy Parquet with nullable 64-bit columns into Hive folders', async () => {
    await putJson(clients.kinesis, events(10));
    await endpoint.local?.flush();
    const [file = ''] = filesUnder('usage').filter((path) => path.endsWith('.parquet'));
    expect(file).toMatch(/^dt=\d{4}-\d\d-\d\d\/hour=\d\d\/usage-delivery-1-\d+\.parquet$/);
    const data = readFileSync(join(endpoint.dataDir, 's3', 'lake', 'usage', file));
    const metadata = parquetMetadata(new Uint8Array(data).buffer);
    expect(metadata.schema.find(({ name }) => name === 'tokens')).toMatchObject({
      type: 'INT64',
      repetition_type: 'OPTIONAL',
    });
    expect(metadata.row_groups[0]?.columns[0]?.meta_data?.codec).toBe('SNAPPY');
  });

  it('puts what does not fit the columns aside, with the reason', async () => {
    await putJson(clients.kinesis, [...events(2), '{broken', { request_id: 'x', tokens: 'many' }]);
    await endpoint.local?.flush();
    const [file = ''] = filesUnder('errors/format-conversion-failed').filter((path) =>
      path.includes('usage-delivery'),
    );
    const lines = readFileSync(
      join(endpoint.dataDir, 's3', 'lake', 'errors', 'format-conversion-failed', file),
      'utf8',
    )
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(2);
    expect(Buffer.from(lines[0].rawData, 'base64').toString()).toBe('{broken');
    expect(lines[1].errorMessage).toContain('column tokens is bigint, not "many"');
    expect((await query(clients.athena, 'SELECT count(*) FROM usage')).rows[1]).toEqual(['2']);
  });

  it('answers from an empty table, with its types', async () => {
    const { rows, types } = await query(clients.athena, 'SELECT team_id, tokens, dt FROM usage');
    expect(rows).toEqual([['team_id', 'tokens', 'dt']]);
    expect(types).toEqual(['varchar', 'bigint', 'varchar']);
  });

  it('reads old files with a column that was added later', async () => {
    await putJson(clients.kinesis, events(1));
    await endpoint.local?.close();
    const restarted = await startLocalAws({ dataDir: endpoint.dataDir });
    try {
      deployLake(restarted, [...COLUMNS, { name: 'model', type: 'string' }]);
      const { athena } = clientsOf(restarted.url);
      const { rows } = await query(athena, 'SELECT request_id, model FROM usage');
      expect(rows[1]).toEqual(['r0', undefined]);
    } finally {
      await restarted.close();
    }
  });

  it('delivers by itself soon after records come', async () => {
    await endpoint.local?.close();
    const quick = await startLocalAws({ dataDir: endpoint.dataDir, localBufferSeconds: 0.1 });
    try {
      deployLake(quick);
      await putJson(clientsOf(quick.url).kinesis, events(1));
      await expect
        .poll(() => filesUnder('usage').some((path) => path.endsWith('.parquet')))
        .toBe(true);
    } finally {
      await quick.close();
    }
  });

  it('takes records put to Firehose directly', async () => {
    endpoint.local?.createDeliveryStream({
      name: 'direct',
      bucket: 'lake',
      prefix: 'usage/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/',
      errorPrefix: 'errors/',
      columns: COLUMNS,
      bufferSeconds: 60,
      bufferBytes: 1_000_000,
    });
    const Records = events(3).map((event) => ({
      Data: new TextEncoder().encode(`${JSON.stringify(event)}\n`),
    }));
    const put = (DeliveryStreamName: string) =>
      clients.firehose.send(new PutRecordBatchCommand({ DeliveryStreamName, Records }));
    expect((await put('direct')).FailedPutCount).toBe(0);
    await expect(put('nowhere')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect((await query(clients.athena, 'SELECT count(*) FROM usage')).rows[1]).toEqual(['3']);
  });
});

describe.skipIf(CONTRACT_ENDPOINT !== undefined)('Athena', () => {
  it('finds the named queries and runs one', async () => {
    const { NamedQueryIds } = await clients.athena.send(
      new ListNamedQueriesCommand({ WorkGroup: 'finance' }),
    );
    const { NamedQueries } = await clients.athena.send(
      new BatchGetNamedQueryCommand({ NamedQueryIds }),
    );
    expect(NamedQueries?.map(({ Name }) => Name)).toEqual([NAMED_QUERY]);
    await putJson(clients.kinesis, events(6));
    const { rows } = await query(clients.athena, NamedQueries?.[0]?.QueryString ?? '');
    expect(rows).toEqual([
      ['team_id', 'tokens'],
      ['team-0', '3'],
      ['team-1', '5'],
      ['team-2', '7'],
    ]);
  });

  it('gives long results in pages', async () => {
    await putJson(clients.kinesis, events(250));
    const { rows } = await query(clients.athena, 'SELECT request_id FROM usage');
    expect(rows.slice(1).flat()).toEqual(events(250).map((event) => event.request_id));
  });

  it('takes execution parameters as SQL literals', async () => {
    await putJson(clients.kinesis, events(6));
    const sql = 'SELECT request_id FROM usage WHERE team_id = ? AND tokens > ?';
    const { rows } = await query(clients.athena, sql, ["'team-1'", '2']);
    expect(rows.slice(1)).toEqual([['r4']]);
  });

  it.each([
    ["date_format(timestamp '2026-11-20 22:05:07', '%Y-%m-%d %H:%i')", '2026-11-20 22:05'],
    ['7 / 2', '3'],
    ["date_add('day', 2, date '2026-01-30')", '2026-02-01 00:00:00.000'],
    ['cast(1.5 as double) * 2', '3.0'],
    ['cast(12345678.5 as double)', '1.23456785E7'],
    ["timestamp '2026-01-02 03:04:05'", '2026-01-02 03:04:05.000'],
    ['cast(1.5 as decimal(10, 3))', '1.500'],
    ['from_unixtime(0)', '1970-01-01 00:00:00.000 UTC'],
    ['json_extract_scalar(\'{"a":"b"}\', \'$.a\')', 'b'],
    ['1 = 1', 'true'],
    ['cast(null as bigint)', undefined],
  ])('prints %s as Athena does', async (expression, expected) => {
    const { rows, reason } = await query(clients.athena, `SELECT ${expression}`);
    expect(reason).toBeUndefined();
    expect(rows[1]).toEqual([expected]);
  });

  it.each([
    ["COPY (SELECT 1) TO '/tmp/x.csv'", /NOT_SUPPORTED/],
    ['CREATE TABLE x AS SELECT 1', /NOT_SUPPORTED/],
    ['SELECT 1; SELECT 2', /Only one sql statement/],
    ["SELECT * FROM read_csv('/etc/passwd')", /disabled by configuration/],
    ['SET enable_external_access = true', /NOT_SUPPORTED/],
    ['SELECT nothing FROM usage', /nothing/],
    ['SELEC', /syntax/i],
  ])('refuses %s', async (sql, reason) => {
    const answer = await query(clients.athena, sql);
    expect(answer.state).toBe('FAILED');
    expect(answer.reason).toMatch(reason);
  });

  it('cancels a query that would read more than the workgroup allows', async () => {
    endpoint.local?.createWorkGroup({
      name: 'finance',
      resultsBucket: 'results',
      resultsPrefix: '',
      bytesScannedCutoff: 10,
    });
    await putJson(clients.kinesis, events(1));
    const answer = await query(clients.athena, 'SELECT * FROM usage');
    expect(answer.state).toBe('CANCELLED');
  });
});
