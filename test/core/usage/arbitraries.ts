/** Random usages and prices, for properties about money. */
import * as fc from 'fast-check';
import type { Price } from '../../../core/catalog/snapshot.ts';
import { nanoUsd } from '../../../core/money.ts';
import type { TokenUsage } from '../../../core/usage/tokens.ts';

const tokens = fc.oneof(fc.nat(2_000), fc.nat(10_000_000));
const rate = fc.oneof(fc.nat(100), fc.nat(200_000_000));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const card = fc.record(
  {
    input: rate,
    cachedInput: rate,
    cacheWrite5m: rate,
    cacheWrite1h: rate,
    audioInput: rate,
    output: rate,
    reasoning: rate,
    audioOutput: rate,
  },
  { requiredKeys: ['input', 'output'] },
);

const tiers = fc
  .uniqueArray(fc.tuple(fc.nat(1_000_000), card), { maxLength: 3, selector: ([above]) => above })
  .map((found) =>
    found
      .toSorted(([a], [b]) => a - b)
      .map(([aboveInputTokens, prices]) => ({ aboveInputTokens, ...prices })),
  );

const tierName = fc.constantFrom(
  'flex',
  'priority',
  'batch',
  'default',
  'unheard-of',
  'constructor',
);

export const price: fc.Arbitrary<Price> = fc
  .record({
    prices: card,
    contextTiers: maybe(tiers),
    serviceTiers: maybe(
      fc.dictionary(tierName, fc.integer({ min: 1, max: 600 }), { noNullPrototype: true }),
    ),
    webSearch: maybe(fc.nat(50_000_000)),
  })
  .map(({ prices, contextTiers, serviceTiers, webSearch }) => ({
    version: 'v',
    ...prices,
    ...(contextTiers === undefined ? {} : { contextTiers }),
    ...(serviceTiers === undefined ? {} : { serviceTiers }),
    ...(webSearch === undefined ? {} : { toolCalls: { web_search: webSearch } }),
  }));

export const usage: fc.Arbitrary<TokenUsage> = fc
  .record({
    inputTokens: tokens,
    cachedInputTokens: tokens,
    cacheWrite5mTokens: maybe(tokens),
    cacheWrite1hTokens: maybe(tokens),
    audioInputTokens: maybe(tokens),
    outputTokens: tokens,
    audioOutputTokens: maybe(tokens),
    reasoningShare: maybe(fc.integer({ min: 0, max: 100 })),
    toolCalls: maybe(fc.record({ web_search: fc.nat(20) })),
    serviceTier: maybe(tierName),
    batch: maybe(fc.boolean()),
    reportedCost: maybe(fc.nat(1_000_000).map(nanoUsd)),
  })
  .map(({ reasoningShare, ...rest }) => ({
    ...rest,
    reasoningTokens:
      reasoningShare === undefined
        ? undefined
        : Math.floor((rest.outputTokens * reasoningShare) / 100),
  }));
