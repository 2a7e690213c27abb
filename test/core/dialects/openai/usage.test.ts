import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEmbeddingsUsage, parseOpenAiUsage } from '../../../../core/dialects/openai/usage.ts';
import { totalInputTokens, totalOutputTokens } from '../../../../core/usage/tokens.ts';

const NOTHING_ELSE = {
  cachedInputTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  audioInputTokens: 0,
  audioOutputTokens: 0,
};

describe("OpenAI's chat usage", () => {
  it.each<[string, object, object]>([
    [
      'takes the cached and written tokens out of the prompt (gpt-5.6 bills writes)',
      {
        prompt_tokens: 2_000,
        completion_tokens: 300,
        total_tokens: 2_300,
        prompt_tokens_details: { cached_tokens: 1_024, cache_write_tokens: 512, audio_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 192, audio_tokens: 0 },
      },
      {
        inputTokens: 464,
        cachedInputTokens: 1_024,
        cacheWrite5mTokens: 512,
        outputTokens: 300,
        reasoningTokens: 192,
      },
    ],
    [
      'takes audio out of text',
      {
        prompt_tokens: 100,
        completion_tokens: 60,
        prompt_tokens_details: { audio_tokens: 40, cached_tokens: 10 },
        completion_tokens_details: { audio_tokens: 45 },
      },
      {
        inputTokens: 50,
        cachedInputTokens: 10,
        audioInputTokens: 40,
        outputTokens: 15,
        audioOutputTokens: 45,
      },
    ],
    [
      'keeps accepted and rejected predictions in the output, as they are billed',
      {
        prompt_tokens: 10,
        completion_tokens: 90,
        total_tokens: 100,
        completion_tokens_details: {
          accepted_prediction_tokens: 30,
          rejected_prediction_tokens: 20,
        },
      },
      { inputTokens: 10, outputTokens: 90, reasoningTokens: undefined },
    ],
    [
      'adds reasoning that xAI counts outside the completion',
      {
        prompt_tokens: 10_120,
        completion_tokens: 1_499,
        total_tokens: 14_428,
        prompt_tokens_details: { cached_tokens: 128 },
        completion_tokens_details: { reasoning_tokens: 2_809 },
      },
      { inputTokens: 9_992, cachedInputTokens: 128, outputTokens: 4_308, reasoningTokens: 2_809 },
    ],
    [
      'adds reasoning that cannot be inside the completion where no total tells',
      {
        prompt_tokens: 12,
        completion_tokens: 1,
        completion_tokens_details: { reasoning_tokens: 386 },
      },
      { inputTokens: 12, outputTokens: 387, reasoningTokens: 386 },
    ],
    [
      "adds what only the total tells (Gemini's thoughts)",
      { prompt_tokens: 8, completion_tokens: 20, total_tokens: 1_028 },
      { inputTokens: 8, outputTokens: 1_020, reasoningTokens: undefined },
    ],
    [
      'leaves reasoning inside where the total says so',
      {
        prompt_tokens: 8,
        completion_tokens: 20,
        total_tokens: 28,
        completion_tokens_details: { reasoning_tokens: 15 },
      },
      { inputTokens: 8, outputTokens: 20, reasoningTokens: 15 },
    ],
    [
      "reads DeepSeek's name for cached tokens",
      {
        prompt_tokens: 30,
        completion_tokens: 2,
        prompt_cache_hit_tokens: 20,
        prompt_cache_miss_tokens: 10,
      },
      { inputTokens: 10, cachedInputTokens: 20 },
    ],
    [
      "reads Moonshot's name for cached tokens",
      { prompt_tokens: 30, completion_tokens: 2, cached_tokens: 20 },
      { inputTokens: 10, cachedInputTokens: 20 },
    ],
    [
      'finds the output in the total',
      { prompt_tokens: 30, completion_tokens: null, total_tokens: 50 },
      { inputTokens: 30, outputTokens: 20 },
    ],
    [
      'finds the input in the total',
      { prompt_tokens: '30', completion_tokens: 20, total_tokens: 50 },
      { inputTokens: 30, outputTokens: 20 },
    ],
    [
      'loses only the detail that is junk',
      {
        prompt_tokens: 30,
        completion_tokens: 20,
        prompt_tokens_details: {
          cached_tokens: -5,
          cache_write_tokens: 'many',
          audio_tokens: null,
        },
        completion_tokens_details: [],
      },
      { inputTokens: 30, outputTokens: 20, ...NOTHING_ELSE, reasoningTokens: undefined },
    ],
    [
      'never counts more than the whole when parts overlap, and cuts the cheapest',
      {
        prompt_tokens: 100,
        completion_tokens: 0,
        prompt_tokens_details: { cached_tokens: 90, cache_write_tokens: 60 },
      },
      { inputTokens: 0, cachedInputTokens: 40, cacheWrite5mTokens: 60 },
    ],
  ])('%s', (_what, raw, expected) => {
    expect(parseOpenAiUsage(raw)).toMatchObject(expected);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'usage'],
    ['a list', []],
    ['an empty object', {}],
    ['only an input', { prompt_tokens: 5 }],
    ['only an output', { completion_tokens: 5 }],
    ['only a total', { total_tokens: 5 }],
    ['a negative input', { prompt_tokens: -1, completion_tokens: 5 }],
    ['a fraction', { prompt_tokens: 1.5, completion_tokens: 5 }],
    ['NaN', { prompt_tokens: Number.NaN, completion_tokens: 5 }],
    ['a text', { prompt_tokens: '12', completion_tokens: 5 }],
    ['an absurd number', { prompt_tokens: 1e300, completion_tokens: 5 }],
    ['a total under its part', { prompt_tokens: 12, total_tokens: 5 }],
  ])('of %s is unknown', (_what, raw) => {
    expect(parseOpenAiUsage(raw)).toBeUndefined();
  });

  it("keeps the provider's object and its tier", () => {
    const raw = { prompt_tokens: 1, completion_tokens: 1, vendor: { extra: true } };
    expect(parseOpenAiUsage(raw, 'flex')).toMatchObject({ raw, serviceTier: 'flex' });
    expect(parseOpenAiUsage(raw, { no: 'text' })?.serviceTier).toBeUndefined();
  });

  it.each<[string, object, number | undefined]>([
    ["OpenRouter's dollars", { cost: 0.00014 }, 140_000],
    ['dollars in scientific notation', { cost: 1.5e-7 }, 150],
    ['dollars as text', { cost: '0.000000001' }, 1],
    ['less than a nano-dollar, rounded up', { cost: 1e-12 }, 1],
    ["xAI's ticks", { cost_in_usd_ticks: 232_856_001 }, 23_285_601],
    [
      "no dollars with the caller's own key, whose bill comes from elsewhere",
      { cost: 0.001, is_byok: true },
      undefined,
    ],
    ['no negative dollars', { cost: -1 }, undefined],
    ['no infinite dollars', { cost: Number.POSITIVE_INFINITY }, undefined],
    ['no text that is no decimal', { cost: '$1' }, undefined],
    ['no amount beyond all budgets', { cost: 1e15 }, undefined],
  ])('reads %s', (_what, cost, expected) => {
    const raw = { prompt_tokens: 1, completion_tokens: 1, ...cost };
    expect(parseOpenAiUsage(raw)?.reportedCost).toBe(expected);
  });

  const count = fc.oneof(fc.nat(5_000), fc.constantFrom(-1, 0.5, Number.NaN, 1e300, '7', null));
  const anyUsage = fc.record(
    {
      prompt_tokens: count,
      completion_tokens: count,
      total_tokens: count,
      prompt_tokens_details: fc.oneof(
        fc.record({ cached_tokens: count, cache_write_tokens: count, audio_tokens: count }),
        fc.anything(),
      ),
      completion_tokens_details: fc.oneof(
        fc.record({ reasoning_tokens: count, audio_tokens: count }),
        fc.anything(),
      ),
    },
    { requiredKeys: [] },
  );

  it('has classes that are whole, not negative, and whose sums are the totals', () => {
    fc.assert(
      fc.property(anyUsage, (raw) => {
        const usage = parseOpenAiUsage(raw);
        if (usage === undefined) return;
        const {
          raw: _raw,
          serviceTier: _tier,
          reportedCost: _cost,
          toolCalls: _calls,
          ...classes
        } = usage;
        for (const tokens of Object.values(classes)) {
          expect(tokens === undefined || (Number.isInteger(tokens) && Number(tokens) >= 0)).toBe(
            true,
          );
        }
        expect(usage.reasoningTokens ?? 0).toBeLessThanOrEqual(usage.outputTokens);
        if (typeof raw.prompt_tokens === 'number' && Number.isInteger(raw.prompt_tokens))
          if (raw.prompt_tokens >= 0 && raw.prompt_tokens <= 5_000)
            expect(totalInputTokens(usage)).toBe(raw.prompt_tokens);
        if (typeof raw.completion_tokens === 'number' && raw.completion_tokens <= 5_000)
          expect(totalOutputTokens(usage)).toBeGreaterThanOrEqual(
            Math.max(0, Math.floor(raw.completion_tokens)),
          );
      }),
      { numRuns: 2_000 },
    );
  });

  it('never throws, whatever a provider sends', () => {
    fc.assert(fc.property(fc.anything(), (raw) => void parseOpenAiUsage(raw, raw)));
  });
});

describe("OpenAI's embeddings usage", () => {
  it.each([
    [{ prompt_tokens: 8, total_tokens: 8 }, 8],
    [{ total_tokens: 8 }, 8],
  ])('of %j is all input', (raw, inputTokens) => {
    const classes = { inputTokens, outputTokens: 0, ...NOTHING_ELSE };
    expect(parseEmbeddingsUsage(raw)).toMatchObject(classes);
  });

  it.each([undefined, {}, { prompt_tokens: -8 }])('of %j is unknown', (raw) => {
    expect(parseEmbeddingsUsage(raw)).toBeUndefined();
  });
});
