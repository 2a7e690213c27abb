/** Nano-dollars for people and files, without floating point. */

const NANO_PER_USD = 1_000_000_000n;
const NANO_PER_CENT = 10_000_000n;

/** All nine decimals: 1_980_000_000n -> "1.980000000". */
export function usdText(nanoUsd: bigint): string {
  const size = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  const fraction = String(size % NANO_PER_USD).padStart(9, '0');
  return `${nanoUsd < 0n ? '-' : ''}${size / NANO_PER_USD}.${fraction}`;
}

/** Rounded to cents, halves away from zero: "$1,234.50", "-$0.02"; what is less than half a cent is "under $0.01". */
export function usdForPeople(nanoUsd: bigint): string {
  const size = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  const cents = (size + NANO_PER_CENT / 2n) / NANO_PER_CENT;
  if (cents === 0n) return size === 0n ? '$0.00' : 'under $0.01';
  const whole = countForPeople(cents / 100n);
  return `${nanoUsd < 0n ? '-' : ''}$${whole}.${String(cents % 100n).padStart(2, '0')}`;
}

/** 1234567n -> "1,234,567". */
export function countForPeople(count: bigint): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
