/**
 * Compares an invoice with what the ledger booked for the same provider on the same days, and proposes what to book
 * so that both agree: each day's difference spread over the keys that used the provider on that day. Books nothing:
 * a person looks at the difference first, for it may be calls that never went through the gateway.
 */
import type { Invoice } from './invoice.ts';

/** What one key took of the provider on one day. */
export interface LedgerDay {
  readonly day: string;
  readonly tenantId: string;
  readonly teamId: string;
  readonly projectId: string;
  readonly keyId: string;
  /** Calls and their corrections. */
  readonly bookedNanoUsd: number;
  /** Adjustments booked before. */
  readonly adjustedNanoUsd: number;
  readonly tokens: number;
  /** Of what is booked: how much rests on estimates. */
  readonly estimatedNanoUsd: number;
  /** How many adjustments of this very invoice the key has for the day. */
  readonly ownAdjustments: number;
}

export interface Proposal
  extends Pick<LedgerDay, 'day' | 'tenantId' | 'teamId' | 'projectId' | 'keyId'> {
  /** To be added; negative where the ledger has too much. */
  readonly nanoUsd: number;
  /** Makes the entry's name its own: 0 for the first of this invoice. */
  readonly number: number;
}

interface InvoiceDay {
  readonly day: string;
  readonly invoicedNanoUsd: number;
  readonly bookedNanoUsd: number;
  readonly adjustedNanoUsd: number;
  /** Invoiced less booked and adjusted. */
  readonly differenceNanoUsd: number;
  /** How much of the invoice the ledger accounts for, in percent; 100 when both are nothing. */
  readonly explainedPercent: number;
  readonly estimatedNanoUsd: number;
  readonly keys: readonly LedgerDay[];
}

export interface InvoiceComparison {
  readonly days: readonly InvoiceDay[];
  readonly total: Omit<InvoiceDay, 'day' | 'keys'>;
  readonly proposals: readonly Proposal[];
  /** Days with a difference and no call that it could be charged to. */
  readonly unattributed: readonly string[];
}

export function compareInvoice(invoice: Invoice, ledger: readonly LedgerDay[]): InvoiceComparison {
  const days = daysOf(invoice).map((day) => compareDay(invoice, day, ledger));
  const proposals = days.flatMap((day) => proposalsOf(day, invoice.format === 'gpu-hours'));
  const charged = new Set(proposals.map(({ day }) => day));
  return {
    days,
    total: totalOf(days),
    proposals,
    unattributed: days
      .filter(({ day, differenceNanoUsd }) => differenceNanoUsd !== 0 && !charged.has(day))
      .map(({ day }) => day),
  };
}

const DAY_MS = 86_400_000;

/** A day of which the file says nothing within its days cost nothing. */
function daysOf({ fromDay, toDay }: Invoice): string[] {
  const days: string[] = [];
  for (let at = Date.parse(fromDay); at <= Date.parse(toDay); at += DAY_MS)
    days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

function compareDay({ lines }: Invoice, day: string, ledger: readonly LedgerDay[]): InvoiceDay {
  const keys = ledger.filter((each) => each.day === day);
  const invoicedNanoUsd = sum(
    lines.filter((line) => line.day === day).map(({ nanoUsd }) => nanoUsd),
  );
  return {
    day,
    keys,
    ...measured({
      invoicedNanoUsd,
      bookedNanoUsd: sum(keys.map((key) => key.bookedNanoUsd)),
      adjustedNanoUsd: sum(keys.map((key) => key.adjustedNanoUsd)),
      estimatedNanoUsd: sum(keys.map((key) => key.estimatedNanoUsd)),
    }),
  };
}

type Amounts = Pick<
  InvoiceDay,
  'invoicedNanoUsd' | 'bookedNanoUsd' | 'adjustedNanoUsd' | 'estimatedNanoUsd'
>;

function measured(amounts: Amounts): Omit<InvoiceDay, 'day' | 'keys'> {
  const { invoicedNanoUsd, bookedNanoUsd, adjustedNanoUsd } = amounts;
  const differenceNanoUsd = invoicedNanoUsd - bookedNanoUsd - adjustedNanoUsd;
  return {
    ...amounts,
    differenceNanoUsd,
    explainedPercent: explained(invoicedNanoUsd, differenceNanoUsd),
  };
}

function totalOf(days: readonly InvoiceDay[]): Omit<InvoiceDay, 'day' | 'keys'> {
  const total = measured({
    invoicedNanoUsd: sum(days.map((day) => day.invoicedNanoUsd)),
    bookedNanoUsd: sum(days.map((day) => day.bookedNanoUsd)),
    adjustedNanoUsd: sum(days.map((day) => day.adjustedNanoUsd)),
    estimatedNanoUsd: sum(days.map((day) => day.estimatedNanoUsd)),
  });
  // Too much on one day does not explain too little on another.
  const apart = sum(days.map(({ differenceNanoUsd }) => Math.abs(differenceNanoUsd)));
  return { ...total, explainedPercent: explained(total.invoicedNanoUsd, apart) };
}

/** To a hundredth of a percent, rounded down: 100 is said of nothing less. */
function explained(invoiced: number, difference: number): number {
  if (difference === 0) return 100;
  if (invoiced === 0) return 0;
  const share = 1 - Math.abs(difference) / Math.abs(invoiced);
  return Math.max(0, Math.floor(share * 10_000) / 100);
}

/** By cost, as the provider charges; of servers by tokens, whose price is the same for all. */
function proposalsOf({ keys, differenceNanoUsd }: InvoiceDay, isByTokens: boolean): Proposal[] {
  const costs = keys.map(({ bookedNanoUsd }) => Math.max(0, bookedNanoUsd));
  const tokens = keys.map((key) => Math.max(0, key.tokens));
  const weights = isByTokens || sum(costs) === 0 ? tokens : costs;
  const shares = isByTokens
    ? serverShares(keys, differenceNanoUsd, weights)
    : spread(differenceNanoUsd, weights);
  return keys.flatMap(({ day, tenantId, teamId, projectId, keyId, ownAdjustments }, index) => {
    const nanoUsd = shares[index] ?? 0;
    const proposal = { day, tenantId, teamId, projectId, keyId, nanoUsd, number: ownAdjustments };
    return nanoUsd === 0 ? [] : [proposal];
  });
}

/** Each key's share of the whole cost, less what it was charged already. */
function serverShares(
  keys: readonly LedgerDay[],
  difference: number,
  weights: readonly number[],
): number[] {
  const charged = keys.map((key) => key.bookedNanoUsd + key.adjustedNanoUsd);
  const shares = spread(difference + sum(charged), weights);
  return shares.map((share, index) => share - (charged[index] ?? 0));
}

/**
 * Whole parts in proportion to the weights that sum to exactly the amount: rounded toward zero, and what is left goes
 * one by one to the largest remainders. All zero where nothing weighs anything.
 */
export function spread(amount: number, weights: readonly number[]): number[] {
  const total = weights.reduce((all, weight) => all + BigInt(weight), 0n);
  if (total === 0n) return weights.map(() => 0);
  const exact = weights.map((weight) => BigInt(amount) * BigInt(weight));
  const parts = exact.map((product) => product / total);
  const left = BigInt(amount) - parts.reduce((all, part) => all + part, 0n);
  const step = left < 0n ? -1n : 1n;
  const byRemainder = exact
    .map((product, index) => ({ index, remainder: (product % total) * step }))
    .sort((a, b) =>
      a.remainder === b.remainder ? a.index - b.index : a.remainder < b.remainder ? 1 : -1,
    );
  for (const { index } of byRemainder.slice(0, Number(left * step)))
    parts[index] = (parts[index] ?? 0n) + step;
  return parts.map(Number);
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((all, amount) => all + amount, 0);
}
