/** `npm run bench:queries`: how long each of finance's questions takes over a ledger of a million calls on one machine. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { REFERENCE_TABLES, referencePrefix } from '../core/chargeback/reference-tables.ts';
import { createLedger, ledgerColumns } from '../core/ledger/ledger-table.ts';
import { LAKE } from '../core/names.ts';
import { type Column, usageEventColumns } from '../core/usage/event.ts';
import { REJECTED_COLUMNS } from '../lib/constructs/usage-lake.ts';
import { readNamedQueries } from '../lib/constructs/usage-queries.ts';
import { readViews } from '../lib/constructs/usage-views.ts';
import { createAthenaEngine } from '../local/aws/athena-engine.ts';
import { writeFileAtomically } from '../local/aws/files.ts';
import { toParquet } from '../local/aws/parquet.ts';
import { summarize } from './statistics.ts';

const GOAL_MS = 2_000;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
  },
});
const dir = mkdtempSync(join(tmpdir(), 'tollgate-queries-'));
const lakeDir = join(dir, 's3');
const engine = createAthenaEngine({ lakeDir, databasePath: join(dir, 'catalog.duckdb') });
const run = (sql: string) =>
  engine.run({ sql, database: LAKE.database, parameters: [], bytesScannedCutoff: undefined });
try {
  await fill();
  const slowest = await measure();
  process.exitCode = slowest <= GOAL_MS ? 0 : 1;
} finally {
  await engine.close();
  rmSync(dir, { recursive: true });
}

/** Calls of the last 45 days by 20 teams, in the ledger and as the raw rows that it was made of. */
async function fill(): Promise<void> {
  const place = { database: LAKE.database, bucket: 'lake' };
  const partitionKeys: Column[] = ['dt', 'hour'].map((name) => ({ name, type: 'string' }));
  const usage = { ...place, table: LAKE.usageTable, prefix: 'usage/', columns: usageEventColumns };
  engine.createTable({ ...usage, partitionKeys });
  engine.createTable({
    ...place,
    table: LAKE.rejectedTable,
    prefix: 'rejected/',
    columns: REJECTED_COLUMNS,
    partitionKeys: partitionKeys.slice(0, 1),
    format: 'json',
  });
  for (const { name, sql } of readViews()) {
    engine.createView({ database: LAKE.database, view: name, sql });
  }
  for (const [table, { columns }] of Object.entries(REFERENCE_TABLES)) {
    const prefix = referencePrefix(table);
    engine.createTable({ ...place, table, prefix, columns, partitionKeys: [] });
    const price: Readonly<Record<string, string | bigint | boolean>> = {
      tier: 'shared',
      alias: 'model_alias-1',
      provider: 'provider-1',
      model: 'model-1',
      is_first_route: true,
      input_micro_usd: 250_000n,
      output_micro_usd: 2_000_000n,
    };
    const row = columns.map(({ name }) => price[name] ?? null);
    writeFileAtomically(
      join(lakeDir, 'lake', prefix, 'current.parquet'),
      toParquet(columns, [row]),
    );
  }
  await writeUsage();
  writeRejected();
  await run(`select 1 from ${LAKE.usageTable}`);
  await run(createLedger('s3://lake/ledger/'));
  await run(`INSERT INTO ${LAKE.ledgerTable} ${callsOf(ledgerColumns)}`);
}

/** A record in a thousand: far more than a healthy deployment rejects. */
function writeRejected(): void {
  const rawData = Buffer.from('{"request_id":"req_1","input_tokens":"many"}').toString('base64');
  const line = JSON.stringify({ errorCode: 'c', errorMessage: 'm', arrivalTimestamp: 1, rawData });
  const dt = new Date().toISOString().slice(0, 10);
  const path = join(lakeDir, 'lake', 'rejected', `dt=${dt}`, 'delivery-1-0');
  writeFileAtomically(path, `${line}\n`.repeat(Number(values.events) / 1000));
}

async function writeUsage(): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const folder = join(lakeDir, 'lake', 'usage');
  mkdirSync(folder, { recursive: true });
  const days =
    "strftime(current_date - to_days((i % 45)::INT), '%Y-%m-%d') AS dt, '12' AS \"hour\"";
  await connection.run(`COPY (SELECT *, ${days} FROM (${callsOf(usageEventColumns, ', i')}))
    TO '${folder}' (FORMAT parquet, PARTITION_BY (dt, "hour"), OVERWRITE_OR_IGNORE)`);
  connection.closeSync();
  instance.closeSync();
}

function callsOf(columns: readonly Column[], besides = ''): string {
  const examples = columns.map(({ name, type }) => `${exampleOf(name, type)} AS ${name}`);
  return `SELECT ${examples.join(', ')}${besides} FROM range(${Number(values.events)}) AS calls (i)`;
}

/** Text columns have fifty values each, amounts are small, times go back 45 days. */
function exampleOf(name: string, type: Column['type']): string {
  const daysAgo = 'to_days((i % 45)::INT)';
  const special: Readonly<Record<string, string>> = {
    entry_id: "'req_' || i",
    request_id: "'req_' || i",
    entry_kind: "'call'",
    booked_period: `strftime(current_date - ${daysAgo}, '%Y-%m')`,
    period: `strftime(current_date - ${daysAgo}, '%Y-%m')`,
    event_time_ms: `epoch_ms((current_date - ${daysAgo})::TIMESTAMP) + i % 86400000`,
    outcome:
      "CASE i % 50 WHEN 0 THEN 'denied' WHEN 1 THEN 'error' WHEN 2 THEN 'cancelled' ELSE 'ok' END",
    tier: "CASE i % 3 WHEN 0 THEN 'premium' ELSE 'shared' END",
    tenant_id: "'tenant-' || i % 4",
    team_id: "'team-' || i % 20",
    provider: "'provider-' || i % 4",
    user_id: "'user-' || i % 10000",
    discount_percent: 'i % 20',
    reason: 'NULL',
  };
  const plain: Readonly<Record<Column['type'], string>> = {
    string: `'${name}-' || i % 50`,
    bigint: 'i % 9973',
    boolean: 'i % 100 = 0',
  };
  return special[name] ?? plain[type];
}

async function measure(): Promise<number> {
  const medians: Record<string, { ms: number; rows: number }> = {};
  for (const { name, sql } of readNamedQueries()) {
    const times: number[] = [];
    let rows = 0;
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const startedMs = performance.now();
      rows = (await run(sql)).rows.length;
      times.push(performance.now() - startedMs);
    }
    medians[name] = { ms: Math.round(summarize(times)?.median ?? Number.NaN), rows };
  }
  console.table(medians);
  return Math.max(...Object.values(medians).map(({ ms }) => ms));
}
