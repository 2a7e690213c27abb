/**
 * The reconciler's results: one row for each account and month that does not agree, one that sums up each
 * run, and at night one for every account. Decides the table's columns and its SQL; runs nothing.
 */
import { LAKE } from '../names.ts';
import type { Column } from '../usage/event.ts';
import { text } from './questions.ts';

const RESULTS_PARTITION = 'checked_day';

/** `check`: what was compared. `accounts` against ledger by month, `days` of accounts, `raw` against ledger, or the `run` as a whole. */
export interface ResultRow {
  readonly checked_day: string;
  readonly checked_at_ms: number;
  /** When the accounts were read. */
  readonly snapshot_at_ms: number | null;
  readonly check_kind: 'accounts' | 'days' | 'raw' | 'run';
  /** Key of the account; null for a run. */
  readonly scope: string | null;
  readonly period: string | null;
  readonly verdict: string;
  readonly settled_nano_usd: number;
  readonly ledger_nano_usd: number;
  readonly difference_nano_usd: number;
  readonly difference_input_tokens: number;
  readonly difference_output_tokens: number;
  readonly held_nano_usd: number;
  readonly settled_requests: number;
  readonly ledger_requests: number;
  readonly posted_calls: number;
  /** In words. */
  readonly explanation: string | null;
  /** JSON list of the requests that explain it. */
  readonly request_ids: string | null;
}

const TEXTS: ReadonlySet<keyof ResultRow> = new Set([
  'checked_day',
  'check_kind',
  'scope',
  'period',
  'verdict',
  'explanation',
  'request_ids',
]);

const NAMES = [
  'checked_day',
  'checked_at_ms',
  'snapshot_at_ms',
  'check_kind',
  'scope',
  'period',
  'verdict',
  'settled_nano_usd',
  'ledger_nano_usd',
  'difference_nano_usd',
  'difference_input_tokens',
  'difference_output_tokens',
  'held_nano_usd',
  'settled_requests',
  'ledger_requests',
  'posted_calls',
  'explanation',
  'request_ids',
] as const satisfies readonly (keyof ResultRow)[];

const resultColumns: readonly Column[] = NAMES.map((name) => ({
  name,
  type: TEXTS.has(name) ? 'string' : 'bigint',
}));

/** Athena's own words, as the ledger's (ADR 0011). */
export function createResults(location: string): string {
  return `CREATE TABLE IF NOT EXISTS ${LAKE.reconciliationTable} (
${resultColumns.map(({ name, type }) => `  ${name} ${type}`).join(',\n')}
)
PARTITIONED BY (${RESULTS_PARTITION})
LOCATION '${location}'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')`;
}

/** A statement of Athena is at most 262,144 bytes; a row with its explanation stays far below 1 KB of it. */
const ROWS_A_STATEMENT = 200;

export function insertResults(rows: readonly ResultRow[]): string[] {
  const statements: string[] = [];
  for (let from = 0; from < rows.length; from += ROWS_A_STATEMENT) {
    const values = rows.slice(from, from + ROWS_A_STATEMENT).map(valuesOf);
    statements.push(
      `INSERT INTO ${LAKE.reconciliationTable} (${NAMES.join(', ')})\nVALUES ${values.join(',\n')}`,
    );
  }
  return statements;
}

function valuesOf(row: ResultRow): string {
  const values = NAMES.map((name) => {
    const value = row[name];
    if (value === null) return TEXTS.has(name) ? 'CAST(NULL AS varchar)' : 'CAST(NULL AS bigint)';
    return typeof value === 'number' ? `CAST(${value} AS bigint)` : text(value);
  });
  return `(${values.join(', ')})`;
}

export const TIDY_RESULTS: readonly string[] = [
  `OPTIMIZE ${LAKE.reconciliationTable} REWRITE DATA USING BIN_PACK`,
  `VACUUM ${LAKE.reconciliationTable}`,
];
