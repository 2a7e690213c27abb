import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Price, PriceCard } from '../../../core/catalog/snapshot.ts';
import { nanoUsd } from '../../../core/money.ts';
import { costOfUsage, dearestCost } from '../../../core/usage/cost.ts';
import {
  type TokenUsage,
  totalInputTokens,
  totalOutputTokens,
} from '../../../core/usage/tokens.ts';
import { price, usage } from './arbitraries.ts';

const NONE: TokenUsage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};
const MILLION = 1_000_000;

/** Nano-dollars of a million tokens of one class at a price. */
function costOfMillion(tokens: Partial<TokenUsage>, at: Partial<Price>): number {
  return costOfUsage(
    { ...NONE, ...tokens },
    { version: 'v', input: 3 * MILLION, output: 15 * MILLION, ...at },
  );
}

/** The cost as a fraction, told again in plain arithmetic: [numerator, denominator] in nano-dollars. */
function trueCost(of: TokenUsage, at: Price): [bigint, bigint] {
  const read = totalInputTokens(of);
  let card: PriceCard = at;
  for (const tier of at.contextTiers ?? []) if (read > tier.aboveInputTokens) card = tier;
  const short = card.cacheWrite5m ?? card.cacheWrite1h ?? card.input;
  const long = card.cacheWrite1h ?? (short > card.input ? Math.max(2 * card.input, short) : short);
  const reasoning = card.reasoning ?? card.output;
  const reasoned = of.reasoningTokens ?? (reasoning > card.output ? of.outputTokens : 0);
  const lines: [number, number][] = [
    [of.inputTokens, card.input],
    [of.cachedInputTokens, card.cachedInput ?? card.input],
    [of.cacheWrite5mTokens ?? 0, short],
    [of.cacheWrite1hTokens ?? 0, long],
    [of.audioInputTokens ?? 0, card.audioInput ?? card.input],
    [of.outputTokens - reasoned, card.output],
    [reasoned, reasoning],
    [of.audioOutputTokens ?? 0, card.audioOutput ?? card.output],
  ];
  const pico = lines.reduce((sum, [tokens, rate]) => sum + BigInt(tokens) * BigInt(rate), 0n);
  const listed = new Map(Object.entries(at.serviceTiers ?? {}));
  const tier = of.batch === true ? 'batch' : (of.serviceTier ?? 'default');
  const dearest = Math.max(100, ...listed.values());
  const percent = tier === 'default' ? 100 : (listed.get(tier) ?? dearest);
  const searches = BigInt(of.toolCalls?.web_search ?? 0);
  const perSearch = BigInt(at.toolCalls?.web_search ?? 35_000_000);
  return [pico * BigInt(percent) + searches * perSearch * 100_000n, 100_000n];
}

describe('the cost of a usage', () => {
  it('is exact over all classes, tiers and tools, and rounded up once', () => {
    fc.assert(
      fc.property(usage, price, (of, at) => {
        const [numerator, denominator] = trueCost(of, at);
        fc.pre(numerator / denominator < 8_000_000_000_000_000n);
        const cost = BigInt(costOfUsage(of, at));
        expect(cost * denominator >= numerator).toBe(true);
        expect((cost - 1n) * denominator < numerator).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('of 10,000 employees x 100 queries x 3,000 tokens at $0.003 per 1,000 is $9,000', () => {
    const perCall = costOfUsage(
      { ...NONE, inputTokens: 3_000 },
      { version: 'v', input: 3_000_000, output: 0 },
    );
    expect(perCall * 10_000 * 100).toBe(9_000 * 1e9);
  });

  it('is nothing on a free route', () => {
    expect(costOfUsage({ ...NONE, inputTokens: 5 }, undefined)).toBe(0);
  });

  it.each<[string, Partial<TokenUsage>, Partial<Price>, number]>([
    ['cached input like input', { cachedInputTokens: MILLION }, {}, 3e9],
    ['writes like input where writes have no price', { cacheWrite5mTokens: MILLION }, {}, 3e9],
    ['long writes like input where writes have no price', { cacheWrite1hTokens: MILLION }, {}, 3e9],
    ['short writes at the long price', { cacheWrite5mTokens: MILLION }, { cacheWrite1h: 6e6 }, 6e9],
    [
      'long writes at twice the input where short ones cost extra',
      { cacheWrite1hTokens: MILLION },
      { cacheWrite5m: 3_750_000 },
      6e9,
    ],
    [
      'long writes like short ones that cost no extra',
      { cacheWrite1hTokens: MILLION },
      { cacheWrite5m: 3_000_000 },
      3e9,
    ],
    ['audio input like input', { audioInputTokens: MILLION }, {}, 3e9],
    ['audio output like output', { audioOutputTokens: MILLION }, {}, 15e9],
    [
      'reasoning of unknown size at the dearer price',
      { outputTokens: MILLION, reasoningTokens: undefined },
      { reasoning: 20_000_000 },
      20e9,
    ],
    [
      'reasoning of unknown size never at a cheaper price',
      { outputTokens: MILLION, reasoningTokens: undefined },
      { reasoning: 3_000_000 },
      15e9,
    ],
    ['a search at the dearest known list price', { toolCalls: { web_search: 2 } }, {}, 70_000_000],
    [
      'a search at its price',
      { toolCalls: { web_search: 2 } },
      { toolCalls: { web_search: 1e7 } },
      2e7,
    ],
    [
      'half in a batch',
      { outputTokens: MILLION, batch: true },
      { serviceTiers: { batch: 50 } },
      7.5e9,
    ],
    [
      'flex by its percents',
      { outputTokens: MILLION, serviceTier: 'flex' },
      { serviceTiers: { flex: 50 } },
      7.5e9,
    ],
    [
      'an unknown tier at the dearest',
      { outputTokens: MILLION, serviceTier: 'turbo' },
      { serviceTiers: { flex: 50, priority: 200 } },
      30e9,
    ],
    [
      'an unknown tier never under the standard',
      { outputTokens: MILLION, serviceTier: 'turbo' },
      { serviceTiers: { flex: 50 } },
      15e9,
    ],
    [
      'the standard tier plainly',
      { outputTokens: MILLION, serviceTier: 'default' },
      { serviceTiers: { priority: 200 } },
      15e9,
    ],
  ])('bills %s', (_what, tokens, at, nano) => {
    expect(costOfMillion(tokens, at)).toBe(nano);
  });

  it('bills the whole call at the context tier that its whole input is above, and not at the edge', () => {
    const at = {
      contextTiers: [{ aboveInputTokens: 200_000, input: 6 * MILLION, output: 22 * MILLION }],
    };
    const call = { inputTokens: 50_000, cachedInputTokens: 100_000, cacheWrite1hTokens: 50_000 };
    expect(costOfMillion({ ...call, outputTokens: MILLION }, at)).toBe(0.6e9 + 15e9);
    expect(costOfMillion({ ...call, inputTokens: 50_001, outputTokens: MILLION }, at)).toBe(
      6_000 * 200_001 + 22e9,
    );
  });

  it("is the provider's own figure only where the price trusts it", () => {
    const of = { outputTokens: MILLION, reportedCost: nanoUsd(42) };
    expect(costOfMillion(of, { trustsProviderCost: true })).toBe(42);
    expect(costOfMillion(of, {})).toBe(15e9);
    expect(costOfMillion({ outputTokens: MILLION }, { trustsProviderCost: true })).toBe(15e9);
  });
});

describe('the most that a call can cost', () => {
  it('is never under the cost of any usage within it', () => {
    fc.assert(
      fc.property(usage, price, fc.nat(5_000), fc.nat(3), (of, at, slack, spare) => {
        const [numerator, denominator] = trueCost(of, at);
        fc.pre(numerator / denominator < 1_000_000_000_000_000n);
        const bound = {
          inputTokens: totalInputTokens(of) + slack,
          outputTokens: totalOutputTokens(of) + slack,
          webSearches: (of.toolCalls?.web_search ?? 0) + spare,
          audio: true,
        };
        expect(dearestCost(bound, at)).toBeGreaterThanOrEqual(costOfUsage(of, at));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is never under the cost of a usage of the classes that the request left possible', () => {
    const narrow = fc.constantFrom<'none' | '5m' | '1h'>('none', '5m', '1h');
    fc.assert(
      fc.property(usage, price, narrow, (whole, at, cacheWrites) => {
        const of: TokenUsage = {
          ...whole,
          audioInputTokens: 0,
          audioOutputTokens: 0,
          toolCalls: {},
          ...(cacheWrites === '1h' ? {} : { cacheWrite1hTokens: 0 }),
          ...(cacheWrites === 'none' ? { cacheWrite5mTokens: 0 } : {}),
        };
        const bound = {
          inputTokens: totalInputTokens(of),
          outputTokens: totalOutputTokens(of),
          cacheWrites,
        };
        fc.pre(trueCost(of, at)[0] < 10n ** 20n);
        expect(dearestCost(bound, at)).toBeGreaterThanOrEqual(costOfUsage(of, at));
      }),
    );
  });

  it('counts a long cache write unless the request cannot cause one', () => {
    const at = { version: 'v', input: 3e6, cacheWrite5m: 3.75e6, cacheWrite1h: 6e6, output: 0 };
    const bound = { inputTokens: MILLION, outputTokens: 0 };
    expect(dearestCost(bound, at)).toBe(6e9);
    expect(dearestCost({ ...bound, cacheWrites: '5m' }, at)).toBe(3.75e9);
    expect(dearestCost({ ...bound, cacheWrites: 'none' }, at)).toBe(3e9);
  });
});
