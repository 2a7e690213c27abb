import { describe, expect, it } from 'vitest';
import { closeMonth, firstOpenPeriod } from '../../../core/ledger/closed-months.ts';

describe('closing a month', () => {
  const at = { closedThrough: '2026-09', current: '2026-11' };

  it('closes all months up to it', () => {
    expect(closeMonth('2026-10', at)).toEqual({ kind: 'closed', closedThrough: '2026-10' });
    expect(closeMonth('2026-08', { ...at, closedThrough: undefined })).toEqual({
      kind: 'closed',
      closedThrough: '2026-08',
    });
  });

  it('never opens one again', () => {
    expect(closeMonth('2026-07', at)).toEqual({ kind: 'closed', closedThrough: '2026-09' });
  });

  it.each(['2026-11', '2026-12', '2027-01', '2026-13', '2026-1', '26-10', '', '2026-10-01'])(
    'refuses %s',
    (period) => {
      expect(closeMonth(period, at)).toMatchObject({ kind: 'refused' });
    },
  );

  it.each([
    [undefined, ''],
    ['2026-10', '2026-11'],
    ['2026-12', '2027-01'],
  ])('after %s the first open month is %s', (closed, open) => {
    expect(firstOpenPeriod(closed)).toBe(open);
  });
});
