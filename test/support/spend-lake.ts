/** A ledger with given bookings, the views and the reference tables over it, and the named queries on the local Athena engine. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  REFERENCE_TABLES,
  type ReferenceRow,
  referencePrefix,
} from '../../core/chargeback/reference-tables.ts';
import { createLedger, ledgerColumns } from '../../core/ledger/ledger-table.ts';
import { LAKE } from '../../core/names.ts';
import { type Column, type UsageEvent, usageEventColumns } from '../../core/usage/event.ts';
import { readNamedQueries } from '../../lib/constructs/usage-queries.ts';
import { readViews } from '../../lib/constructs/usage-views.ts';
import { createAthenaEngine, type EngineResult } from '../../local/aws/athena-engine.ts';
import { writeFileAtomically } from '../../local/aws/files.ts';
import { toParquet, toRow } from '../../local/aws/parquet.ts';
import { USAGE_EVENT } from './ledger-lake.ts';

/** A row of the ledger; what is left out is as in {@link USAGE_EVENT}, booked in the month of its call. */
export type Booking = Partial<{ [Column in keyof UsageEvent]: UsageEvent[Column] | null }> & {
  readonly entry_id: string;
  readonly entry_kind?: 'call' | 'correction' | 'adjustment';
  readonly booked_period?: string;
  readonly reason?: string;
};

export interface SpendLake {
  /** The day that `current_date` is in the questions. */
  readonly today: string;
  book(bookings: readonly Booking[]): Promise<void>;
  run(sql: string): Promise<EngineResult>;
  /** A named query's answer, as Athena prints values. */
  ask(name: string): Promise<readonly Readonly<Record<string, string | undefined>>[]>;
  /** Replaces a reference table. */
  refer(table: keyof typeof REFERENCE_TABLES, rows: readonly ReferenceRow[]): void;
  /** Where files of raw usage lie, in folders by arrival. */
  readonly usageDir: string;
  close(): Promise<void>;
}

const BUCKET = 'lake';

export async function createSpendLake(today: string): Promise<SpendLake> {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-spend-'));
  const lakeDir = join(dir, 's3');
  const databasePath = join(dir, 'athena', 'catalog.duckdb');
  const engine = createAthenaEngine({ lakeDir, databasePath });
  const database = LAKE.database;
  for (const { name, sql } of readViews()) engine.createView({ database, view: name, sql });
  for (const [table, { columns }] of Object.entries(REFERENCE_TABLES)) {
    const place = { bucket: BUCKET, prefix: referencePrefix(table), partitionKeys: [] };
    engine.createTable({ database, table, columns, ...place });
  }
  const usageDir = join(lakeDir, BUCKET, 'usage');
  const arrival = { bucket: BUCKET, prefix: 'usage/', columns: usageEventColumns };
  const partitionKeys = ['dt', 'hour'].map((name): Column => ({ name, type: 'string' }));
  engine.createTable({ database, table: LAKE.usageTable, ...arrival, partitionKeys });
  const run = (sql: string) =>
    engine.run({
      sql: sql.replaceAll('current_date', `date '${today}'`),
      database,
      parameters: [],
      bytesScannedCutoff: undefined,
    });
  // The schema comes with the first table that is described.
  await run('select 1 from budgets');
  await run(createLedger('s3://lake/ledger/'));
  return {
    today,
    usageDir,
    run,
    async book(bookings) {
      const rows = bookings.map((booking) => {
        const period = booking.period ?? USAGE_EVENT.period;
        const entry = {
          ...USAGE_EVENT,
          request_id: booking.entry_id,
          entry_kind: 'call',
          booked_at_ms: USAGE_EVENT.event_time_ms,
          booked_period: period,
          reason: null,
          ...booking,
        };
        return `(${ledgerColumns.map(({ name }) => literal(Reflect.get(entry, name))).join(', ')})`;
      });
      await run(`INSERT INTO ${LAKE.ledgerTable} VALUES ${rows.join(', ')}`);
    },
    async ask(name) {
      const query = readNamedQueries().find((candidate) => candidate.name === name);
      if (query === undefined) throw new Error(`no query ${name}`);
      const { columns, rows } = await run(query.sql);
      return rows.map((row) =>
        Object.fromEntries(columns.map((column, index) => [column.name, row[index]])),
      );
    },
    refer(table, rows) {
      const { columns } = REFERENCE_TABLES[table];
      const cells = rows.map((row) => toRow(columns, JSON.stringify(row)));
      const path = join(lakeDir, BUCKET, referencePrefix(table), 'current.parquet');
      writeFileAtomically(path, toParquet(columns, cells));
    },
    async close() {
      await engine.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}
