/** OpenAI's usage object, normalised: its cached and reasoning tokens are inside the totals. */
import * as z from 'zod/mini';
import type { TokenUsage } from '../../usage/tokens.ts';

const count = z.int().check(z.nonnegative());
const detail = z.optional(z.nullable(count));

const usageSchema = z.looseObject({
  prompt_tokens: count,
  completion_tokens: z.optional(z.nullable(count)),
  prompt_tokens_details: z.optional(z.nullable(z.looseObject({ cached_tokens: detail }))),
  completion_tokens_details: z.optional(z.nullable(z.looseObject({ reasoning_tokens: detail }))),
});

/** Undefined when there is no usage or it is not a sane one (negative, fractional, text): unknown, not 0. */
export function parseOpenAiUsage(raw: unknown): TokenUsage | undefined {
  // Most events of a stream carry a null, and a failed parse costs more than a good one.
  if (raw == null) return undefined;
  const parsed = usageSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details } =
    parsed.data;
  const cached = Math.min(prompt_tokens, prompt_tokens_details?.cached_tokens ?? 0);
  return {
    inputTokens: prompt_tokens - cached,
    cachedInputTokens: cached,
    outputTokens: completion_tokens ?? 0,
    reasoningTokens: completion_tokens_details?.reasoning_tokens ?? undefined,
  };
}
