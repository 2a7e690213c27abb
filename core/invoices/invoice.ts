/**
 * Providers' invoices: their own reports of what a day cost, as lines of one shape. Parsers read a file whole
 * or refuse it with the place; amounts are exact decimals, rounded once to a nano-dollar. Nothing here asks a
 * provider or books anything.
 */

/** What a provider says that one thing cost on one day. */
export interface InvoiceLine {
  /** UTC, `YYYY-MM-DD`: providers close their days there. */
  readonly day: string;
  /** Negative for a credit. */
  readonly nanoUsd: number;
  /** The provider's words for it: a model, a usage type. */
  readonly item: string | null;
  /** The provider's id of the key, project or workspace that it is charged to. */
  readonly account: string | null;
}

export type InvoiceFormat =
  | 'openai-costs'
  | 'anthropic-cost-report'
  | 'aws-cost-and-usage'
  | 'gpu-hours';

export interface Invoice {
  readonly kind: 'invoice';
  readonly format: InvoiceFormat;
  /** First and last day that it speaks of, whether or not anything was charged. */
  readonly fromDay: string;
  readonly toDay: string;
  readonly lines: readonly InvoiceLine[];
  /** Lines of the file that are about something else. */
  readonly ignored: number;
}

export interface Problem {
  /** Of the file, from 1; null where the file as a whole is meant. */
  readonly line: number | null;
  readonly message: string;
}

export interface RefusedInvoice {
  readonly kind: 'refused';
  readonly problems: readonly Problem[];
}

/** Where there are more, the first show what is wrong. */
const MOST_PROBLEMS = 20;

export function refused(problems: readonly Problem[]): RefusedInvoice {
  return { kind: 'refused', problems: problems.slice(0, MOST_PROBLEMS) };
}

/** Throws nothing: an invoice of no line is refused by the parsers. */
export function invoiceOf(
  format: InvoiceFormat,
  {
    lines,
    days,
    ignored,
  }: { lines: readonly InvoiceLine[]; days: readonly string[]; ignored: number },
): Invoice | RefusedInvoice {
  const [fromDay, ...others] = [...days].sort();
  if (fromDay === undefined) return refused([{ line: null, message: 'the file speaks of no day' }]);
  return { kind: 'invoice', format, fromDay, toDay: others.at(-1) ?? fromDay, lines, ignored };
}

/** `YYYY-MM-DD` of a day that there is. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
