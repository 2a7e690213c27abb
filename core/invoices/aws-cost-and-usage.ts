/**
 * AWS's cost and usage report 2.0 as CSV (Data Exports, "Line item columns"), of which the lines of Amazon Bedrock
 * count: models of AWS under its own product code, models of others through the marketplace, which names them
 * "(Amazon Bedrock Edition)". Taxes are no usage and are passed over, credits and discounts are not.
 */
import { type CsvRecord, parseCsv } from './csv.ts';
import { parseDecimal, toNano } from './decimal.ts';
import {
  type Invoice,
  type InvoiceLine,
  invoiceOf,
  isDay,
  type Problem,
  type RefusedInvoice,
  refused,
} from './invoice.ts';

const NEEDED = [
  'line_item_usage_start_date',
  'line_item_product_code',
  'line_item_line_item_type',
  'line_item_usage_type',
  'line_item_unblended_cost',
  'line_item_currency_code',
] as const;

/** Where a line says what it is about; not every export has all of them. */
const NAMES = [
  'line_item_product_code',
  'product_product_name',
  'product_servicecode',
  'product',
  'line_item_line_item_description',
] as const;

/** All that is read of a report. */
export const REPORT_COLUMNS: readonly string[] = [
  ...new Set([
    ...NEEDED,
    ...NAMES,
    'line_item_resource_id',
    'line_item_usage_account_id',
    'identity_line_item_id',
    'identity_time_interval',
  ]),
];

export function awsCostAndUsage(text: string): Invoice | RefusedInvoice {
  const csv = parseCsv(text);
  if (csv.kind === 'broken') return refused([csv.problem]);
  const missing = NEEDED.filter((column) => !csv.columns.includes(column));
  if (missing.length > 0)
    return refused([{ line: 1, message: `columns are missing: ${missing.join(', ')}` }]);
  const problems: Problem[] = [];
  const lines: InvoiceLine[] = [];
  const seen = new Map<string, number>();
  let ignored = 0;
  for (const record of csv.records) {
    if (!isBedrock(record)) {
      ignored += 1;
      continue;
    }
    const read = readLine(record, seen);
    if (typeof read === 'string') problems.push({ line: record.line, message: read });
    else lines.push(read);
  }
  if (problems.length > 0) return refused(problems);
  if (lines.length === 0)
    return refused([{ line: null, message: 'no line is about Amazon Bedrock' }]);
  const days = [...new Set(lines.map(({ day }) => day))];
  return invoiceOf('aws-cost-and-usage', { lines, days, ignored });
}

function isBedrock(record: CsvRecord): boolean {
  if (record.get('line_item_line_item_type') === 'Tax') return false;
  return NAMES.some((column) => /bedrock/i.test(record.get(column)));
}

/** The line, or what is wrong with it. */
function readLine(record: CsvRecord, seen: Map<string, number>): InvoiceLine | string {
  // An hour belongs to its day, whether the export is by the hour or by the day.
  const day = record.get('line_item_usage_start_date').slice(0, 10);
  if (!isDay(day)) return `'${day}' is no day`;
  const currency = record.get('line_item_currency_code');
  if (currency !== 'USD') return `the currency is '${currency}', not USD`;
  const cost = record.get('line_item_unblended_cost');
  const decimal = parseDecimal(cost);
  const nanoUsd = decimal === undefined ? undefined : toNano(decimal);
  if (nanoUsd === undefined) return `'${cost.slice(0, 40)}' is no amount`;
  const id = record.get('identity_line_item_id');
  // The same item has one line for each interval of the report.
  const name = `${id} ${record.get('identity_time_interval')} ${record.get('line_item_usage_start_date')}`;
  const first = id === '' ? undefined : seen.get(name);
  if (first !== undefined) return `repeats line ${first}`;
  seen.set(name, record.line);
  const account =
    record.get('line_item_resource_id') || record.get('line_item_usage_account_id') || null;
  return { day, nanoUsd, item: record.get('line_item_usage_type') || null, account };
}
