import { type Answer, thinkingTokensOf, tokensOf } from '../answer.ts';

export function chatUsage({ choices, promptTokens, cachedTokens }: Answer) {
  return chatUsageSoFar(
    { promptTokens, cachedTokens },
    { tokens: tokensOf({ choices }), thinking: thinkingTokensOf({ choices }) },
  );
}

export function chatUsageSoFar(
  { promptTokens, cachedTokens }: Pick<Answer, 'promptTokens' | 'cachedTokens'>,
  { tokens, thinking }: { readonly tokens: number; readonly thinking: number },
) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: tokens,
    total_tokens: promptTokens + tokens,
    prompt_tokens_details: { cached_tokens: cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: thinking,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

export function responsesUsage({ choices, promptTokens, cachedTokens }: Answer) {
  const tokens = tokensOf({ choices });
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: tokens,
    output_tokens_details: { reasoning_tokens: thinkingTokensOf({ choices }) },
    total_tokens: promptTokens + tokens,
  };
}
