import { readFileSync } from 'node:fs';
import { findProvider } from '@pydantic/genai-prices';
import { describe, expect, it } from 'vitest';
import { isPriced, PRICE_BOOKS, priceInForce } from '../../../core/catalog/price-book.ts';

const AUTUMN = Date.parse('2026-11-20T00:00:00Z');

function price(provider: string, model: string, atMs = AUTUMN) {
  return priceInForce({ provider, model }, atMs);
}

/** Dollars per million tokens: input, cached, 5-minute write, 1-hour write, output. */
function dollars(provider: string, model: string, atMs = AUTUMN) {
  const found = price(provider, model, atMs);
  const classes = [
    found?.input,
    found?.cachedInput,
    found?.cacheWrite5m,
    found?.cacheWrite1h,
    found?.output,
  ];
  return classes.map((micro) => (micro === undefined ? undefined : micro / 1e6));
}

describe('well-known list prices', () => {
  // Read by hand on 2026-11-21: platform.claude.com/docs "Pricing" and the models' overviews;
  // developers.openai.com "Pricing" and openai.com/api-priority-processing, as quoted by price
  // watchers of 2026-06 (GPT-5.4, GPT-5.5) and 2026-09 (GPT-5.6, GPT-6 Astra).
  it.each<[string, string, (number | undefined)[]]>([
    ['anthropic', 'claude-opus-5-5', [4, 0.2, 5, 8, 20]],
    ['anthropic', 'claude-opus-5', [5, 0.5, 6.25, 10, 25]],
    ['anthropic', 'claude-fable-5-1', [10, 0.25, 12.5, 20, 50]],
    ['anthropic', 'claude-sonnet-4-5-20250929', [3, 0.3, 3.75, 6, 15]],
    ['anthropic', 'claude-sonnet-5', [2, 0.2, 2.5, 4, 10]],
    ['anthropic', 'claude-haiku-4-5', [1, 0.1, 1.25, 2, 5]],
    ['openai', 'gpt-5', [1.25, 0.125, undefined, undefined, 10]],
    ['openai', 'gpt-5-mini', [0.25, 0.025, undefined, undefined, 2]],
    ['openai', 'gpt-5.4', [2.5, 0.25, undefined, undefined, 15]],
    ['openai', 'gpt-5.4-mini', [0.75, 0.075, undefined, undefined, 4.5]],
    ['openai', 'gpt-5.4-nano', [0.2, 0.02, undefined, undefined, 1.25]],
    ['openai', 'gpt-5.5', [5, 0.5, undefined, undefined, 30]],
    ['openai', 'gpt-5.6-terra', [2, 0.2, 2.5, 2.5, 12]],
    ['openai', 'gpt-5.6-luna', [0.2, 0.02, 0.25, 0.25, 1.2]],
    ['openai', 'gpt-6-astra', [10, 1, 12.5, 12.5, 50]],
    ['openai', 'gpt-4o-2024-05-13', [5, undefined, undefined, undefined, 15]],
    ['openai', 'text-embedding-3-small', [0.02, undefined, undefined, undefined, 0]],
  ])('%s %s', (provider, model, expected) => {
    expect(dollars(provider, model)).toEqual(expected);
  });

  it('hold from the day they were announced for', () => {
    const before = Date.parse('2026-08-20T23:59:59.999Z');
    expect(dollars('openai', 'gpt-5.6-sol', before)).toEqual([5, 0.5, 6.25, 6.25, 30]);
    expect(dollars('openai', 'gpt-5.6-sol', before + 1)).toEqual([4, 0.4, 5, 5, 20]);
    expect(price('openai', 'gpt-5.6-sol', before)?.version).toBe(
      'genai-prices@0.1.8/openai/gpt-5.6-sol',
    );
    expect(price('openai', 'gpt-5.6-sol')?.version).toBe(
      'genai-prices@0.1.8/openai/gpt-5.6-sol@2026-08-21',
    );
  });

  it('have context tiers, service tiers and searches', () => {
    expect(price('openai', 'gpt-5.5')).toMatchObject({
      contextTiers: [
        {
          aboveInputTokens: 271_999,
          input: 10_000_000,
          cachedInput: 1_000_000,
          output: 45_000_000,
        },
      ],
      serviceTiers: { batch: 50, flex: 50, priority: 250 },
      toolCalls: { web_search: 10_000_000 },
    });
    expect(price('anthropic', 'claude-haiku-4-5')).toMatchObject({
      serviceTiers: { batch: 50, priority: 100 },
      toolCalls: { web_search: 10_000_000 },
    });
  });

  it('take the dearest hour of the day', () => {
    expect(dollars('deepseek', 'deepseek-v4-pro')).toEqual([
      1.32,
      0.044,
      undefined,
      undefined,
      3.96,
    ]);
  });
});

describe('the names of models', () => {
  it.each([
    ['openai', 'gpt-5-2025-08-07', 'openai/gpt-5'],
    ['openai', 'GPT-5', 'openai/gpt-5'],
    ['openai', 'gpt-5.6-sol-2026-07-09', 'openai/gpt-5.6-sol'],
    ['anthropic', 'claude-opus-4-5-20251101', 'anthropic/claude-opus-4-5'],
    ['aws', 'amazon.nova-pro-v1:0', 'aws/amazon.nova-pro-v1:0'],
    ['aws', 'us.amazon.nova-pro-v1:0', 'aws/amazon.nova-pro-v1:0'],
    [
      'aws',
      'global.anthropic.claude-haiku-4-5-20251001-v1:0',
      'aws/global.anthropic.claude-haiku-4-5-20251001-v1:0',
    ],
    [
      'aws',
      'eu.anthropic.claude-haiku-4-5-20251001-v1:0',
      'aws/regional.anthropic.claude-haiku-4-5-20251001-v1:0',
    ],
    [
      'aws',
      'anthropic.claude-3-haiku-20240307-v1:0',
      'aws/regional.anthropic.claude-3-haiku-20240307-v1:0',
    ],
    ['groq', 'llama-3.3-70b-versatile', 'groq/llama-3.3-70b-versatile'],
  ])('%s %s is found', (provider, model, entry) => {
    expect(price(provider, model)?.version).toContain(`genai-prices@0.1.8/${entry}`);
  });

  it.each([
    ['openai', 'gpt-5-ultra'],
    ['openai', 'gpt-5-nano-pro'],
    ['openai', 'ft:gpt-4o-2024-08-06:acme::abc'],
    ['openai', 'my-moderation-model'],
    ['openai', 'gpt-realtime'],
    ['openai', 'whisper-1'],
    ['anthropic', 'claude-sonnet-5-5'],
    ['anthropic', 'claude-opus-5-6'],
    ['azure', 'my-o4-mini-deployment'],
    ['mistral', 'mistral-small-latest'],
    ['deepseek', 'deepseek-v3.2'],
    ['openai', 'constructor'],
    ['openai', '__proto__'],
    ['openai', ''],
    ['nobody', 'gpt-5'],
    ['constructor', 'gpt-5'],
  ])('%s %s is not guessed', (provider, model) => {
    expect(isPriced({ provider, model })).toBe(false);
    expect(price(provider, model)).toBeUndefined();
  });
});

describe('every price of the book', () => {
  const entries = PRICE_BOOKS.flatMap((provider) =>
    (findProvider({ providerId: provider })?.models ?? [])
      .map(({ id }) => ({ provider, model: id }))
      .filter(isPriced),
  );

  it('is in force at any time, has a version of its own, and is not free', () => {
    expect(entries.length).toBeGreaterThan(400);
    for (const entry of entries) {
      expect(priceInForce(entry, 0)).toBeDefined();
      const found = priceInForce(entry, AUTUMN);
      expect(found?.version).toContain(`${entry.provider}/${entry.model}`);
      expect(found?.input).toBeGreaterThan(0);
    }
  });

  it('reads no cheaper from the cache than it would be given, and writes to it no cheaper than input', () => {
    for (const entry of entries) {
      const found = priceInForce(entry, AUTUMN);
      for (const card of [found, ...(found?.contextTiers ?? [])]) {
        expect(card?.cachedInput ?? 0).toBeLessThanOrEqual(card?.input ?? 0);
        expect(card?.cacheWrite5m ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(
          card?.input ?? 0,
        );
        expect(card?.cacheWrite1h ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(
          card?.cacheWrite5m ?? 0,
        );
      }
    }
  });

  it('of a Claude says what a write to the cache costs', () => {
    const claudes = entries.filter(
      ({ provider, model }) => provider === 'anthropic' && !/claude-(2|v1)/.test(model),
    );
    expect(claudes.length).toBeGreaterThan(15);
    for (const entry of claudes) {
      expect(priceInForce(entry, AUTUMN)).toMatchObject({
        cacheWrite5m: expect.any(Number),
        cacheWrite1h: expect.any(Number),
      });
    }
  });
});

it('the book has one model a line, so that a change of a price is a change of one line', () => {
  const text = readFileSync('core/catalog/price-book.json', 'utf8');
  expect(text.split('\n').filter((line) => line.includes('"model":')).length).toBeGreaterThan(400);
});
