import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatUsd, nanoUsd } from '../../../core/money.ts';
import {
  parseCount,
  parseDurationMs,
  parseNanoUsd,
  parsePrice,
} from '../../../core/policy/units.ts';

describe('counts', () => {
  it.each([
    ['50K', 50_000],
    ['10M', 10_000_000],
    ['1.5M', 1_500_000],
    ['2B', 2_000_000_000],
    ['1,234,567', 1_234_567],
    ['1_000', 1000],
    ['007', 7],
    ['2.50K', 2500],
    ['3.0', 3],
  ])('reads %s as %d', (text, count) => {
    expect(parseCount(text)).toBe(count);
  });

  it.each([
    '',
    '1.5',
    '1.0005K',
    '1,5',
    '12,34',
    '1e3',
    '0x10',
    '-1',
    '+1',
    ' 1',
    '1 K',
    '10m',
    '$5',
    'K',
    '.5K',
    '1.',
    '9007199254740993',
    '1'.repeat(50),
  ])('refuses %j instead of rounding it', (text) => {
    expect(parseCount(text)).toBeUndefined();
  });

  it('reads back every whole number, grouped or not', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (count) => {
        expect(parseCount(String(count))).toBe(count);
        expect(parseCount(count.toLocaleString('en-US'))).toBe(count);
      }),
    );
  });
});

describe('money', () => {
  it.each([
    ['$50,000', 50_000_000_000_000],
    ['$1_000.50', 1_000_500_000_000],
    ['25.5', 25_500_000_000],
    ['$2K', 2_000_000_000_000],
    ['$0.000000001', 1],
    ['$9,000,000', 9_000_000_000_000_000],
  ])('reads %s exactly', (text, nano) => {
    expect(parseNanoUsd(text)).toBe(nano);
  });

  it.each(['$0.0000000001', '$9,000,000.000000001', '$-5', '$$5', '5 $', '5 USD'])(
    'refuses %s',
    (text) => {
      expect(parseNanoUsd(text)).toBeUndefined();
    },
  );

  it('reads back every amount that is printed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_000_000_000_000_000 }), (nano) => {
        expect(parseNanoUsd(`$${formatUsd(nanoUsd(nano))}`)).toBe(nano);
      }),
    );
  });

  it('reads prices to the micro-dollar, where a float would lose it', () => {
    expect(parsePrice('$0.1')).toBe(100_000);
    expect(parsePrice('0.000001')).toBe(1);
    expect(parsePrice('1.110001')).toBe(1_110_001);
    expect(parsePrice('0.0000001')).toBeUndefined();
    expect(parsePrice('2K')).toBeUndefined();
  });

  it('reads back every price', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2_000_000_000 }), (micro) => {
        const fraction = String(micro % 1_000_000).padStart(6, '0');
        expect(parsePrice(`$${Math.floor(micro / 1_000_000)}.${fraction}`)).toBe(micro);
      }),
    );
  });
});

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['15s', 15_000],
    ['1.5s', 1500],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
  ])('reads %s', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each(['15', '0.5ms', '1.2345s', 's', '-1s', '1d', '1 week'])('refuses %s', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });
});
