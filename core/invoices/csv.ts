/** CSV by RFC 4180, with the line of the file on which each record begins. */
import type { Problem } from './invoice.ts';

export interface CsvRecord {
  readonly line: number;
  /** The cell under a column's name; empty where the record is too short. */
  get(column: string): string;
}

export type Csv =
  | {
      readonly kind: 'csv';
      readonly columns: readonly string[];
      readonly records: readonly CsvRecord[];
    }
  | { readonly kind: 'broken'; readonly problem: Problem };

export function parseCsv(text: string): Csv {
  const table = split(text.replace(/^\uFEFF/, ''));
  if (!Array.isArray(table)) return { kind: 'broken', problem: table };
  const [header, ...rows] = table.filter(({ cells }) => cells.length > 1 || cells[0] !== '');
  const columns = header?.cells.map((name) => name.trim()) ?? [];
  const records: CsvRecord[] = [];
  for (const { line, cells } of rows) {
    if (cells.length !== columns.length) {
      const message = `${cells.length} cells, but the header has ${columns.length}`;
      return { kind: 'broken', problem: { line, message } };
    }
    records.push({ line, get: (column) => cells[columns.indexOf(column)] ?? '' });
  }
  return { kind: 'csv', columns, records };
}

interface Row {
  readonly line: number;
  readonly cells: string[];
}

const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\r|$)/y;

function split(text: string): Row[] | Problem {
  const rows: Row[] = [];
  let row: Row = { line: 1, cells: [] };
  let line = 1;
  CELL.lastIndex = 0;
  while (CELL.lastIndex < text.length || row.cells.length > 0) {
    const match = CELL.exec(text);
    if (match === null)
      return { line, message: 'a quotation mark is not closed, or stands inside a cell' };
    const [all, quoted, plain = '', end] = match;
    row.cells.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += all.split(/\r\n|\r|\n/).length - 1;
    if (end === ',') continue;
    rows.push(row);
    row = { line, cells: [] };
    if (CELL.lastIndex >= text.length) break;
  }
  return rows;
}
