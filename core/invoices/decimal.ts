/** Amounts as invoices write them: decimal texts of any length, signed, perhaps with an exponent. No floating point. */
import { MAX_NANO_USD } from '../money.ts';

/** Undefined for what is no decimal. */
export function parseDecimal(text: string): Decimal | undefined {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^([+-]?)(\d{1,15})(?:\.(\d{0,60}))?(?:[eE]([+-]?\d{1,2}))?$/.exec(text.trim()) ?? [];
  if (whole === '') return undefined;
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  return { digits, scale: fraction.length - Number(exponent) };
}

/** `digits` divided by ten to the `scale`. */
export interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, scale: a.scale + b.scale };
}

/** Whole nano-units, rounded half away from zero; undefined beyond the exact range. `unit` 9 is of ones, 7 of hundredths. */
export function toNano({ digits, scale }: Decimal, unit = 9): number | undefined {
  const shift = unit - scale;
  const nano = shift >= 0 ? digits * 10n ** BigInt(shift) : rounded(digits, 10n ** BigInt(-shift));
  const size = nano < 0n ? -nano : nano;
  return size > BigInt(MAX_NANO_USD) ? undefined : Number(nano);
}

function rounded(value: bigint, by: bigint): bigint {
  const half = value < 0n ? -by / 2n : by / 2n;
  return (value + half) / by;
}
