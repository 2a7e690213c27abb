/**
 * OpenAI's costs: pages of `GET /v1/organization/costs` (API reference, "Costs": buckets of a day, amounts in
 * dollars), one page or a list of them; or the CSV that the usage page of the platform exports.
 */
import * as z from 'zod/mini';
import { parseCsv } from './csv.ts';
import { parseDecimal, toNano } from './decimal.ts';
import {
  type Invoice,
  type InvoiceLine,
  invoiceOf,
  type Problem,
  type RefusedInvoice,
  refused,
} from './invoice.ts';

const DAY_SECONDS = 86_400;

const name = z.nullish(z.string());
const bucketSchema = z.object({
  start_time: z.int(),
  end_time: z.int(),
  results: z.array(
    z.object({
      amount: z.object({ value: z.union([z.number(), z.string()]), currency: z.string() }),
      line_item: name,
      project_id: name,
      api_key_id: name,
    }),
  ),
});
const pageSchema = z.object({
  object: z.literal('page'),
  data: z.array(bucketSchema),
  has_more: z.boolean(),
});

/** `lineOf` gives the line of the file for the place of a value in it. */
export function openAiCosts(
  json: unknown,
  lineOf: (bucket: number) => number | null,
): Invoice | RefusedInvoice {
  const parsed = z.array(pageSchema).safeParse(Array.isArray(json) ? json : [json]);
  if (!parsed.success) return refused(parsed.error.issues.map((issue) => problemOf(issue, lineOf)));
  if (parsed.data.at(-1)?.has_more === true)
    return refused([{ line: null, message: 'the last page says has_more: pages are missing' }]);
  const buckets = parsed.data.flatMap(({ data }) => data);
  const problems: Problem[] = [];
  const lines: InvoiceLine[] = [];
  const days = new Set<string>();
  for (const [index, { start_time, end_time, results }] of buckets.entries()) {
    const tell = (message: string) => problems.push({ line: lineOf(index), message });
    const day = dayOf(start_time, end_time);
    if (day === undefined) {
      tell('a bucket is not one day of UTC');
      continue;
    }
    if (days.has(day)) tell(`the day ${day} comes twice`);
    days.add(day);
    for (const { amount, line_item, project_id, api_key_id } of results) {
      const nanoUsd = amountOf(String(amount.value), amount.currency);
      if (typeof nanoUsd === 'string') tell(nanoUsd);
      else
        lines.push({
          day,
          nanoUsd,
          item: line_item ?? null,
          account: api_key_id ?? project_id ?? null,
        });
    }
  }
  return problems.length > 0
    ? refused(problems)
    : invoiceOf('openai-costs', { lines, days: [...days], ignored: 0 });
}

const NEEDED = ['start_time', 'end_time', 'amount_value', 'amount_currency'] as const;

/** The columns that a cost export had in 2025 and 2026; groupings add more, and a day without costs has no amount. */
export function openAiCostsCsv(text: string): Invoice | RefusedInvoice {
  const csv = parseCsv(text);
  if (csv.kind === 'broken') return refused([csv.problem]);
  const missing = NEEDED.filter((column) => !csv.columns.includes(column));
  if (missing.length > 0)
    return refused([{ line: 1, message: `columns are missing: ${missing.join(', ')}` }]);
  const problems: Problem[] = [];
  const lines: InvoiceLine[] = [];
  const days = new Set<string>();
  const seen = new Map<string, number>();
  for (const record of csv.records) {
    const { line } = record;
    const day = dayOf(Number(record.get('start_time')), Number(record.get('end_time')));
    if (day === undefined) {
      problems.push({ line, message: 'start_time and end_time are not one day of UTC' });
      continue;
    }
    days.add(day);
    if (record.get('amount_value') === '') continue;
    const nanoUsd = amountOf(record.get('amount_value'), record.get('amount_currency'));
    const group = csv.columns
      .filter((column) => !AMOUNTS.has(column))
      .map((column) => record.get(column));
    const first = seen.get(JSON.stringify(group));
    seen.set(JSON.stringify(group), line);
    if (typeof nanoUsd === 'string') problems.push({ line, message: nanoUsd });
    else if (first !== undefined) problems.push({ line, message: `repeats line ${first}` });
    else {
      const account = record.get('api_key_id') || record.get('project_id') || null;
      lines.push({ day, nanoUsd, item: record.get('line_item') || null, account });
    }
  }
  return problems.length > 0
    ? refused(problems)
    : invoiceOf('openai-costs', { lines, days: [...days], ignored: 0 });
}

const AMOUNTS: ReadonlySet<string> = new Set(['amount_value', 'quantity']);

function dayOf(startSeconds: number, endSeconds: number): string | undefined {
  const isDay = startSeconds > 0 && startSeconds % DAY_SECONDS === 0;
  if (!isDay || endSeconds - startSeconds !== DAY_SECONDS) return undefined;
  return new Date(startSeconds * 1000).toISOString().slice(0, 10);
}

/** Nano-dollars, or what is wrong. */
function amountOf(value: string, currency: string): number | string {
  if (currency.toLowerCase() !== 'usd') return `the currency is '${currency}', not usd`;
  const decimal = parseDecimal(value);
  const nano = decimal === undefined ? undefined : toNano(decimal);
  return nano ?? `'${value.slice(0, 40)}' is no amount`;
}

function problemOf(
  { path, message }: z.core.$ZodIssue,
  lineOf: (bucket: number) => number | null,
): Problem {
  const bucket = path[1] === 'data' ? path[2] : undefined;
  const line = typeof bucket === 'number' ? lineOf(bucket) : null;
  return { line, message: `${path.slice(1).join('.')}: ${message}` };
}
