/**
 * Reading what providers report, leniently: one field of junk is lost and the rest is kept, because half
 * a bill is better known than none. A count that is negative, fractional, text or absurd is unknown.
 */
import * as z from 'zod/mini';
import { MAX_REPORTED, type TokenUsage } from './tokens.ts';

/** What `schema` reads, or undefined. */
export function lenient<T extends z.ZodMiniType>(schema: T) {
  return z.optional(orElse(z.optional(schema), undefined));
}

/** What `schema` reads, or `instead`. Not `z.catch`, which keeps 7 kB of zod in the proxy: it names a module as a whole. */
export function orElse<T extends z.ZodMiniType>(schema: T, instead: z.output<T>) {
  const read = (value: unknown): z.output<T> => {
    const parsed = schema.safeParse(value);
    return parsed.success ? parsed.data : instead;
  };
  return z.pipe(z.unknown(), z.transform(read));
}

/** As {@link reportedCount}, where a schema would cost more than all else that is done with the report. */
export function countOf(value: unknown): number | undefined {
  const isCount =
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_REPORTED;
  return isCount ? value : undefined;
}

/** As {@link reportedText}. */
export function textOf(value: unknown): string | undefined {
  const isText = typeof value === 'string' && value !== '' && value.length <= MAX_TEXT;
  return isText ? value : undefined;
}

const MAX_TEXT = 64;
export const reportedCount = lenient(z.int().check(z.minimum(0), z.maximum(MAX_REPORTED)));
export const reportedText = lenient(z.string().check(z.minLength(1), z.maxLength(MAX_TEXT)));

interface CacheWriteReport {
  readonly total: number | undefined;
  readonly fiveMinutes: number | undefined;
  readonly oneHour: number | undefined;
  /** The longest that the request asked for; unknown counts as an hour, which is the dearer. */
  readonly longest?: '5m' | '1h' | undefined;
}

type CacheWriteTokens = Pick<TokenUsage, 'cacheWrite5mTokens' | 'cacheWrite1hTokens'>;

/** Cache writes by duration. What the provider's split leaves open goes to the longest that was asked for. */
export function splitCacheWrites({
  total,
  fiveMinutes = 0,
  oneHour = 0,
  longest = '1h',
}: CacheWriteReport): CacheWriteTokens {
  const open = Math.max(0, (total ?? 0) - fiveMinutes - oneHour);
  return {
    cacheWrite5mTokens: fiveMinutes + (longest === '5m' ? open : 0),
    cacheWrite1hTokens: oneHour + (longest === '1h' ? open : 0),
  };
}
