import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costOf, formatUsd, MAX_NANO_USD, nanoUsd, ZERO_USD } from '../../core/money.ts';

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

  it('beyond the exact range is refused instead of rounded', () => {
    expect(() => costOf([{ tokens: 1e9, price: 1e10 }])).toThrow(RangeError);
  });
});
