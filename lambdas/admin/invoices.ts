/** Invoices by the admin API: a file is kept once it is understood, compared with the ledger, and its difference booked on approval. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { policySnapshotSchema } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { compareInvoice, type InvoiceComparison } from '../../core/invoices/compare-invoice.ts';
import type { Invoice, Problem } from '../../core/invoices/invoice.ts';
import {
  bookAdjustments,
  dayOfNumber,
  type InvoiceName,
  ledgerByDay,
} from '../../core/invoices/ledger-sql.ts';
import { parseInvoice } from '../../core/invoices/parse-invoice.ts';
import { firstOpenPeriod } from '../../core/ledger/closed-months.ts';
import { formatUsd, nanoUsd } from '../../core/money.ts';
import type { Athena } from '../adapters/athena.ts';
import type { ClosedMonths } from '../adapters/closed-months.ts';
import type { LakeFiles } from '../adapters/lake-files.ts';
import type { OpenLakeObject } from '../adapters/lake-object.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import { readInbox } from './read-inbox.ts';

export interface InvoicePorts {
  readonly athena: Athena;
  readonly files: LakeFiles;
  readonly open: OpenLakeObject;
  readonly closedMonths: Pick<ClosedMonths, 'through'>;
  readonly writer: Pick<CatalogWriter, 'currentPolicy'>;
  readonly clock: Clock;
}

export type InvoiceAnswer =
  | { readonly kind: 'done'; readonly status: 200 | 201; readonly body: object }
  | { readonly kind: 'not found'; readonly what: string }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/** What API Gateway leaves of its half minute: an approval that takes longer is safe to repeat. */
const PATIENCE_MS = 25_000;
/** Of that, what a large file may take to be read. */
const READING_MS = 20_000;

const INVOICES = 'invoices';

const storedSchema = z.object({
  format: z.enum(['openai-costs', 'anthropic-cost-report', 'aws-cost-and-usage', 'gpu-hours']),
  fromDay: z.string(),
  toDay: z.string(),
  ignored: z.number(),
  lines: z.array(
    z.object({
      day: z.string(),
      nanoUsd: z.number(),
      item: z.string().nullable(),
      account: z.string().nullable(),
    }),
  ),
});

/** The file itself, or the name of one that was put into the provider's inbox. */
const inboxSchema = z.strictObject({ inbox: z.string().min(1).max(512) });

/** The same file again is the same invoice. */
export async function importInvoice(
  ports: InvoicePorts,
  provider: string,
  body: string,
): Promise<InvoiceAnswer> {
  if (!(await isProvider(ports, provider)))
    return { kind: 'not found', what: `The policy has no provider ${provider}.` };
  const named = inboxSchema.safeParse(body.length > 1_000 ? undefined : parsedJson(body));
  if (!named.success) return keepInvoice(ports, provider, { text: body, passedOver: 0 });
  const key = `${INVOICES}/inbox/${encodeURIComponent(provider)}/${named.data.inbox}`;
  const object = await ports.open(key);
  if (object === undefined || object.byteLength === 0)
    return { kind: 'refused', problems: [{ line: null, message: `there is no file at ${key}` }] };
  const untilMs = ports.clock.nowMs() + READING_MS;
  const read = await readInbox(object, () => ports.clock.nowMs() > untilMs);
  return read.kind === 'refused' ? read : keepInvoice(ports, provider, read);
}

async function keepInvoice(
  ports: InvoicePorts,
  provider: string,
  { text, passedOver }: { readonly text: string; readonly passedOver: number },
): Promise<InvoiceAnswer> {
  const invoice = parseInvoice(text);
  if (invoice.kind === 'refused') return invoice;
  const id = createHash('sha256')
    .update(provider)
    .update('\0')
    .update(text)
    .digest('hex')
    .slice(0, 16);
  await ports.files.write(`${fileOf(provider, id)}.source`, text, 'text/plain; charset=utf-8');
  await ports.files.write(
    `${fileOf(provider, id)}.json`,
    JSON.stringify(storedSchema.parse(invoice)),
  );
  const { format, fromDay, toDay, lines, ignored } = invoice;
  const total = lines.reduce((sum, line) => sum + line.nanoUsd, 0);
  const body = {
    invoiceId: id,
    provider,
    format,
    fromDay,
    toDay,
    lines: lines.length,
    ignoredLines: ignored + passedOver,
  };
  return { kind: 'done', status: 201, body: { ...body, usd: usdText(total) } };
}

export async function showInvoice(
  ports: InvoicePorts,
  provider: string,
  id: string,
): Promise<InvoiceAnswer> {
  const found = await compared(ports, provider, id);
  if (found === undefined) return unknown(provider, id);
  const { invoice, comparison } = found;
  return { kind: 'done', status: 200, body: toWire({ provider, id, invoice, comparison }) };
}

const approvalSchema = z.strictObject({ days: z.array(z.string()).optional() });

/** Books what the comparison proposes now, of the days named or of all. */
export async function approveInvoice(
  ports: InvoicePorts,
  { provider, id }: { provider: string; id: string },
  request: unknown,
): Promise<InvoiceAnswer> {
  const approval = approvalSchema.safeParse(request ?? {});
  if (!approval.success)
    return {
      kind: 'refused',
      problems: [{ line: null, message: 'Send {} or {"days": ["YYYY-MM-DD"]}.' }],
    };
  const found = await compared(ports, provider, id);
  if (found === undefined) return unknown(provider, id);
  const { days } = approval.data;
  const proposals = found.comparison.proposals.filter(({ day }) => days?.includes(day) ?? true);
  const nowMs = ports.clock.nowMs();
  const open = firstOpenPeriod(await ports.closedMonths.through());
  const booking = { invoice: found.name, nowMs, firstOpenPeriod: open };
  for (const statement of bookAdjustments(proposals, booking))
    await ports.athena.run(statement, nowMs + PATIENCE_MS);
  const total = proposals.reduce((sum, proposal) => sum + proposal.nanoUsd, 0);
  const body = { invoiceId: id, provider, adjustments: proposals.length, usd: usdText(total) };
  return { kind: 'done', status: 200, body };
}

interface Compared {
  readonly name: InvoiceName;
  readonly invoice: Invoice;
  readonly comparison: InvoiceComparison;
}

async function compared(
  { files, athena, clock }: InvoicePorts,
  provider: string,
  id: string,
): Promise<Compared | undefined> {
  const text = await files.read(`${fileOf(provider, id)}.json`);
  if (text === undefined) return undefined;
  const invoice = { kind: 'invoice' as const, ...storedSchema.parse(JSON.parse(text)) };
  const name = { id, provider, fromDay: invoice.fromDay, toDay: invoice.toDay };
  const rows = await athena.run(ledgerByDay(name), clock.nowMs() + PATIENCE_MS);
  const ledger = rows.map((row) => ({
    day: dayOfNumber(Number(row[0])),
    tenantId: row[1] ?? '',
    teamId: row[2] ?? '',
    projectId: row[3] ?? '',
    keyId: row[4] ?? '',
    bookedNanoUsd: Number(row[5]),
    adjustedNanoUsd: Number(row[6]),
    tokens: Number(row[7]),
    estimatedNanoUsd: Number(row[8]),
    ownAdjustments: Number(row[9]),
  }));
  return { name, invoice, comparison: compareInvoice(invoice, ledger) };
}

async function isProvider({ writer }: InvoicePorts, provider: string): Promise<boolean> {
  const current = await writer.currentPolicy();
  if (current === undefined) return false;
  return Object.hasOwn(policySnapshotSchema.parse(current.snapshot).providers, provider);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unknown(provider: string, id: string): InvoiceAnswer {
  return { kind: 'not found', what: `There is no invoice ${id} of ${provider}.` };
}

function fileOf(provider: string, id: string): string {
  return `${INVOICES}/${encodeURIComponent(provider)}/${id}`;
}

interface Shown {
  readonly provider: string;
  readonly id: string;
  readonly invoice: Invoice;
  readonly comparison: InvoiceComparison;
}

function toWire({ provider, id, invoice, comparison }: Shown): object {
  const { days, total, proposals, unattributed } = comparison;
  const amounts = (of: Omit<(typeof days)[number], 'day' | 'keys'>) => ({
    invoicedUsd: usdText(of.invoicedNanoUsd),
    bookedUsd: usdText(of.bookedNanoUsd),
    adjustedUsd: usdText(of.adjustedNanoUsd),
    differenceUsd: usdText(of.differenceNanoUsd),
    estimatedUsd: usdText(of.estimatedNanoUsd),
    explainedPercent: of.explainedPercent,
  });
  return {
    ...{ invoiceId: id, provider, format: invoice.format },
    ...{ fromDay: invoice.fromDay, toDay: invoice.toDay },
    total: amounts(total),
    days: days.map(({ day, keys, ...of }) => ({
      day,
      ...amounts(of),
      keys: keys.map(({ tenantId, teamId, projectId, keyId, bookedNanoUsd, tokens }) => ({
        ...{ tenantId, teamId, projectId, keyId, tokens },
        bookedUsd: usdText(bookedNanoUsd),
      })),
      items: invoice.lines
        .filter((line) => line.day === day)
        .map(({ item, account, nanoUsd: usd }) => ({ item, account, usd: usdText(usd) })),
    })),
    proposals: proposals.map(({ nanoUsd: usd, number: _number, ...of }) => ({
      ...of,
      usd: usdText(usd),
    })),
    unattributedDays: unattributed,
  };
}

function usdText(amount: number): string {
  return formatUsd(nanoUsd(amount));
}
