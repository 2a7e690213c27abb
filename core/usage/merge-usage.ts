/** What holds when a provider reports usage more than once in one answer. */
import { MAX_REPORTED, type TokenUsage, totalInputTokens, totalOutputTokens } from './tokens.ts';

/**
 * Reports that are whole each time (OpenAI's chunks, Bedrock's metadata): the last one counts. A later
 * one of nothing at all is a placeholder and takes nothing back.
 */
export function mergeUsage(
  earlier: TokenUsage | undefined,
  later: TokenUsage | undefined,
): TokenUsage | undefined {
  if (later === undefined || (earlier !== undefined && isEmpty(later))) return earlier;
  return later;
}

function isEmpty(usage: TokenUsage): boolean {
  return totalInputTokens(usage) + totalOutputTokens(usage) === 0;
}

type RawUsage = Readonly<Record<string, unknown>>;

/** Usage objects hold their details one level down; nothing deeper is a count. */
const LEVELS = 2;

/**
 * Reports in parts (Anthropic's message_start, then cumulative message_deltas): of each field the last
 * sane value counts. Nulls and junk take nothing back; neither does a 0, since what was counted once
 * stays counted.
 */
export function mergeRawUsage(earlier: RawUsage, later: unknown, levels = LEVELS): RawUsage {
  if (!isRecord(later) || levels === 0) return earlier;
  const merged = new Map(Object.entries(earlier));
  for (const [field, value] of Object.entries(later)) {
    merged.set(field, mergedValue(merged.get(field), value, levels));
  }
  return Object.fromEntries(merged);
}

function mergedValue(earlier: unknown, later: unknown, levels: number): unknown {
  if (earlier == null) return later;
  if (isRecord(earlier)) return mergeRawUsage(earlier, later, levels - 1);
  if (isCount(later)) return later > 0 || !isCount(earlier) ? later : earlier;
  return isCount(earlier) || later === null || typeof later !== typeof earlier ? earlier : later;
}

function isCount(value: unknown): value is number {
  const isWhole = typeof value === 'number' && Number.isInteger(value);
  return isWhole && value >= 0 && value <= MAX_REPORTED;
}

function isRecord(value: unknown): value is RawUsage {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
