import { describe, expect, it } from 'vitest';
import { parseResponsesUsage } from '../../../../core/dialects/openai/responses-usage.ts';

const usage = {
  input_tokens: 328,
  input_tokens_details: { cached_tokens: 100, cache_write_tokens: 28 },
  output_tokens: 52,
  output_tokens_details: { reasoning_tokens: 40 },
  total_tokens: 380,
};

describe("OpenAI's responses usage", () => {
  it('is read from the whole answer', () => {
    expect(parseResponsesUsage({ usage, service_tier: 'priority', output: [] })).toEqual({
      inputTokens: 200,
      cachedInputTokens: 100,
      cacheWrite5mTokens: 28,
      cacheWrite1hTokens: 0,
      audioInputTokens: 0,
      outputTokens: 52,
      reasoningTokens: 40,
      audioOutputTokens: 0,
      toolCalls: { web_search: 0 },
      serviceTier: 'priority',
      reportedCost: undefined,
      raw: usage,
    });
  });

  it('counts the searches among its items, and a call that does not say what it did', () => {
    const output = [
      { type: 'web_search_call', action: { type: 'search', query: 'x' } },
      { type: 'web_search_call', action: { type: 'open_page', url: 'x' } },
      { type: 'web_search_call', action: { type: 'find_in_page', url: 'x' } },
      { type: 'web_search_call' },
      { type: 'message' },
      'junk',
      null,
    ];
    expect(parseResponsesUsage({ usage, output })?.toolCalls).toEqual({ web_search: 2 });
  });

  it.each([
    undefined,
    null,
    {},
    { usage: null },
    { usage: { input_tokens: 5 } },
    { usage: [] },
    'x',
  ])('of %j is unknown', (response) => {
    expect(parseResponsesUsage(response)).toBeUndefined();
  });
});
