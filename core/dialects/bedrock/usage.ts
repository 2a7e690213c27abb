/**
 * Bedrock Converse's usage, normalised. `inputTokens` excludes what was read from the cache and what was
 * written to it; reasoning is inside `outputTokens` and not told apart. There is no audio and no tool
 * that is billed by the call. Source: Amazon Bedrock API reference, "TokenUsage" and "CacheDetail".
 */
import * as z from 'zod/mini';
import {
  lenient,
  orElse,
  reportedCount,
  reportedText,
  splitCacheWrites,
} from '../../usage/counts.ts';
import type { TokenUsage } from '../../usage/tokens.ts';

const usageSchema = z.looseObject({
  inputTokens: reportedCount,
  outputTokens: reportedCount,
  cacheReadInputTokens: reportedCount,
  cacheWriteInputTokens: reportedCount,
  cacheDetails: lenient(
    z.array(orElse(z.looseObject({ ttl: reportedText, inputTokens: reportedCount }), {})),
  ),
});

type Detail = NonNullable<z.infer<typeof usageSchema>['cacheDetails']>[number];

interface AnswerAround {
  /** `serviceTier.type` of the response or of the stream's metadata. */
  readonly serviceTier?: unknown;
  /** The longest cache duration in the request; decides where the answer does not split its writes. */
  readonly longestCacheWrite?: '5m' | '1h';
}

/** Undefined when input or output is missing or not sane: unknown, not 0. */
export function parseBedrockUsage(
  raw: unknown,
  { serviceTier, longestCacheWrite }: AnswerAround = {},
): TokenUsage | undefined {
  const parsed = usageSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const { inputTokens, outputTokens, cacheReadInputTokens, cacheWriteInputTokens, cacheDetails } =
    parsed.data;
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  return {
    inputTokens,
    cachedInputTokens: cacheReadInputTokens ?? 0,
    ...splitCacheWrites({
      total: cacheWriteInputTokens,
      fiveMinutes: written(cacheDetails, '5m'),
      oneHour: written(cacheDetails, '1h'),
      longest: longestCacheWrite,
    }),
    audioInputTokens: 0,
    outputTokens,
    reasoningTokens: undefined,
    audioOutputTokens: 0,
    toolCalls: {},
    serviceTier: reportedText.parse(serviceTier),
    raw,
  };
}

function written(details: readonly Detail[] = [], duration: '5m' | '1h'): number {
  return details
    .filter(({ ttl }) => ttl === duration)
    .reduce((total, { inputTokens = 0 }) => total + inputTokens, 0);
}
