import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type {
  DuckDBConnection,
  DuckDBInstance,
  DuckDBPreparedStatement,
  DuckDBValue,
} from '@duckdb/node-api';
import { DUCKDB_TYPE, toDuckdb } from './athena-statements.ts';
import { type AthenaType, athenaText, athenaType } from './athena-values.ts';
import type { HiveColumn, TableSpec, ViewSpec } from './resources.ts';

/**
 * Runs Athena's SQL in DuckDB. Tables of Parquet files are read where they lie; Iceberg tables, which
 * only statements make and change, are tables of a DuckDB file.
 */
export interface AthenaEngine {
  createTable(spec: TableSpec): void;
  createView(spec: ViewSpec): void;
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
  `USE ${CATALOG}`,
  'CREATE OR REPLACE MACRO approx_percentile(x, p) AS approx_quantile(x, p)',
  'CREATE OR REPLACE MACRO approx_distinct(x) AS approx_count_distinct(x)',
  "CREATE OR REPLACE MACRO date_format(ts, f) AS strftime(ts, replace(replace(f, '%i', '%M'), '%s', '%S'))",
  "CREATE OR REPLACE MACRO format_datetime(ts, f) AS strftime(ts, replace(replace(replace(f, 'yyyy', '%Y'), 'MM', '%m'), 'dd', '%d'))",
  'CREATE OR REPLACE MACRO json_extract_scalar(j, p) AS json_extract_string(j, p)',
  'CREATE OR REPLACE MACRO from_utf8(b) AS try(decode(b))',
  'CREATE OR REPLACE MACRO from_unixtime(x) AS to_timestamp(x)',
  'CREATE OR REPLACE MACRO day_of_week(x) AS isodow(x)',
  'CREATE OR REPLACE MACRO element_at(m, k) AS m[k]',
  `CREATE OR REPLACE MACRO date_add(u, n, d) AS CASE u
     WHEN 'day' THEN d::TIMESTAMP + to_days(n::INT)
     WHEN 'hour' THEN d::TIMESTAMP + to_hours(n::BIGINT)
     WHEN 'month' THEN d::TIMESTAMP + to_months(n::INT) END`,
];

interface Open {
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
}

export function createAthenaEngine({ lakeDir, databasePath }: Places): AthenaEngine {
  const tables = new Map<string, TableSpec>();
  const views = new Map<string, ViewSpec>();
  /** The text of each view as it is in the database, so that only what has changed is written. */
  const made = new Map<string, string>();
  let opening: Promise<Open> | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  async function makeView(connection: DuckDBConnection, name: string, sql: string): Promise<void> {
    if (made.get(name) === sql) return;
    await connection.run(sql);
    made.set(name, sql);
  }

  async function prepareCatalog(connection: DuckDBConnection): Promise<void> {
    for (const [name, table] of tables) await makeView(connection, name, viewOf(lakeDir, table));
    for (const [name, view] of views) {
      await connection.run(`CREATE SCHEMA IF NOT EXISTS ${CATALOG}.${identifier(view.database)}`);
      await connection.run(`USE ${CATALOG}.${identifier(view.database)}`);
      const sql = `CREATE OR REPLACE VIEW ${identifier(view.view)} AS ${view.sql}`;
      // A view of a table that no statement has made yet is not there either.
      await makeView(connection, name, sql).catch(() => undefined);
    }
  }

  async function runNext(query: EngineQuery): Promise<EngineResult> {
    opening ??= open({ lakeDir, databasePath });
    const { connection } = await opening;
    await prepareCatalog(connection);
    await connection.run(`USE ${CATALOG}.${identifier(query.database ?? 'main')}`);
    const bytesScanned = scanSize(lakeDir, query.sql, tables);
    if (bytesScanned > (query.bytesScannedCutoff ?? Number.POSITIVE_INFINITY)) {
      throw new ScanLimitExceeded('Query cancelled! Bytes scanned limit was exceeded');
    }
    const statements = toDuckdb(query.sql);
    if (statements === undefined) {
      // What is no SQL at all is told so first.
      await connection.extractStatements(query.sql);
      throw new Error(NOT_SUPPORTED);
    }
    if (statements.kind === 'write') {
      for (const sql of statements.sql) await (await prepareOne(connection, sql, 'write')).run();
      return { columns: [], rows: [], bytesScanned };
    }
    const statement = await prepareOne(connection, statements.sql, 'read');
    statement.bind(query.parameters.map(literalValue));
    return { ...(await resultOf(statement)), bytesScanned };
  }

  return {
    createTable(spec) {
      tables.set(`${spec.database}.${spec.table}`, spec);
    },
    createView(spec) {
      views.set(`${spec.database}.${spec.view}`, spec);
    },
    run(query) {
      const result = queue.then(() => runNext(query));
      queue = result.catch(() => undefined);
      return result;
    },
    async close() {
      await queue;
      const opened = await opening;
      opened?.connection.closeSync();
      opened?.instance.closeSync();
    },
  };
}

interface Places {
  readonly lakeDir: string;
  /** The DuckDB file of the Iceberg tables. */
  readonly databasePath: string;
}

/** DuckDB is loaded at the first query: most runs of the local system never need its 90 MB. */
async function open({ lakeDir, databasePath }: Places): Promise<Open> {
  const { DuckDBInstance: Instance } = await import('@duckdb/node-api');
  const instance = await Instance.create(':memory:');
  const connection = await instance.connect();
  mkdirSync(dirname(databasePath), { recursive: true });
  await connection.run(`ATTACH ${text(resolve(databasePath))} AS ${CATALOG}`);
  for (const statement of DIALECT) await connection.run(statement);
  // From here on a query sees the lake and nothing else of the machine.
  await connection.run(`SET allowed_directories = [${text(`${resolve(lakeDir)}/`)}]`);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
  return { instance, connection };
}

/** The typed empty table gives the columns that no file has yet, and stands alone while there is no file. */
function viewOf(lakeDir: string, spec: TableSpec): string {
  const { database, table, columns, partitionKeys } = spec;
  const all = [...columns, ...partitionKeys];
  const empty = `SELECT ${all.map(({ name, type }) => `NULL::${DUCKDB_TYPE[type]} AS ${identifier(name)}`).join(', ')} WHERE false`;
  const source =
    filesOf(lakeDir, spec).length > 0
      ? `SELECT * FROM ${rowsOfFiles(lakeDir, spec)} UNION ALL BY NAME ${empty}`
      : empty;
  return `CREATE SCHEMA IF NOT EXISTS ${CATALOG}.${identifier(database)};
    CREATE OR REPLACE VIEW ${CATALOG}.${identifier(database)}.${identifier(table)} AS
    SELECT ${all.map(({ name }) => identifier(name)).join(', ')} FROM (${source})`;
}

function rowsOfFiles(lakeDir: string, spec: TableSpec): string {
  const types = spec.partitionKeys.map(
    ({ name, type }: HiveColumn) => `${text(name)}: ${DUCKDB_TYPE[type]}`,
  );
  const partitions =
    types.length === 0 ? '' : `, hive_partitioning = true, hive_types = {${types.join(', ')}}`;
  const folder = join(folderOf(lakeDir, spec), '**');
  if (spec.format === 'json')
    return jsonRows(spec, `read_ndjson_objects(${text(join(folder, '*'))}${partitions})`);
  return `read_parquet(${text(join(folder, '*.parquet'))}, union_by_name = true${partitions})`;
}

/** Athena reads the names of JSON fields in any case, and DuckDB as they are. */
function jsonRows({ columns, partitionKeys }: TableSpec, objects: string): string {
  const fields = 'list_transform(json_keys(json), lambda name: {k: lower(name), v: json ->> name})';
  const cells = columns.map(
    ({ name, type }) => `fields[${text(name)}]::${DUCKDB_TYPE[type]} AS ${identifier(name)}`,
  );
  const keys = partitionKeys.map(({ name }) => identifier(name));
  const read = `SELECT *, map_from_entries(${fields}) AS fields FROM ${objects}`;
  return `(SELECT ${[...cells, ...keys].join(', ')} FROM (${read}))`;
}

function folderOf(lakeDir: string, { bucket, prefix }: TableSpec): string {
  return resolve(lakeDir, bucket, prefix);
}

function filesOf(lakeDir: string, spec: TableSpec): string[] {
  const folder = folderOf(lakeDir, spec);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && (spec.format === 'json' || file.name.endsWith('.parquet')))
    .map(({ parentPath, name }) => join(parentPath, name));
}

function scanSize(lakeDir: string, sql: string, tables: ReadonlyMap<string, TableSpec>): number {
  return [...tables.values()]
    .filter(({ table }) => new RegExp(`\\b${table}\\b`, 'i').test(sql))
    .flatMap((spec) => filesOf(lakeDir, spec))
    .reduce((sum, path) => sum + statSync(path).size, 0);
}

/** Of the right type, whatever its first word was. */
async function prepareOne(
  connection: DuckDBConnection,
  sql: string,
  kind: 'read' | 'write',
): Promise<DuckDBPreparedStatement> {
  const { StatementType } = await import('@duckdb/node-api');
  const { SELECT, INSERT, MERGE_INTO, CREATE, ALTER } = StatementType;
  const allowed: readonly number[] =
    kind === 'read' ? [SELECT] : [INSERT, MERGE_INTO, CREATE, ALTER];
  const statements = await connection.extractStatements(sql);
  if (statements.count !== 1) throw new Error('Only one sql statement is allowed.');
  const statement = await statements.prepare(0);
  if (allowed.includes(statement.statementType)) return statement;
  throw new Error(NOT_SUPPORTED);
}

const NOT_SUPPORTED = 'NOT_SUPPORTED: not available locally';

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
