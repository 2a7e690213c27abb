import { describe, expect, it } from 'vitest';
import type { Price } from '../../../core/catalog/snapshot.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../../core/policy/policy-error.ts';
import { broken, SMALL_POLICY } from './policy-texts.ts';

const AUTUMN = Date.parse('2026-11-20T00:00:00Z');

interface Change {
  /** In place of the provider's address. */
  readonly provider?: string;
  readonly model?: string;
  /** In place of the route's price. */
  readonly price?: string;
}

function policyText({
  provider = 'base_url: https://api.openai.com',
  model = 'gpt-5',
  price = '',
}: Change) {
  return SMALL_POLICY.replace('base_url: https://api.example.com/', () => provider)
    .replace('model: small-1', () => `model: ${model}`)
    .replace('        price: { input: $0.10, output: 0.4 }\n', () => price);
}

function errorsOf(change: Change): string[] {
  const parsed = parsePolicy(policyText(change), 'policy.yaml');
  return parsed.kind === 'invalid' ? parsed.errors.map(formatPolicyError) : [];
}

function priceOf(change: Change, atMs = AUTUMN): Price | undefined {
  const parsed = parsePolicy(policyText(change), 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(parsed.errors.map(formatPolicyError).join('\n'));
  return compilePolicy(parsed.policy, 7, atMs).snapshot.models['fast']?.routes[0]?.price;
}

describe('a route without a price', () => {
  it('has the list price of the vendor at whose address it is', () => {
    expect(priceOf({})).toMatchObject({
      version: 'genai-prices@0.1.8/openai/gpt-5',
      input: 1_250_000,
      cachedInput: 125_000,
      output: 10_000_000,
    });
  });

  it.each([
    ['https://api.anthropic.com', 'claude-opus-5', 'anthropic/claude-opus-5'],
    ['https://api.groq.com/openai', 'llama-3.3-70b-versatile', 'groq/llama-3.3-70b-versatile'],
    [
      'https://bedrock-runtime.eu-west-1.amazonaws.com',
      'amazon.nova-pro-v1:0',
      'aws/amazon.nova-pro-v1:0',
    ],
  ])('is found at %s', (url, model, entry) => {
    const found = priceOf({ provider: `base_url: ${url}`, model });
    expect(found?.version).toContain(entry);
  });

  it('is found in the book that the provider names', () => {
    const provider = 'base_url: https://llm.example.com\n    price_book: groq';
    const found = priceOf({ provider, model: 'llama-3.3-70b-versatile' });
    expect(found).toMatchObject({ input: 590_000, output: 790_000 });
  });

  it('has the price in force when the policy is applied', () => {
    const change = { model: 'gpt-5.6-sol' };
    const august = Date.parse('2026-08-20T23:59:59Z');
    expect(priceOf(change, august)?.output).toBe(30_000_000);
    expect(priceOf(change)?.output).toBe(20_000_000);
    expect(priceOf(change)?.version).toBe('genai-prices@0.1.8/openai/gpt-5.6-sol@2026-08-21');
  });

  it('allows for premium tiers only where the provider says so', () => {
    const premium = 'base_url: https://api.openai.com\n    premium_tiers: true';
    expect(priceOf({})?.serviceTiers).toEqual({ batch: 50, flex: 50 });
    expect(priceOf({ provider: premium })?.serviceTiers).toEqual({
      batch: 50,
      flex: 50,
      priority: 200,
    });
  });

  it.each<[string, Change]>([
    ['an unknown model', { model: 'gpt-5-ultra' }],
    ['a model whose name begins like a known one', { model: 'gpt-5-mini-deluxe' }],
    [
      'an address that is nobody whose list we have',
      { provider: 'base_url: https://api.example.com' },
    ],
    [
      'a regional address, which may cost more',
      { provider: 'base_url: https://eu.api.openai.com' },
    ],
    [
      'an address that only looks like the vendor',
      { provider: 'base_url: https://api.openai.com.evil.test' },
    ],
    ['plain HTTP to another port', { provider: 'base_url: http://api.openai.com:8080' }],
  ])('fails the policy with line and path for %s', (_what, change) => {
    expect(errorsOf(change)).toEqual([
      expect.stringMatching(
        /^policy\.yaml:\d+:\d+ models\.fast\.routes\[0\]\.price: expected a price \(the price book has none for this model here\), or free: true, found nothing$/,
      ),
    ]);
  });

  it('is refused for an unknown book, with the name that was probably meant', () => {
    const provider = 'base_url: https://llm.example.com\n    price_book: grok';
    expect(errorsOf({ provider, model: 'llama-3.3-70b-versatile' })[0]).toMatch(
      /providers\.main\.price_book: expected one of anthropic, .*, found "grok" \(did you mean "groq"\?\)/,
    );
  });
});

describe("a route's own price", () => {
  it('wins over the book', () => {
    const own = '        price: { input: $1, output: $9 }\n';
    expect(priceOf({ price: own })).toEqual({
      version: 'policy-7',
      input: 1_000_000,
      output: 9_000_000,
    });
  });

  it('says every class, tier and tool', () => {
    const own = `        price:
          input: $3
          cached_input: $0.30
          cache_write_5m: $3.75
          cache_write_1h: $6
          audio_input: $40
          output: $15
          reasoning: $16
          audio_output: $80
          context_tiers:
            - { above: 500K, input: $9, output: $30 }
            - { above: 200K, input: $6, cached_input: $0.60, output: $22.50 }
          service_tiers: { batch: 50%, priority: 200% }
          web_search: $10
`;
    expect(priceOf({ price: own })).toEqual({
      version: 'policy-7',
      input: 3_000_000,
      cachedInput: 300_000,
      cacheWrite5m: 3_750_000,
      cacheWrite1h: 6_000_000,
      audioInput: 40_000_000,
      output: 15_000_000,
      reasoning: 16_000_000,
      audioOutput: 80_000_000,
      contextTiers: [
        { aboveInputTokens: 200_000, input: 6_000_000, cachedInput: 600_000, output: 22_500_000 },
        { aboveInputTokens: 500_000, input: 9_000_000, output: 30_000_000 },
      ],
      serviceTiers: { batch: 50, priority: 200 },
      toolCalls: { web_search: 10_000_000 },
    });
  });

  it.each([
    ['{ input: $1000001, output: $1 }', 'price.input'],
    ['{ input: $1, output: $1, cache_write_5m: free }', 'price.cache_write_5m'],
    ['{ input: $1, output: $1, service_tiers: { flex: 0% } }', 'price.service_tiers.flex'],
    ['{ input: $1, output: $1, service_tiers: { flex: 0.5 } }', 'price.service_tiers.flex'],
    [
      '{ input: $1, output: $1, context_tiers: [{ above: 200K, input: $1 }] }',
      'price.context_tiers[0].output',
    ],
    ['{ input: $1, output: $1, web_search: $0.0000001 }', 'price.web_search'],
    ['{ input: $1, output: $1, cache_write: $2 }', 'price.cache_write'],
  ])('is refused as %s', (own, path) => {
    const errors = errorsOf({ price: `        price: ${own}\n` });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`models.fast.routes[0].${path}: expected`);
  });
});

it("a provider's own figure is trusted where its policy says so, whatever the price's origin", () => {
  const provider = 'base_url: https://api.openai.com\n    trust_provider_cost: true';
  const own = '        price: { input: $1, output: $9 }\n';
  expect(priceOf({ provider })?.trustsProviderCost).toBe(true);
  expect(priceOf({ provider, price: own })?.trustsProviderCost).toBe(true);
  expect(priceOf({})?.trustsProviderCost).toBeUndefined();
});

it('a free route has no price even where the book has one', () => {
  const { text } = broken('model: big-1', 'model: gpt-5');
  const parsed = parsePolicy(
    text.replace('https://api.example.com/', 'https://api.openai.com'),
    'p',
  );
  if (parsed.kind === 'invalid') throw new Error('invalid');
  const route = compilePolicy(parsed.policy, 1, AUTUMN).snapshot.models['clever']?.routes[0];
  expect(route).toEqual({ provider: 'main', model: 'gpt-5', free: true });
});
