/**
 * Human units of the policy file, read exactly: the text's own digits are scaled as integers, so no
 * amount ever passes through floating point. A text that is not an exact whole number of the target
 * unit is no value (undefined), never a rounded one.
 */
import { MAX_NANO_USD } from '../money.ts';

/** Powers of ten that a count or an amount may carry as its last letter. */
const MAGNITUDES = { K: 3, M: 6, B: 9 } as const;

const MS_PER_UNIT = { ms: 1n, s: 1000n, m: 60_000n, h: 3_600_000n } as const;

/** Groups are of three digits, so that a decimal comma ("1,5") is refused instead of read as fifteen. */
const DECIMAL = /^(\d{1,3}(?:[,_]\d{3})+|\d+)(?:\.(\d+))?$/;

const LONGEST_NUMBER = 40;

/** "50K", "1.5M", "2,000" -> a whole count. */
export function parseCount(text: string): number | undefined {
  return safeInteger(scaledAmount(text, 0));
}

/** "$50,000", "1_000.50", "$2K" -> nano-dollars. */
export function parseNanoUsd(text: string): number | undefined {
  const nano = scaledAmount(withoutDollar(text), 9);
  return nano !== undefined && nano <= BigInt(MAX_NANO_USD) ? Number(nano) : undefined;
}

/** "$0.25", "10" (dollars per million tokens) -> micro-dollars per million tokens. */
export function parsePrice(text: string): number | undefined {
  return safeInteger(scaledDecimal(withoutDollar(text), 6));
}

/** "500ms", "15s", "1.5m", "1h" -> milliseconds. */
export function parseDurationMs(text: string): number | undefined {
  const [, amount = '', unit = ''] = /^([\d.,_]+) ?(ms|s|m|h)$/.exec(text) ?? [];
  if (!isKeyOf(MS_PER_UNIT, unit)) return undefined;
  const thousandths = scaledDecimal(amount, 3);
  if (thousandths === undefined) return undefined;
  const scaled = thousandths * MS_PER_UNIT[unit];
  return scaled % 1000n === 0n ? safeInteger(scaled / 1000n) : undefined;
}

function scaledAmount(text: string, exponent: number): bigint | undefined {
  const letter = text.slice(-1);
  if (!isKeyOf(MAGNITUDES, letter)) return scaledDecimal(text, exponent);
  return scaledDecimal(text.slice(0, -1), exponent + MAGNITUDES[letter]);
}

/** The decimal times 10^exponent, or undefined when the text is no decimal or digits would be lost. */
function scaledDecimal(text: string, exponent: number): bigint | undefined {
  if (text.length > LONGEST_NUMBER) return undefined;
  const [, whole, rawFraction = ''] = DECIMAL.exec(text) ?? [];
  const fraction = rawFraction.replace(/0+$/, '');
  if (whole === undefined || fraction.length > exponent) return undefined;
  return BigInt(whole.replace(/[,_]/g, '') + fraction.padEnd(exponent, '0'));
}

function safeInteger(value: bigint | undefined): number | undefined {
  return value !== undefined && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : undefined;
}

function withoutDollar(text: string): string {
  return text.startsWith('$') ? text.slice(1) : text;
}

function isKeyOf<T extends object>(record: T, key: PropertyKey): key is keyof T {
  return Object.hasOwn(record, key);
}
