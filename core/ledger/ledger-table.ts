/**
 * The ledger: what finance adds up. Rows are inserted and never changed, so a sum over it needs no
 * de-duplication. Decides the table's columns and the SQL that makes them; runs nothing.
 * - `call`: the first copy of a request that arrived.
 * - `correction`: two rows when a better copy arrives: one takes back what stands, one books the better copy.
 * - `adjustment`: booked by a person, or by the comparison with a provider's invoice; it has no request.
 */
import { LAKE } from '../names.ts';
import { type Column, usageEventColumns } from '../usage/event.ts';

/** Shorter than the period it names, the month that finance sees a row in: `booked_period` is later where that was closed. */
const ENTRY_COLUMNS: readonly Column[] = [
  { name: 'entry_id', type: 'string' },
  { name: 'entry_kind', type: 'string' },
  { name: 'booked_period', type: 'string' },
  { name: 'booked_at_ms', type: 'bigint' },
  /** Of corrections and adjustments. */
  { name: 'reason', type: 'string' },
];

export const LEDGER_PARTITION = 'booked_period';

export const ledgerColumns: readonly Column[] = [...ENTRY_COLUMNS, ...usageEventColumns];

/** Athena's own words, because CloudFormation cannot update an Iceberg table without breaking it (ADR 0015). */
export function createLedger(location: string): string {
  return `CREATE TABLE IF NOT EXISTS ${LAKE.ledgerTable} (
${ledgerColumns.map(({ name, type }) => `  ${name} ${type}`).join(',\n')}
)
PARTITIONED BY (${LEDGER_PARTITION})
LOCATION '${location}'
TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet', 'write_compression' = 'zstd')`;
}

/** One column's name a row. */
export const READ_LEDGER_COLUMNS = `SHOW COLUMNS IN ${LAKE.ledgerTable}`;

/** The statement that gives an older ledger this code's columns; undefined when it has them. */
export function alignLedger(existing: readonly string[]): string | undefined {
  const missing = ledgerColumns.filter(({ name }) => !existing.includes(name));
  if (missing.length === 0) return undefined;
  const columns = missing.map(({ name, type }) => `${name} ${type}`).join(', ');
  return `ALTER TABLE ${LAKE.ledgerTable} ADD COLUMNS (${columns})`;
}

/** Small files of many runs become large ones, and what only old snapshots need goes. */
export const TIDY_LEDGER: readonly string[] = [
  `OPTIMIZE ${LAKE.ledgerTable} REWRITE DATA USING BIN_PACK`,
  `VACUUM ${LAKE.ledgerTable}`,
];
