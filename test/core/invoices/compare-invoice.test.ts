import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareInvoice, type LedgerDay, spread } from '../../../core/invoices/compare-invoice.ts';
import type { Invoice } from '../../../core/invoices/invoice.ts';

const DAY = '2026-11-05';
const invoice = (
  amounts: Readonly<Record<string, number>>,
  format: Invoice['format'] = 'openai-costs',
): Invoice => {
  const days = Object.keys(amounts).sort();
  return {
    kind: 'invoice',
    format,
    fromDay: days[0] ?? DAY,
    toDay: days.at(-1) ?? DAY,
    lines: Object.entries(amounts).map(([day, nanoUsd]) => ({
      day,
      nanoUsd,
      item: null,
      account: null,
    })),
    ignored: 0,
  };
};
const key = (keyId: string, bookedNanoUsd: number, rest: Partial<LedgerDay> = {}): LedgerDay => ({
  day: DAY,
  tenantId: 'acme',
  teamId: 'search',
  projectId: 'web',
  keyId,
  bookedNanoUsd,
  adjustedNanoUsd: 0,
  tokens: 10,
  estimatedNanoUsd: 0,
  ownAdjustments: 0,
  ...rest,
});
const amounts = (proposals: readonly { keyId: string; nanoUsd: number }[]) =>
  Object.fromEntries(proposals.map(({ keyId, nanoUsd }) => [keyId, nanoUsd]));

describe('an invoice beside the ledger', () => {
  it('is explained whole when both say the same', () => {
    const { total, proposals, unattributed } = compareInvoice(invoice({ [DAY]: 300 }), [
      key('a', 100),
      key('b', 200),
    ]);
    expect(total).toMatchObject({ differenceNanoUsd: 0, explainedPercent: 100 });
    expect([proposals, unattributed]).toEqual([[], []]);
  });

  it("spreads a day's difference by cost, to the nano-dollar", () => {
    const found = compareInvoice(invoice({ [DAY]: 310 }), [key('a', 100), key('b', 200)]);
    expect(found.total).toMatchObject({ differenceNanoUsd: 10, explainedPercent: 96.77 });
    expect(amounts(found.proposals)).toEqual({ a: 3, b: 7 });
    const less = compareInvoice(invoice({ [DAY]: 290 }), [key('a', 100), key('b', 200)]);
    expect(amounts(less.proposals)).toEqual({ a: -3, b: -7 });
  });

  it('spreads the cost of servers by tokens, and takes back what a key was charged beyond its share', () => {
    const rows = [key('a', 0, { tokens: 25 }), key('b', 30, { tokens: 75 })];
    const { proposals } = compareInvoice(invoice({ [DAY]: 40 }, 'gpu-hours'), rows);
    expect(amounts(proposals)).toEqual({ a: 10 });
    const again = compareInvoice(invoice({ [DAY]: 40 }, 'gpu-hours'), [
      key('a', 0, { tokens: 25, adjustedNanoUsd: 10, ownAdjustments: 1 }),
      key('b', 30, { tokens: 75 }),
    ]);
    expect(again.proposals).toEqual([]);
  });

  it('counts adjustments that were booked, and numbers the next', () => {
    const rows = [key('a', 100, { adjustedNanoUsd: 5, ownAdjustments: 1 })];
    const { days, proposals } = compareInvoice(invoice({ [DAY]: 107 }), rows);
    expect(days[0]).toMatchObject({ differenceNanoUsd: 2, adjustedNanoUsd: 5 });
    expect(proposals).toMatchObject([{ nanoUsd: 2, number: 1 }]);
  });

  it('says which days were charged without a call of ours, and lets no day explain another', () => {
    const rows = [key('a', 100), key('a', 100, { day: '2026-11-07' })];
    const found = compareInvoice(invoice({ [DAY]: 90, '2026-11-06': 5, '2026-11-07': 110 }), rows);
    expect(found.unattributed).toEqual(['2026-11-06']);
    expect(found.days.map(({ explainedPercent }) => explainedPercent)).toEqual([88.88, 0, 90.9]);
    expect(found.total).toMatchObject({ differenceNanoUsd: 5, explainedPercent: 87.8 });
  });

  it('takes a day of which the file says nothing for one that cost nothing', () => {
    const rows = [key('a', 7, { day: '2026-11-06' })];
    const { days } = compareInvoice(invoice({ [DAY]: 0, '2026-11-07': 0 }), rows);
    expect(
      days.map(({ differenceNanoUsd, explainedPercent }) => [differenceNanoUsd, explainedPercent]),
    ).toEqual([
      [0, 100],
      [-7, 0],
      [0, 100],
    ]);
  });
});

describe('what is spread', () => {
  it('sums to exactly the amount, and no part is a whole unit from its share', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -9e15, max: 9e15 }),
        fc.array(fc.nat(1e9), { minLength: 1, maxLength: 50 }),
        (amount, weights) => {
          const parts = spread(amount, weights);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          if (total === 0) return parts.every((part) => part === 0);
          const sum = parts.reduce((all, part) => all + BigInt(part), 0n);
          const isFair = weights.every((weight, index) => {
            const apart =
              BigInt(parts[index] ?? 0) * BigInt(total) - BigInt(amount) * BigInt(weight);
            return apart < BigInt(total) && apart > -BigInt(total);
          });
          return sum === BigInt(amount) && isFair;
        },
      ),
    );
  });
});
