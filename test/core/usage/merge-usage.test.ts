import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeRawUsage, mergeUsage } from '../../../core/usage/merge-usage.ts';
import type { TokenUsage } from '../../../core/usage/tokens.ts';

function usageOf(inputTokens: number, outputTokens: number): TokenUsage {
  return { inputTokens, cachedInputTokens: 0, outputTokens, reasoningTokens: undefined };
}

describe('whole reports', () => {
  it.each([
    ['takes the last one', [usageOf(5, 1), usageOf(5, 9)], usageOf(5, 9)],
    ['takes a correction downwards', [usageOf(50, 9), usageOf(5, 9)], usageOf(5, 9)],
    ['keeps what was known when a later one is missing', [usageOf(5, 1), undefined], usageOf(5, 1)],
    [
      'keeps what was known when a later one is empty',
      [usageOf(5, 1), usageOf(0, 0)],
      usageOf(5, 1),
    ],
    ['takes an empty one when it is all there is', [usageOf(0, 0)], usageOf(0, 0)],
    ['knows nothing of nothing', [undefined, undefined], undefined],
  ])('%s', (_what, reports, merged) => {
    expect(reports.reduce<TokenUsage | undefined>(mergeUsage, undefined)).toEqual(merged);
  });
});

describe('reports in parts', () => {
  const start = {
    input_tokens: 10,
    output_tokens: 1,
    cache_creation: { ephemeral_5m_input_tokens: 7, ephemeral_1h_input_tokens: 0 },
    service_tier: 'standard',
  };

  it.each<[string, unknown, object]>([
    ['takes what is said later', { output_tokens: 25 }, { output_tokens: 25 }],
    ['takes a grown input', { input_tokens: 900 }, { input_tokens: 900 }],
    [
      'adds fields',
      { server_tool_use: { web_search_requests: 2 } },
      { server_tool_use: { web_search_requests: 2 } },
    ],
    ['keeps against null', { input_tokens: null, cache_creation: null }, {}],
    ['keeps against zero', { input_tokens: 0, output_tokens: 0 }, {}],
    ['keeps against a negative count', { input_tokens: -4 }, {}],
    ['keeps against a fraction', { output_tokens: 2.5 }, {}],
    ['keeps against text', { output_tokens: '25' }, {}],
    ['keeps against an absurd number', { output_tokens: 1e300 }, {}],
    ['keeps against one more than any call has', { output_tokens: 100_000_001 }, {}],
    ['keeps against a list', [1, 2], {}],
    ['keeps against nothing', undefined, {}],
    [
      'merges inside',
      { cache_creation: { ephemeral_1h_input_tokens: 3 } },
      { cache_creation: { ephemeral_5m_input_tokens: 7, ephemeral_1h_input_tokens: 3 } },
    ],
  ])('%s', (_what, later, change) => {
    expect(mergeRawUsage(start, later)).toEqual({ ...start, ...change });
  });

  it('takes a zero where nothing was known', () => {
    expect(mergeRawUsage({ input_tokens: null }, { input_tokens: 0 })).toEqual({ input_tokens: 0 });
  });

  it('changes nothing when a report is repeated, and is never shaken by junk', () => {
    fc.assert(
      fc.property(fc.object(), fc.anything(), (first, second) => {
        const merged = mergeRawUsage(first, second);
        expect(mergeRawUsage(merged, merged)).toEqual(merged);
      }),
    );
  });

  it('sets no prototype', () => {
    const merged = mergeRawUsage({}, JSON.parse('{"__proto__": {"input_tokens": 5}}'));
    expect(Reflect.get(merged, 'input_tokens')).toBeUndefined();
  });

  it('outlives a report of a depth that no bill has', () => {
    const deep = JSON.parse(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`);
    expect(() => mergeRawUsage(mergeRawUsage({}, deep), deep)).not.toThrow();
  });
});
