import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayChart, shareBar } from '../../../core/chargeback/charts.ts';
import { toCsv } from '../../../core/chargeback/csv.ts';
import { monthStatement } from '../../../core/chargeback/month-statement.ts';
import { monthLines } from '../../../core/chargeback/statement-questions.ts';
import { countForPeople, usdForPeople, usdText } from '../../../core/chargeback/usd-text.ts';
import { lastWeek } from '../../../core/chargeback/week-summary.ts';
import { leadingComment, readNamedQueries } from '../../../lib/constructs/usage-queries.ts';

describe('the question behind the statement', () => {
  it('is the named query that finance can ask itself', () => {
    const query = readNamedQueries().find(({ name }) => name === 'chargeback-statement');
    const lastMonth = "date_format(current_date - interval '1' month, '%Y-%m')";
    expect(leadingComment(query?.sql ?? '').rest).toBe(monthLines(lastMonth));
  });
});

describe('money in statements', () => {
  it.each([
    [0n, '$0.00'],
    [1n, 'under $0.01'],
    [-1n, 'under $0.01'],
    [4_999_999n, 'under $0.01'],
    [5_000_000n, '$0.01'],
    [-20_000_000n, '-$0.02'],
    [1_234_567_895_000_000n, '$1,234,567.90'],
    [9_000_000_000_000n, '$9,000.00'],
  ])('shows %s nano-dollars as %s', (nano, text) => {
    expect(usdForPeople(nano)).toBe(text);
  });

  it('is exact in files, whatever the amount', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), (nano) => {
        const text = usdText(nano);
        expect(BigInt(text.replace('.', ''))).toBe(nano);
        expect(text).toMatch(/^-?\d+\.\d{9}$/);
      }),
    );
  });

  it('parts thousands', () => {
    expect([999n, 1_000n, 1_234_567n].map(countForPeople)).toEqual(['999', '1,000', '1,234,567']);
  });
});

describe('files', () => {
  it('quote what would break a row, and disarm what a spreadsheet would run', () => {
    const row = ['a,b', 'say "x"', 'two\nlines', '=1+1', '+x', '-x', '@x', '-0.02', 5n];
    expect(toCsv(['h'], [row])).toBe(
      'h\r\n"a,b","say ""x""","two\nlines",\'=1+1,\'+x,\'-x,\'@x,-0.02,5\r\n',
    );
  });
});

describe('weeks', () => {
  it.each([
    ['2026-11-23T00:00:00Z', '2026-W47', '2026-11-16', '2026-11-22', '2026-11-09'],
    ['2026-11-29T23:59:59Z', '2026-W47', '2026-11-16', '2026-11-22', '2026-11-09'],
    ['2027-01-04T06:00:00Z', '2026-W53', '2026-12-28', '2027-01-03', '2026-12-21'],
    ['2025-01-06T06:00:00Z', '2025-W01', '2024-12-30', '2025-01-05', '2024-12-23'],
  ])('before %s is %s', (now, name, from, to, beforeFrom) => {
    expect(lastWeek(Date.parse(now))).toEqual({ name, days: { from, to }, beforeFrom });
  });
});

describe('charts', () => {
  it('scale to the dearest day, and draw nothing for a credit', () => {
    const days = [
      { day: '2026-11-01', charged: 10_000_000n },
      { day: '2026-11-02', charged: 20_000_000n },
      { day: '2026-11-03', charged: -5_000_000n },
    ];
    const heights = [...dayChart(days, 'x').matchAll(/<rect [^>]*height="(\d+)"/g)];
    expect(heights.map(([, height]) => height)).toEqual(['61', '122', '0']);
    expect(dayChart([], 'x')).toBe('');
  });

  it('name at most eight days, and have a column for each day of the month, spent or not', () => {
    const month = { period: '2028-02', status: 'final', lines: [] } as const;
    const { days } = monthStatement({
      ...month,
      days: [
        ['2028-02-03', '5'],
        ['2028-01-31', '7'],
      ],
    });
    expect(days).toHaveLength(30);
    expect(days[0]).toEqual({ day: '2028-01-31', charged: 7n });
    expect(days.at(-1)).toEqual({ day: '2028-02-29', charged: 0n });
    expect([...dayChart(days, 'x').matchAll(/<rect /g)]).toHaveLength(30);
    expect([...dayChart(days, 'x').matchAll(/<td /g)]).toHaveLength(8);
    expect(monthStatement({ ...month, days: [] }).days).toEqual([]);
  });

  it('show a share as cells, whole, empty and in between', () => {
    const widths = [0n, 1n, 3n].map(
      (part) => /width:(\d+)%;background/.exec(shareBar(part, 3n))?.[1],
    );
    expect(widths).toEqual([undefined, '33', '100']);
  });
});
