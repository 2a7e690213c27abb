/** Athena's statements in DuckDB's words: questions as they are, and those that make and change Iceberg tables. */
import type { HiveType } from './resources.ts';

export type DuckdbStatements =
  | { readonly kind: 'read'; readonly sql: string }
  | { readonly kind: 'write'; readonly sql: readonly string[] };

export const DUCKDB_TYPE = {
  string: 'VARCHAR',
  bigint: 'BIGINT',
  int: 'INTEGER',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
} as const satisfies Record<HiveType, string>;

/** Undefined where Athena could and DuckDB here cannot. */
export function toDuckdb(athenaSql: string): DuckdbStatements | undefined {
  const sql = athenaSql.replace(/--[^\n]*|\/\*.*?\*\//gs, ' ').trim();
  if (/^\(*\s*(select|with|values)\b/i.test(sql)) return { kind: 'read', sql: athenaSql };
  if (/^(merge|insert) into\b/i.test(sql)) return { kind: 'write', sql: [athenaSql] };
  // Files are DuckDB's own affair.
  if (/^(optimize|vacuum) \w+/i.test(sql)) return { kind: 'write', sql: [] };
  return columnsOf(sql) ?? created(sql) ?? altered(sql);
}

function columnsOf(sql: string): DuckdbStatements | undefined {
  const [, table] = /^show columns (?:in|from) (\w+)$/i.exec(sql) ?? [];
  if (table === undefined) return undefined;
  return {
    kind: 'read',
    sql: `SELECT column_name AS field FROM information_schema.columns
      WHERE table_schema = current_schema() AND table_name = '${table}' ORDER BY ordinal_position`,
  };
}

/** Partitions, location and properties have no meaning here. */
function created(sql: string): DuckdbStatements | undefined {
  const [, exists = '', table, columns = '', rest = ''] =
    /^create table (if not exists )?(\w+) \(([^()]*)\)(.*)$/is.exec(sql) ?? [];
  if (table === undefined || !/'table_type'\s*=\s*'ICEBERG'/i.test(rest)) return undefined;
  return { kind: 'write', sql: [`CREATE TABLE ${exists}${table} (${duckdbColumns(columns)})`] };
}

function altered(sql: string): DuckdbStatements | undefined {
  const [, table, columns] = /^alter table (\w+) add columns \(([^()]*)\)$/i.exec(sql) ?? [];
  if (columns === undefined) return undefined;
  return {
    kind: 'write',
    sql: columns.split(',').map((one) => `ALTER TABLE ${table} ADD COLUMN ${duckdbColumns(one)}`),
  };
}

function duckdbColumns(columns: string): string {
  return columns
    .split(',')
    .map((column) => {
      const [name = '', hive = ''] = column.trim().split(/\s+/);
      const type = Object.entries(DUCKDB_TYPE).find(([key]) => key === hive)?.[1];
      if (type === undefined) throw new Error(`NOT_SUPPORTED: columns of type ${hive}`);
      return `"${name}" ${type}`;
    })
    .join(', ');
}
