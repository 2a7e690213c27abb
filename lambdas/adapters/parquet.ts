/** Tables as Parquet files in memory, Snappy-compressed, every column nullable. */
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import type { Column, ColumnType } from '../../core/usage/event.ts';

type Cell = string | bigint | boolean | null;

const PARQUET_TYPE = {
  string: 'STRING',
  bigint: 'INT64',
  boolean: 'BOOLEAN',
} as const satisfies Record<ColumnType, string>;

export function toParquet(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): Uint8Array {
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
