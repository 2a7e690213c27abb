/**
 * The cost of servers of our own, as CSV with the columns `day`, `gpu_hours`, `usd_per_gpu_hour` and, where wanted,
 * `item`: models that run there have no invoice, so their hours are spread over who used them, by tokens.
 */
import { parseCsv } from './csv.ts';
import { multiply, parseDecimal, toNano } from './decimal.ts';
import {
  type Invoice,
  type InvoiceLine,
  invoiceOf,
  isDay,
  type Problem,
  type RefusedInvoice,
  refused,
} from './invoice.ts';

const NEEDED = ['day', 'gpu_hours', 'usd_per_gpu_hour'] as const;

export function gpuHours(text: string): Invoice | RefusedInvoice {
  const csv = parseCsv(text);
  if (csv.kind === 'broken') return refused([csv.problem]);
  const missing = NEEDED.filter((column) => !csv.columns.includes(column));
  if (missing.length > 0)
    return refused([{ line: 1, message: `columns are missing: ${missing.join(', ')}` }]);
  const problems: Problem[] = [];
  const lines: InvoiceLine[] = [];
  const seen = new Map<string, number>();
  for (const record of csv.records) {
    const { line } = record;
    const day = record.get('day');
    const hours = parseDecimal(record.get('gpu_hours'));
    const price = parseDecimal(record.get('usd_per_gpu_hour'));
    const nanoUsd =
      hours === undefined || price === undefined ? undefined : toNano(multiply(hours, price));
    const item = record.get('item') || null;
    const name = JSON.stringify([day, item]);
    const first = seen.get(name);
    seen.set(name, line);
    if (!isDay(day)) problems.push({ line, message: `'${day.slice(0, 40)}' is no day` });
    else if (first !== undefined) problems.push({ line, message: `repeats line ${first}` });
    else if (nanoUsd === undefined || nanoUsd < 0)
      problems.push({ line, message: 'gpu_hours and usd_per_gpu_hour are no amount' });
    else lines.push({ day, nanoUsd, item, account: null });
  }
  if (problems.length > 0) return refused(problems);
  return invoiceOf('gpu-hours', { lines, days: lines.map(({ day }) => day), ignored: 0 });
}
