/** Usage as Anthropic tells it: input without what the cache served or took, and the writes by their duration. */
import type { TokenUsage } from '../../usage/tokens.ts';

export interface AnthropicUsage {
  readonly input_tokens: number;
  readonly cache_creation_input_tokens: number;
  readonly cache_read_input_tokens: number;
  readonly cache_creation: {
    readonly ephemeral_5m_input_tokens: number;
    readonly ephemeral_1h_input_tokens: number;
  };
  readonly output_tokens: number;
  readonly output_tokens_details: { readonly thinking_tokens: number } | null;
  readonly server_tool_use: null;
  readonly service_tier: string | null;
}

export function renderAnthropicUsage(usage: TokenUsage): AnthropicUsage {
  const { cacheWrite5mTokens = 0, cacheWrite1hTokens = 0, reasoningTokens } = usage;
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: cacheWrite5mTokens + cacheWrite1hTokens,
    cache_read_input_tokens: usage.cachedInputTokens,
    cache_creation: {
      ephemeral_5m_input_tokens: cacheWrite5mTokens,
      ephemeral_1h_input_tokens: cacheWrite1hTokens,
    },
    output_tokens: usage.outputTokens,
    output_tokens_details:
      reasoningTokens === undefined ? null : { thinking_tokens: reasoningTokens },
    server_tool_use: null,
    service_tier: usage.serviceTier ?? null,
  };
}
