import { beforeAll, describe, expect, it } from 'vitest';
import {
  bookUsage,
  countUnknownVersions,
  recentWindow,
  wideWindow,
} from '../../../core/ledger/book-usage.ts';
import { AMOUNT_COLUMNS, usageEventColumns } from '../../../core/usage/event.ts';
import { loadTrino } from '../../support/trino.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00Z');
const booking = { nowMs: NOW_MS, firstOpenPeriod: '2026-11' };
const recent = bookUsage({ ...recentWindow(NOW_MS), ...booking });
const wide = bookUsage({ ...wideWindow(NOW_MS), ...booking });

describe('the statement that books usage', () => {
  let validate: (sql: string) => readonly unknown[];
  beforeAll(async () => {
    validate = await loadTrino();
  }, 30_000);

  it('is Trino SQL', () => {
    expect(validate(recent)).toEqual([]);
    expect(validate(wide)).toEqual([]);
    expect(validate(countUnknownVersions(wideWindow(NOW_MS)))).toEqual([]);
    expect(validate(recent.replace('WHEN NOT MATCHED', 'WHEN MISSING'))).not.toEqual([]);
  });

  it('reads each table once, in bounded partitions', () => {
    expect(recent.match(/FROM usage\b/g)).toHaveLength(1);
    expect(recent.match(/FROM ledger\b/g)).toHaveLength(1);
    expect(recent).toContain(
      "WHERE dt >= '2026-11-17' AND event_time_ms >= 1794830400000 AND period >= '2026-11'",
    );
    expect(recent).toContain(
      "held.booked_period >= '2026-11' AND held.event_time_ms >= 1794744000000",
    );
    expect(wide).toContain("WHERE dt >= '2026-10-16' AND event_time_ms >= 0");
  });

  it('reaches back into the last month while calls of it may still stand there', () => {
    const atMs = Date.parse('2026-11-06T12:00:00Z');
    const sql = bookUsage({ ...recentWindow(atMs), ...booking, nowMs: atMs });
    expect(sql).toContain("booked_period >= '2026-10'");
  });

  it('takes back all that adds up, and nothing else', () => {
    const reversed = [...recent.matchAll(/WHEN '-' THEN -standing\.(\w+)/g)].map(
      ([, name]) => name,
    );
    expect(new Set(reversed)).toEqual(new Set(AMOUNT_COLUMNS));
    const sums = usageEventColumns.filter(({ name }) => /(_tokens|_nano_usd|nano_usd)$/.test(name));
    for (const { name } of sums) expect(AMOUNT_COLUMNS).toContain(name);
  });
});
