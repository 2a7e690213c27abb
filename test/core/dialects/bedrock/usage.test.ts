import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBedrockUsage } from '../../../../core/dialects/bedrock/usage.ts';

const whole = {
  inputTokens: 4,
  outputTokens: 120,
  totalTokens: 6_124,
  cacheReadInputTokens: 1_000,
  cacheWriteInputTokens: 5_000,
  cacheDetails: [
    { ttl: '1h', inputTokens: 2_000 },
    { ttl: '5m', inputTokens: 3_000 },
  ],
};

describe("Bedrock's usage", () => {
  it('is read class by class, with input that excludes the cache', () => {
    expect(parseBedrockUsage(whole, { serviceTier: 'flex' })).toEqual({
      inputTokens: 4,
      cachedInputTokens: 1_000,
      cacheWrite5mTokens: 3_000,
      cacheWrite1hTokens: 2_000,
      audioInputTokens: 0,
      outputTokens: 120,
      reasoningTokens: undefined,
      audioOutputTokens: 0,
      toolCalls: {},
      serviceTier: 'flex',
      raw: whole,
    });
  });

  it.each<[string, object, '5m' | '1h' | undefined, [number, number]]>([
    ['unsplit: the dearer', { cacheDetails: undefined }, undefined, [0, 5_000]],
    ['unsplit, five minutes asked for', { cacheDetails: [] }, '5m', [5_000, 0]],
    [
      'a duration nobody knows',
      { cacheDetails: [{ ttl: '24h', inputTokens: 5_000 }] },
      undefined,
      [0, 5_000],
    ],
    [
      'junk among the details',
      { cacheDetails: [null, { ttl: '5m', inputTokens: -4 }] },
      '5m',
      [5_000, 0],
    ],
  ])('splits writes: %s', (_what, change, longestCacheWrite, [short, long]) => {
    const asked = longestCacheWrite === undefined ? {} : { longestCacheWrite };
    const usage = parseBedrockUsage({ ...whole, ...change }, asked);
    expect(usage).toMatchObject({ cacheWrite5mTokens: short, cacheWrite1hTokens: long });
  });

  it.each([undefined, null, {}, { inputTokens: 5 }, { inputTokens: -5, outputTokens: 1 }])(
    'of %j is unknown',
    (raw) => {
      expect(parseBedrockUsage(raw)).toBeUndefined();
    },
  );

  it('never throws', () => {
    fc.assert(
      fc.property(fc.anything(), (junk) => void parseBedrockUsage(junk, { serviceTier: junk })),
    );
  });
});
