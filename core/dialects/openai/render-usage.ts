/** Usage as chat completions tell it: the classes of input inside `prompt_tokens`, those of output inside `completion_tokens`. */
import { type TokenUsage, totalInputTokens, totalOutputTokens } from '../../usage/tokens.ts';

export interface ChatUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: Readonly<Record<string, number>>;
  readonly completion_tokens_details?: Readonly<Record<string, number>>;
}

export function renderChatUsage(usage: TokenUsage): ChatUsage {
  const { cacheWrite5mTokens, cacheWrite1hTokens, reasoningTokens, audioOutputTokens } = usage;
  const input = totalInputTokens(usage);
  const output = totalOutputTokens(usage);
  const ofOutput = {
    ...(reasoningTokens === undefined ? {} : { reasoning_tokens: reasoningTokens }),
    ...(audioOutputTokens ? { audio_tokens: audioOutputTokens } : {}),
  };
  const written = (cacheWrite5mTokens ?? 0) + (cacheWrite1hTokens ?? 0);
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: {
      cached_tokens: usage.cachedInputTokens,
      ...(written > 0 ? { cache_write_tokens: written } : {}),
      ...(usage.audioInputTokens ? { audio_tokens: usage.audioInputTokens } : {}),
    },
    ...(Object.keys(ofOutput).length === 0 ? {} : { completion_tokens_details: ofOutput }),
  };
}
