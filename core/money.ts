/**
 * Money is whole nano-dollars. Prices are whole micro-dollars per million tokens, so that
 * tokens x price is whole pico-dollars: all classes of tokens of a call are summed in
 * pico-dollars and rounded up once. No floating point touches an amount (ADR 0003).
 */
declare const nanoUsdBrand: unique symbol;

/** Whole nano-dollars (1e-9 USD); at most {@link MAX_NANO_USD}. */
export type NanoUsd = number & { readonly [nanoUsdBrand]: true };

/** Whole micro-dollars per million tokens: $2.50 per million is 2,500,000. */
type MicroUsdPerMillion = number;

/** The largest amount that stays exact in every language that reads it: about nine million dollars. */
export const MAX_NANO_USD = 9_000_000_000_000_000;

const NANO_DIGITS = 9;
const NANO_PER_USD = 1_000_000_000;
const PICO_PER_NANO = 1000n;

/** Brands whole nano-dollars. Throws RangeError for fractions and for amounts beyond the exact range. */
export function nanoUsd(amount: number): NanoUsd {
  if (!Number.isInteger(amount) || Math.abs(amount) > MAX_NANO_USD) {
    throw new RangeError(`not a whole amount of nano-dollars within ${MAX_NANO_USD}: ${amount}`);
  }
  return amount as NanoUsd;
}

export const ZERO_USD = nanoUsd(0);

export interface PricedTokens {
  readonly tokens: number;
  readonly price: MicroUsdPerMillion;
}

interface Terms {
  /** Whole percents of the prices of the tokens, such as 50 for half of them. */
  readonly percent?: number;
  /** What is billed besides tokens. */
  readonly nanoUsd?: NanoUsd;
}

/**
 * Cost of several classes of tokens, summed in pico-dollars and rounded up once to nano-dollars. What is
 * beyond the exact range is its largest amount, which no budget has: only a report of nonsense costs so much.
 */
export function costOf(
  classes: readonly PricedTokens[],
  { percent = 100, nanoUsd: besides = ZERO_USD }: Terms = {},
): NanoUsd {
  let pico = 0n;
  for (const { tokens, price } of classes) pico += BigInt(tokens) * BigInt(price);
  const scaled = pico * BigInt(percent);
  const unit = PICO_PER_NANO * 100n;
  const nano = (scaled + unit - 1n) / unit + BigInt(besides);
  return nanoUsd(nano > MAX_NANO_USD ? MAX_NANO_USD : Number(nano));
}

/**
 * Decimal dollars as a provider writes them, such as 0.00014 or "1.5e-7", in nano-dollars, rounded up.
 * Undefined when it is no sane amount. A number is taken by its shortest decimal, which is what was sent.
 */
export function parseProviderUsd(amount: unknown): NanoUsd | undefined {
  const text = typeof amount === 'number' ? String(amount) : amount;
  if (typeof text !== 'string') return undefined;
  const match = /^(\d{1,12})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/.exec(text);
  const [, whole = '', fraction = '', exponent = '0'] = match ?? [];
  if (whole === '') return undefined;
  const shift = NANO_DIGITS - fraction.length + Number(exponent);
  const digits = BigInt(whole + fraction);
  const unit = 10n ** BigInt(Math.abs(shift));
  const nano = shift >= 0 ? digits * unit : (digits + unit - 1n) / unit;
  return nano <= BigInt(MAX_NANO_USD) ? nanoUsd(Number(nano)) : undefined;
}

/** Decimal dollars, exact, without trailing zeros: 1_500_000_000 -> "1.5". */
export function formatUsd(amount: NanoUsd): string {
  const sign = amount < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(amount) / NANO_PER_USD);
  const fraction = String(Math.abs(amount) % NANO_PER_USD)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return fraction === '' ? `${sign}${whole}` : `${sign}${whole}.${fraction}`;
}
