/** How Athena names types and prints values; the input is DuckDB's. */
import type { DuckDBValue } from '@duckdb/node-api';

export interface AthenaType {
  readonly type: string;
  readonly precision: number;
  readonly scale: number;
}

const NAMES: Readonly<Record<string, string>> = {
  // DuckDB's sum of bigint; Trino's stays a bigint.
  HUGEINT: 'bigint',
  FLOAT: 'float',
};
const PRECISION: Readonly<Record<string, number>> = { bigint: 19, integer: 10, double: 17 };
const MAX_VARCHAR = 2_147_483_647;

export function athenaType(duckdbType: string): AthenaType {
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(duckdbType) ?? [];
  if (precision !== undefined) {
    return { type: 'decimal', precision: Number(precision), scale: Number(scale) };
  }
  const type =
    NAMES[duckdbType] ?? (duckdbType.endsWith('[]') ? 'array' : duckdbType.toLowerCase());
  return { type, precision: type === 'varchar' ? MAX_VARCHAR : (PRECISION[type] ?? 0), scale: 0 };
}

/** Undefined for null. */
export function athenaText(value: DuckDBValue, type: string): string | undefined {
  if (value === null) return undefined;
  if (typeof value === 'number' && (type === 'double' || type === 'float'))
    return doubleText(value);
  const text = String(value);
  if (type === 'timestamp') return milliseconds(text);
  if (type === 'timestamp with time zone') return `${milliseconds(text.replace(/\+00$/, ''))} UTC`;
  return text;
}

/** As Java prints doubles: always a fraction, and an exponent from 10 million on and below a thousandth. */
function doubleText(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const isPlain = size === 0 || (size >= 1e-3 && size < 1e7);
  if (isPlain) return Number.isInteger(value) ? `${value}.0` : String(value);
  const [mantissa = '', exponent = ''] = value.toExponential().split('e');
  return `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}E${Number(exponent)}`;
}

function milliseconds(text: string): string {
  const [seconds = '', fraction = ''] = text.split('.');
  return `${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}`;
}
