/**
 * Anthropic's cost report: pages of `GET /v1/organizations/cost_report` (Admin API reference, "Get cost report":
 * buckets of a day, amounts as decimal texts in cents), one page or a list of them.
 */
import * as z from 'zod/mini';
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

const name = z.nullish(z.string());
const pageSchema = z.object({
  data: z.array(
    z.object({
      starting_at: z.string(),
      ending_at: z.string(),
      results: z.array(
        z.object({
          amount: z.string(),
          currency: z.string(),
          description: name,
          model: name,
          workspace_id: name,
        }),
      ),
    }),
  ),
  has_more: z.boolean(),
});

const CENTS = 7;
const DAY_MS = 86_400_000;

export function anthropicCostReport(
  json: unknown,
  lineOf: (bucket: number) => number | null,
): Invoice | RefusedInvoice {
  const parsed = z.array(pageSchema).safeParse(Array.isArray(json) ? json : [json]);
  if (!parsed.success)
    return refused(
      parsed.error.issues.map(({ path, message }) => ({
        line: typeof path[2] === 'number' ? lineOf(path[2]) : null,
        message: `${path.slice(1).join('.')}: ${message}`,
      })),
    );
  if (parsed.data.at(-1)?.has_more === true)
    return refused([{ line: null, message: 'the last page says has_more: pages are missing' }]);
  const problems: Problem[] = [];
  const lines: InvoiceLine[] = [];
  const days = new Set<string>();
  const buckets = parsed.data.flatMap(({ data }) => data);
  for (const [index, { starting_at, ending_at, results }] of buckets.entries()) {
    const tell = (message: string) => problems.push({ line: lineOf(index), message });
    const day = dayOf(starting_at, ending_at);
    if (day === undefined) {
      tell('a bucket is not one day of UTC');
      continue;
    }
    if (days.has(day)) tell(`the day ${day} comes twice`);
    days.add(day);
    for (const { amount, currency, description, model, workspace_id } of results) {
      const decimal = currency === 'USD' ? parseDecimal(amount) : undefined;
      const nanoUsd = decimal === undefined ? undefined : toNano(decimal, CENTS);
      if (nanoUsd === undefined)
        tell(`'${amount.slice(0, 40)} ${currency.slice(0, 10)}' is no amount in USD`);
      else
        lines.push({
          day,
          nanoUsd,
          item: model ?? description ?? null,
          account: workspace_id ?? null,
        });
    }
  }
  return problems.length > 0
    ? refused(problems)
    : invoiceOf('anthropic-cost-report', { lines, days: [...days], ignored: 0 });
}

function dayOf(startingAt: string, endingAt: string): string | undefined {
  const day = startingAt.slice(0, 10);
  const start = Date.parse(startingAt);
  const isWhole = isDay(day) && start === Date.parse(`${day}T00:00:00Z`);
  return isWhole && Date.parse(endingAt) - start === DAY_MS ? day : undefined;
}
