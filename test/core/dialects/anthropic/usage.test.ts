import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAnthropicUsage } from '../../../../core/dialects/anthropic/usage.ts';
import { mergeRawUsage } from '../../../../core/usage/merge-usage.ts';
import { totalInputTokens } from '../../../../core/usage/tokens.ts';

const whole = {
  input_tokens: 21,
  cache_read_input_tokens: 188_086,
  cache_creation_input_tokens: 556,
  cache_creation: { ephemeral_5m_input_tokens: 456, ephemeral_1h_input_tokens: 100 },
  output_tokens: 393,
  output_tokens_details: { thinking_tokens: 200 },
  server_tool_use: { web_search_requests: 2, web_fetch_requests: 7 },
  service_tier: 'standard',
};

describe("Anthropic's usage", () => {
  it('is read class by class', () => {
    expect(parseAnthropicUsage(whole)).toEqual({
      inputTokens: 21,
      cachedInputTokens: 188_086,
      cacheWrite5mTokens: 456,
      cacheWrite1hTokens: 100,
      audioInputTokens: 0,
      outputTokens: 393,
      reasoningTokens: 200,
      audioOutputTokens: 0,
      toolCalls: { web_search: 2 },
      serviceTier: 'standard',
      batch: false,
      raw: whole,
    });
  });

  it.each<[string, object, '5m' | '1h' | undefined, [number, number]]>([
    [
      'unsplit, nothing known of the request: the dearer',
      { cache_creation: null },
      undefined,
      [0, 556],
    ],
    ['unsplit, the request asked for an hour', { cache_creation: null }, '1h', [0, 556]],
    ['unsplit, the request asked for five minutes', { cache_creation: null }, '5m', [556, 0]],
    [
      'a split that leaves some open',
      { cache_creation: { ephemeral_5m_input_tokens: 56 } },
      undefined,
      [56, 500],
    ],
    [
      'a split of more than the total',
      { cache_creation: { ephemeral_5m_input_tokens: 600, ephemeral_1h_input_tokens: 1 } },
      undefined,
      [600, 1],
    ],
    ['a split without a total', { cache_creation_input_tokens: null }, undefined, [456, 100]],
    ['no writes', { cache_creation: null, cache_creation_input_tokens: 0 }, undefined, [0, 0]],
  ])('splits writes: %s', (_what, change, longestCacheWrite, [short, long]) => {
    const asked = longestCacheWrite === undefined ? {} : { longestCacheWrite };
    expect(parseAnthropicUsage({ ...whole, ...change }, asked)).toMatchObject({
      cacheWrite5mTokens: short,
      cacheWrite1hTokens: long,
    });
  });

  it.each<[string, object, object]>([
    ['the fast mode as a tier', { speed: 'fast' }, { serviceTier: 'fast' }],
    ['a batch', { service_tier: 'batch' }, { batch: true }],
    [
      'no thinking where none is told',
      { output_tokens_details: null },
      { reasoningTokens: undefined },
    ],
    [
      'no searches where none are told',
      { server_tool_use: null },
      { toolCalls: { web_search: 0 } },
    ],
    [
      'what compaction took, which the totals leave out',
      {
        iterations: [
          { type: 'compaction', input_tokens: 1_000, output_tokens: 50 },
          { type: 'message', input_tokens: 21 },
        ],
      },
      { inputTokens: 1_021, outputTokens: 443 },
    ],
  ])('reads %s', (_what, change, expected) => {
    expect(parseAnthropicUsage({ ...whole, ...change })).toMatchObject(expected);
  });

  it.each([
    undefined,
    null,
    {},
    { input_tokens: 5 },
    { output_tokens: 5 },
    { ...whole, input_tokens: -1 },
    { ...whole, output_tokens: '5' },
    { ...whole, output_tokens: 1e12 },
  ])('of %j is unknown', (raw) => {
    expect(parseAnthropicUsage(raw)).toBeUndefined();
  });

  it.each<[string, readonly unknown[], object]>([
    [
      'message_start and its last delta',
      [
        { ...whole, output_tokens: 1 },
        { output_tokens: 12 },
        { output_tokens: 393, input_tokens: null, cache_read_input_tokens: null },
      ],
      { inputTokens: 21, cachedInputTokens: 188_086, cacheWrite1hTokens: 100, outputTokens: 393 },
    ],
    [
      'an input that grew by what searches found',
      [
        { input_tokens: 2_679, output_tokens: 3 },
        { input_tokens: 10_682, output_tokens: 510, server_tool_use: { web_search_requests: 1 } },
      ],
      { inputTokens: 10_682, outputTokens: 510, toolCalls: { web_search: 1 } },
    ],
    [
      'a start of zeros and a delta that knows',
      [
        { input_tokens: 0, output_tokens: 0 },
        { input_tokens: 90, output_tokens: 8 },
      ],
      { inputTokens: 90, outputTokens: 8 },
    ],
    [
      'a delta that repeats zeros for what the start knew',
      [
        { input_tokens: 90, output_tokens: 1 },
        { input_tokens: 0, output_tokens: 8 },
      ],
      { inputTokens: 90, outputTokens: 8 },
    ],
    [
      'junk in the last delta',
      [{ input_tokens: 90, output_tokens: 8 }, { output_tokens: -1 }, null, 'x'],
      { inputTokens: 90, outputTokens: 8 },
    ],
  ])('of a stream: %s', (_what, parts, expected) => {
    const merged = parts.reduce<Readonly<Record<string, unknown>>>(
      (sum, part) => mergeRawUsage(sum, part),
      {},
    );
    expect(parseAnthropicUsage(merged)).toMatchObject(expected);
  });

  it('never loses a token of what was said to be written, and never throws', () => {
    const count = fc.oneof(fc.nat(5_000), fc.constantFrom(-1, 1.5, null, 'x'));
    const raw = fc.record({
      input_tokens: count,
      output_tokens: count,
      cache_read_input_tokens: count,
      cache_creation_input_tokens: fc.nat(5_000),
      cache_creation: fc.oneof(
        fc.record({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count }),
        fc.anything(),
      ),
      iterations: fc.anything(),
    });
    fc.assert(
      fc.property(raw, (reported) => {
        const usage = parseAnthropicUsage(reported);
        if (usage === undefined) return;
        const { inputTokens, cachedInputTokens } = usage;
        const written = totalInputTokens(usage) - inputTokens - cachedInputTokens;
        expect(written).toBeGreaterThanOrEqual(reported.cache_creation_input_tokens);
      }),
    );
    fc.assert(fc.property(fc.anything(), (junk) => void parseAnthropicUsage(junk)));
  });
});
