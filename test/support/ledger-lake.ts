/** A lake of usage events and the ledger over it: the writer's own code and SQL on the local Athena engine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LAKE } from '../../core/names.ts';
import { type UsageEvent, usageEventColumns } from '../../core/usage/event.ts';
import { NO_USAGE_DETAIL, UNSAID, USAGE_SCHEMA_VERSION } from '../../core/usage/event-values.ts';
import type { Athena, AthenaRow } from '../../lambdas/adapters/athena.ts';
import {
  type LedgerRun,
  type LedgerRunResult,
  writeLedger,
} from '../../lambdas/ledger-writer/write-ledger.ts';
import { createAthenaEngine } from '../../local/aws/athena-engine.ts';
import { writeFileAtomically } from '../../local/aws/files.ts';
import { toParquet, toRow } from '../../local/aws/parquet.ts';

const BUCKET = 'lake';
const PREFIX = 'usage/';

export interface LedgerLake {
  nowMs: number;
  closedThrough: string | undefined;
  /** One file of raw rows, as Firehose writes it, arrived now. */
  arrive(rows: readonly object[]): void;
  write(reach?: LedgerRun['reach']): Promise<LedgerRunResult>;
  ask(sql: string): Promise<readonly AthenaRow[]>;
  close(): Promise<void>;
}

export function createLedgerLake(startMs: number): LedgerLake {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-ledger-'));
  const engine = createAthenaEngine({
    lakeDir: join(dir, 's3'),
    databasePath: join(dir, 'athena', 'catalog.duckdb'),
  });
  engine.createTable({
    database: LAKE.database,
    table: LAKE.usageTable,
    bucket: BUCKET,
    prefix: PREFIX,
    columns: usageEventColumns,
    partitionKeys: [
      { name: 'dt', type: 'string' },
      { name: 'hour', type: 'string' },
    ],
  });
  const athena: Athena = {
    run: async (sql) => {
      const query = { database: LAKE.database, parameters: [], bytesScannedCutoff: undefined };
      return (await engine.run({ sql, ...query })).rows;
    },
  };
  let files = 0;
  const lake: LedgerLake = {
    nowMs: startMs,
    closedThrough: undefined,
    arrive(rows) {
      const [day = '', time = ''] = new Date(lake.nowMs).toISOString().split('T');
      const folder = join(dir, 's3', BUCKET, PREFIX, `dt=${day}`, `hour=${time.slice(0, 2)}`);
      files += 1;
      const cells = rows.map((row) => toRow(usageEventColumns, JSON.stringify(row)));
      writeFileAtomically(join(folder, `${files}.parquet`), toParquet(usageEventColumns, cells));
    },
    write: (reach = 'recent') =>
      writeLedger(
        {
          athena,
          closedMonths: { through: async () => lake.closedThrough },
          clock: { nowMs: () => lake.nowMs },
          location: 's3://lake/ledger/',
        },
        { reach, deadlineMs: Number.POSITIVE_INFINITY },
      ),
    ask: (sql) => athena.run(sql, 0),
    async close() {
      await engine.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return lake;
}

/** A call that ended well, of which nothing special is known. */
export const USAGE_EVENT: UsageEvent = {
  schema_version: USAGE_SCHEMA_VERSION,
  request_id: 'req_1',
  event_time_ms: Date.parse('2026-11-20T12:00:00Z'),
  outcome: 'ok',
  tenant_id: 'acme',
  team_id: 'search',
  project_id: 'web',
  virtual_key_id: 'vk_1',
  feature: null,
  cost_center: null,
  customer_id: null,
  user_id: null,
  use_case: null,
  session_id: null,
  tags: null,
  dialect: 'openai',
  model_alias: 'small',
  model: 'gpt-5-mini',
  provider: 'openai',
  tier: 'shared',
  stream: true,
  status: 200,
  error_code: null,
  denied_dimension: null,
  denied_scope: null,
  input_tokens: 100,
  cached_input_tokens: 7,
  output_tokens: 10,
  reasoning_tokens: null,
  cost_nano_usd: 1_000,
  price_version: 'v1',
  held_nano_usd: 5_000,
  held_tokens: 500,
  estimated: false,
  attempts: 1,
  ttft_ms: 5,
  duration_ms: 50,
  overhead_ms: 2,
  policy_version: 1,
  period: '2026-11',
  ...NO_USAGE_DETAIL,
  ...UNSAID,
  soft_limits_crossed: null,
  attempt_id: 'req_1/1',
  trace_id: null,
  pool: 'openai',
  fallback_from: null,
};

/** What the reaper books for a call whose process died. */
export const EXPIRED_EVENT: UsageEvent = {
  ...USAGE_EVENT,
  outcome: 'expired',
  status: 0,
  model: null,
  provider: null,
  tier: 'unknown',
  input_tokens: 400,
  cached_input_tokens: 0,
  output_tokens: 100,
  cost_nano_usd: 5_000,
  estimated: true,
  attempts: 0,
  ttft_ms: null,
  duration_ms: 0,
  overhead_ms: null,
};
