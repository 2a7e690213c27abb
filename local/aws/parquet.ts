import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import type { HiveColumn, HiveType } from './resources.ts';

type Cell = string | bigint | number | boolean | null;
export type Row = readonly Cell[];

const PARQUET_TYPE = {
  string: 'STRING',
  bigint: 'INT64',
  int: 'INT32',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
} as const satisfies Record<HiveType, string>;

/** A Parquet file in memory, Snappy-compressed, every column nullable. */
export function toParquet(columns: readonly HiveColumn[], rows: readonly Row[]): Uint8Array {
  const columnData = columns.map(
    ({ name, type }, index): ColumnSource => ({
      name,
      type: PARQUET_TYPE[type],
      nullable: true,
      data: rows.map((row) => row[index] ?? null),
    }),
  );
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}

/** Reads one JSON record against the columns: unknown fields are left out, absent ones are null. Throws on what does not fit. */
export function toRow(columns: readonly HiveColumn[], json: string): Row {
  const fields: unknown = JSON.parse(json);
  if (!isObject(fields)) throw new TypeError('a record is a JSON object');
  return columns.map(({ name, type }) => toCell(fields[name], name, type));
}

/** By hand: this runs for every record, and a schema's check of some forty fields took half the delivery's time. */
function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toCell(value: unknown, name: string, type: HiveType): Cell {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : JSON.stringify(value);
    case 'boolean':
      if (typeof value === 'boolean') return value;
      break;
    case 'bigint':
      if (Number.isSafeInteger(value)) return BigInt(Number(value));
      break;
    case 'int':
      if (Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31) return Number(value);
      break;
    case 'double':
      if (typeof value === 'number') return value;
      break;
  }
  throw new TypeError(`column ${name} is ${type}, not ${JSON.stringify(value)}`);
}
