import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  costOf,
  formatUsd,
  MAX_NANO_USD,
  nanoUsd,
  parseProviderUsd,
  ZERO_USD,
} from '../../core/money.ts';

describe('an amount', () => {
  it('is whole and within the exact range', () => {
    expect(nanoUsd(MAX_NANO_USD)).toBe(MAX_NANO_USD);
    expect(nanoUsd(-MAX_NANO_USD)).toBe(-MAX_NANO_USD);
    for (const wrong of [
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      MAX_NANO_USD + 1,
      -MAX_NANO_USD - 1,
    ])
      expect(() => nanoUsd(wrong)).toThrow(RangeError);
  });

  it.each([
    [0, '0'],
    [1, '0.000000001'],
    [1_500_000_000, '1.5'],
    [-1_500_000_000, '-1.5'],
    [10_000_000_000, '10'],
    [1_000_000_010, '1.00000001'],
    [MAX_NANO_USD, '9000000'],
  ])('of %i nano-dollars reads %s', (amount, text) => {
    expect(formatUsd(nanoUsd(amount))).toBe(text);
  });

  it('reads back exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: -MAX_NANO_USD, max: MAX_NANO_USD }), (amount) => {
        const [whole = '', fraction = ''] = formatUsd(nanoUsd(amount)).split('.');
        const digits =
          BigInt(whole.replace('-', '')) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
        expect(whole.startsWith('-') ? -digits : digits).toBe(BigInt(amount));
      }),
    );
  });
});

describe('a cost', () => {
  it('of nothing is zero', () => {
    expect(costOf([])).toBe(ZERO_USD);
    expect(ZERO_USD).toBe(0);
  });

  it('is rounded up once, over all classes together', () => {
    expect(costOf([{ tokens: 1, price: 1 }])).toBe(1);
    expect(
      costOf([
        { tokens: 1, price: 500 },
        { tokens: 1, price: 500 },
      ]),
    ).toBe(1);
    expect(
      costOf([
        { tokens: 1, price: 500 },
        { tokens: 1, price: 501 },
      ]),
    ).toBe(2);
    expect(
      costOf([
        { tokens: 3, price: 250_000 },
        { tokens: 2, price: 2_000_000 },
      ]),
    ).toBe(4_750);
  });

  it('beyond the exact range is the largest amount, so that books close and every budget shuts', () => {
    expect(costOf([{ tokens: 1e9, price: 1e10 }])).toBe(MAX_NANO_USD);
    expect(costOf([{ tokens: 1, price: 1 }], { nanoUsd: nanoUsd(MAX_NANO_USD) })).toBe(
      MAX_NANO_USD,
    );
    expect(costOf([{ tokens: 9e6, price: 1e12 }])).toBe(MAX_NANO_USD);
    expect(costOf([{ tokens: 9e6, price: 999_999_999_999 }])).toBe(MAX_NANO_USD - 9_000);
  });

  it('is of so many percents, rounded up once, and of what is billed besides', () => {
    expect(costOf([{ tokens: 1, price: 1_000 }], { percent: 50 })).toBe(1);
    expect(costOf([{ tokens: 2, price: 1_000 }], { percent: 50 })).toBe(1);
    expect(costOf([{ tokens: 1, price: 1_001 }], { percent: 200 })).toBe(3);
    expect(costOf([{ tokens: 1, price: 1 }], { percent: 50, nanoUsd: nanoUsd(7) })).toBe(8);
  });
});

describe("a provider's dollars", () => {
  it.each([
    [0, 0],
    ['0', 0],
    [0.95, 950_000_000],
    ['12.000000001', 12_000_000_001],
    [1e-7, 100],
    ['1.5E-8', 15],
    ['1e-40', 1],
    ['2e3', 2_000_000_000_000],
    ['0.0000000001', 1],
    [9_000_000, MAX_NANO_USD],
  ])('%s is read exactly, and less than a nano-dollar rounded up', (text, nano) => {
    expect(parseProviderUsd(text)).toBe(nano);
  });

  it.each([
    undefined,
    null,
    {},
    [],
    true,
    '',
    ' 1',
    '-1',
    -1,
    '$1',
    '1,5',
    '.5',
    '1.',
    'NaN',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e22,
    '9000000.000000001',
    '1e99',
    '1e999',
    `0.${'1'.repeat(41)}`,
  ])('%s is no amount', (text) => {
    expect(parseProviderUsd(text)).toBeUndefined();
  });

  it('is the decimal that was sent, for any number of nano-dollars', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000_000 }), (nano) => {
        const text = `${Math.floor(nano / 1e9)}.${String(nano % 1e9).padStart(9, '0')}`;
        expect(parseProviderUsd(text)).toBe(nano);
        // A JSON number of so few digits has that very decimal as its shortest.
        expect(parseProviderUsd(Number(text))).toBe(nano);
      }),
    );
  });
});
