import { beforeAll, describe, expect, it } from 'vitest';
import type { Proposal } from '../../../core/invoices/compare-invoice.ts';
import { bookAdjustments, ledgerByDay } from '../../../core/invoices/ledger-sql.ts';
import { loadTrino } from '../../support/trino.ts';

const INVOICE = { id: 'a1', provider: "o'pen", fromDay: '2026-11-01', toDay: '2026-11-30' };
const BOOKING = { invoice: INVOICE, nowMs: 1, firstOpenPeriod: '2026-12' };
const proposal = (day: string): Proposal => ({
  day,
  tenantId: 'acme',
  teamId: "o'neill",
  projectId: 'web',
  keyId: 'vk_1',
  nanoUsd: -7,
  number: 0,
});

describe('what invoices ask of the ledger', () => {
  let validate: (sql: string) => readonly unknown[];
  beforeAll(async () => {
    validate = await loadTrino();
  }, 30_000);

  it('is Trino SQL that filters on partitions', () => {
    const sql = ledgerByDay(INVOICE);
    expect(validate(sql)).toEqual([]);
    // The first of a month in UTC may be the last of another in the policy's time zone.
    expect(sql).toContain("booked_period >= '2026-10'");
    for (const merge of bookAdjustments(
      [proposal('2026-11-05'), proposal('2027-01-01')],
      BOOKING,
    )) {
      expect(validate(merge)).toEqual([]);
      expect(merge).toContain("held.booked_period >= '2026-11'");
      expect(merge).toContain("'invoice/a1/2026-11-05/vk_1/web/0', 'adjustment', '2026-12'");
      expect(merge).toContain("'invoice/a1/2027-01-01/vk_1/web/0', 'adjustment', '2027-01'");
    }
  });

  it('is in statements that Athena takes', () => {
    const many = Array.from({ length: 1_000 }, () => proposal('2026-11-05'));
    const statements = bookAdjustments(many, BOOKING);
    expect(statements).toHaveLength(3);
    for (const sql of statements) expect(Buffer.byteLength(sql)).toBeLessThan(262_144);
    expect(bookAdjustments([], BOOKING)).toEqual([]);
  });
});
