import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DuckDBConnection, DuckDBPreparedStatement, DuckDBValue } from '@duckdb/node-api';
import { type AthenaType, athenaText, athenaType } from './athena-values.ts';
import type { HiveColumn, HiveType, TableSpec } from './resources.ts';

/** Runs Athena's SQL in DuckDB, over the tables' Parquet files where they lie. */
export interface AthenaEngine {
  createTable(spec: TableSpec): void;
  /** Queries run one after the other. Throws an Error whose message is for the user. */
  run(query: EngineQuery): Promise<EngineResult>;
  close(): Promise<void>;
}

interface EngineQuery {
  readonly sql: string;
  readonly database: string | undefined;
  /** SQL literals for the question marks, as Athena takes them. */
  readonly parameters: readonly string[];
  readonly bytesScannedCutoff: number | undefined;
}

export interface EngineResult {
  readonly columns: readonly (AthenaType & { readonly name: string })[];
  /** Undefined is null. */
  readonly rows: readonly (readonly (string | undefined)[])[];
  /** Size of the tables read: an upper bound, since DuckDB reads only the partitions and columns it needs. */
  readonly bytesScanned: number;
}

/** The query would read more than its workgroup allows. */
export class ScanLimitExceeded extends Error {}

const CATALOG = 'awsdatacatalog';

/** Trino's functions and rules where DuckDB's differ. Integer division truncates in Trino. */
const DIALECT = [
  'SET integer_division = true',
  "SET TimeZone = 'UTC'",
  `ATTACH ':memory:' AS ${CATALOG}`,
  `USE ${CATALOG}`,
  'CREATE MACRO approx_percentile(x, p) AS approx_quantile(x, p)',
  'CREATE MACRO approx_distinct(x) AS approx_count_distinct(x)',
  "CREATE MACRO date_format(ts, f) AS strftime(ts, replace(replace(f, '%i', '%M'), '%s', '%S'))",
  "CREATE MACRO format_datetime(ts, f) AS strftime(ts, replace(replace(replace(f, 'yyyy', '%Y'), 'MM', '%m'), 'dd', '%d'))",
  'CREATE MACRO json_extract_scalar(j, p) AS json_extract_string(j, p)',
  'CREATE MACRO from_unixtime(x) AS to_timestamp(x)',
  'CREATE MACRO day_of_week(x) AS isodow(x)',
  'CREATE MACRO element_at(m, k) AS m[k]',
  `CREATE MACRO date_add(u, n, d) AS CASE u
     WHEN 'day' THEN d::TIMESTAMP + to_days(n::INT)
     WHEN 'hour' THEN d::TIMESTAMP + to_hours(n::BIGINT)
     WHEN 'month' THEN d::TIMESTAMP + to_months(n::INT) END`,
];

const DUCKDB_TYPE = {
  string: 'VARCHAR',
  bigint: 'BIGINT',
  int: 'INTEGER',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
} as const satisfies Record<HiveType, string>;

export function createAthenaEngine(lakeDir: string): AthenaEngine {
  const tables = new Map<string, TableSpec>();
  let connecting: Promise<DuckDBConnection> | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  async function runNext(query: EngineQuery): Promise<EngineResult> {
    connecting ??= connect(lakeDir);
    const connection = await connecting;
    for (const table of tables.values()) await connection.run(viewOf(lakeDir, table));
    await connection.run(`USE ${CATALOG}.${identifier(query.database ?? 'main')}`);
    const bytesScanned = scanSize(lakeDir, query.sql, tables);
    if (bytesScanned > (query.bytesScannedCutoff ?? Number.POSITIVE_INFINITY)) {
      throw new ScanLimitExceeded('Query cancelled! Bytes scanned limit was exceeded');
    }
    const statement = await prepareRead(connection, query.sql);
    statement.bind(query.parameters.map(literalValue));
    return { ...(await resultOf(statement)), bytesScanned };
  }

  return {
    createTable(spec) {
      tables.set(`${spec.database}.${spec.table}`, spec);
    },
    run(query) {
      const result = queue.then(() => runNext(query));
      queue = result.catch(() => undefined);
      return result;
    },
    async close() {
      await queue;
      (await connecting)?.closeSync();
    },
  };
}

/** DuckDB is loaded at the first query: most runs of the local system never need its 90 MB. */
async function connect(lakeDir: string): Promise<DuckDBConnection> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  for (const statement of DIALECT) await connection.run(statement);
  // From here on a query sees the lake and nothing else of the machine.
  await connection.run(`SET allowed_directories = [${text(`${resolve(lakeDir)}/`)}]`);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
  return connection;
}

/** The typed empty table gives the columns that no file has yet, and stands alone while there is no file. */
function viewOf(lakeDir: string, spec: TableSpec): string {
  const { database, table, columns, partitionKeys } = spec;
  const all = [...columns, ...partitionKeys];
  const empty = `SELECT ${all.map(({ name, type }) => `NULL::${DUCKDB_TYPE[type]} AS ${identifier(name)}`).join(', ')} WHERE false`;
  const source = hasFiles(folderOf(lakeDir, spec))
    ? `SELECT * FROM ${parquetFiles(lakeDir, spec)} UNION ALL BY NAME ${empty}`
    : empty;
  return `CREATE SCHEMA IF NOT EXISTS ${CATALOG}.${identifier(database)};
    CREATE OR REPLACE VIEW ${CATALOG}.${identifier(database)}.${identifier(table)} AS
    SELECT ${all.map(({ name }) => identifier(name)).join(', ')} FROM (${source})`;
}

function parquetFiles(lakeDir: string, spec: TableSpec): string {
  const types = spec.partitionKeys.map(
    ({ name, type }: HiveColumn) => `${text(name)}: ${DUCKDB_TYPE[type]}`,
  );
  const partitions =
    types.length === 0 ? '' : `, hive_partitioning = true, hive_types = {${types.join(', ')}}`;
  const files = join(folderOf(lakeDir, spec), '**', '*.parquet');
  return `read_parquet(${text(files)}, union_by_name = true${partitions})`;
}

function folderOf(lakeDir: string, { bucket, prefix }: TableSpec): string {
  return resolve(lakeDir, bucket, prefix);
}

function hasFiles(folder: string): boolean {
  return parquetPaths(folder).length > 0;
}

function parquetPaths(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.parquet'))
    .map((path) => join(folder, path));
}

function scanSize(lakeDir: string, sql: string, tables: ReadonlyMap<string, TableSpec>): number {
  return [...tables.values()]
    .filter(({ table }) => new RegExp(`\\b${table}\\b`, 'i').test(sql))
    .flatMap((spec) => parquetPaths(folderOf(lakeDir, spec)))
    .reduce((sum, path) => sum + statSync(path).size, 0);
}

async function prepareRead(
  connection: DuckDBConnection,
  sql: string,
): Promise<DuckDBPreparedStatement> {
  const { StatementType } = await import('@duckdb/node-api');
  const withoutComments = sql.replace(/--[^\n]*|\/\*.*?\*\//gs, ' ');
  const isRead = /^[\s(]*(select|with|values)\b/i.test(withoutComments);
  const statements = await connection.extractStatements(sql);
  if (statements.count !== 1) throw new Error('Only one sql statement is allowed.');
  const statement = isRead ? await statements.prepare(0) : undefined;
  if (statement?.statementType === StatementType.SELECT) return statement;
  throw new Error('NOT_SUPPORTED: only SELECT is available locally');
}

function literalValue(literal: string): DuckDBValue {
  const [, quotedText] = /^'(.*)'$/s.exec(literal) ?? [];
  if (quotedText !== undefined) return quotedText.replaceAll("''", "'");
  if (/^-?\d+$/.test(literal)) return BigInt(literal);
  const number = Number(literal);
  return Number.isNaN(number) ? literal : number;
}

async function resultOf(
  statement: DuckDBPreparedStatement,
): Promise<Omit<EngineResult, 'bytesScanned'>> {
  const reader = await statement.runAndReadAll();
  const types = reader.columnTypes().map((type) => athenaType(String(type)));
  return {
    columns: reader
      .columnNames()
      .map((name, index) => ({ name, ...(types[index] ?? athenaType('')) })),
    rows: reader
      .getRows()
      .map((row) => row.map((value, index) => athenaText(value, types[index]?.type ?? 'varchar'))),
  };
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
