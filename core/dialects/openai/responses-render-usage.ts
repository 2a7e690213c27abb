/** Usage as the Responses dialect tells it: cached, written and reasoning tokens are inside the totals. */
import { type TokenUsage, totalInputTokens, totalOutputTokens } from '../../usage/tokens.ts';

/** The dialect has no word for unknown: details that the provider did not tell are zeros there. */
export function renderResponsesUsage(usage: TokenUsage): Readonly<Record<string, unknown>> {
  const { cacheWrite5mTokens = 0, cacheWrite1hTokens = 0 } = usage;
  const input = totalInputTokens(usage);
  const output = totalOutputTokens(usage);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cachedInputTokens,
      cache_write_tokens: cacheWrite5mTokens + cacheWrite1hTokens,
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: input + output,
  };
}
