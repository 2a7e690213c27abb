/**
 * Others' readings of the same usage objects, on generated ones that the providers' documentation allows.
 * Where the oracles are known to differ, ours follows the documentation:
 * - The AI SDK's OpenAI provider leaves audio in the text and reads no total, so reasoning outside the
 *   completion is lost; genai-prices adds reasoning for xAI by name, ours for anybody whose total says so.
 * - genai-prices has no split of Bedrock's writes, the AI SDK none of Anthropic's and Bedrock's; without a
 *   split ours takes the dearer.
 * - The AI SDK reads unknown reasoning of OpenAI as 0; ours stays unknown.
 */
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { calcPrice, extractUsage, findProvider } from '@pydantic/genai-prices';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { priceInForce } from '../../../core/catalog/price-book.ts';
import { parseAnthropicUsage } from '../../../core/dialects/anthropic/usage.ts';
import { parseBedrockUsage } from '../../../core/dialects/bedrock/usage.ts';
import { parseResponsesUsage } from '../../../core/dialects/openai/responses-usage.ts';
import { parseEmbeddingsUsage, parseOpenAiUsage } from '../../../core/dialects/openai/usage.ts';
import { costOfUsage } from '../../../core/usage/cost.ts';
import {
  type TokenUsage,
  totalInputTokens,
  totalOutputTokens,
} from '../../../core/usage/tokens.ts';

const count = fc.nat(400_000);

/** Cached, written and plain input; reasoning and plain output. */
const parts = fc.record({
  plain: count,
  cached: count,
  short: count,
  long: count,
  said: count,
  thought: count,
  searches: fc.nat(9),
});
type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;

function chatUsage({ plain, cached, short, said, thought }: Parts) {
  const prompt_tokens = plain + cached + short;
  const completion_tokens = said + thought;
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: short },
    completion_tokens_details: { reasoning_tokens: thought },
  };
}

function responsesUsage(of: Parts) {
  const chat = chatUsage(of);
  return {
    input_tokens: chat.prompt_tokens,
    output_tokens: chat.completion_tokens,
    total_tokens: chat.total_tokens,
    input_tokens_details: chat.prompt_tokens_details,
    output_tokens_details: chat.completion_tokens_details,
  };
}

function anthropicUsage({ plain, cached, short, long, said, thought, searches }: Parts) {
  return {
    input_tokens: plain,
    cache_read_input_tokens: cached,
    cache_creation_input_tokens: short + long,
    cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long },
    output_tokens: said + thought,
    output_tokens_details: { thinking_tokens: thought },
    server_tool_use: { web_search_requests: searches },
  };
}

function bedrockUsage({ plain, cached, short, long, said }: Parts) {
  return {
    inputTokens: plain,
    cacheReadInputTokens: cached,
    cacheWriteInputTokens: short + long,
    cacheDetails: [
      { ttl: '1h', inputTokens: long },
      { ttl: '5m', inputTokens: short },
    ],
    outputTokens: said,
    totalTokens: plain + cached + short + long + said,
  };
}

/** Ours in the words of genai-prices. */
function inItsWords(usage: TokenUsage | undefined) {
  if (usage === undefined) throw new Error('not read');
  const { cacheWrite5mTokens = 0, cacheWrite1hTokens = 0 } = usage;
  return {
    input_tokens: totalInputTokens(usage),
    cache_read_tokens: usage.cachedInputTokens,
    cache_write_tokens: cacheWrite5mTokens + cacheWrite1hTokens,
    output_tokens: totalOutputTokens(usage),
  };
}

function itsReading(providerId: string, body: object, flavor?: string) {
  const provider = findProvider({ providerId });
  if (provider === undefined) throw new Error(providerId);
  const { usage } = extractUsage(provider, { model: 'm', ...body }, flavor);
  return {
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    output_tokens: 0,
    ...usage,
  };
}

describe('genai-prices reads the same', () => {
  it.each<[string, string, string, (of: Parts) => object, (raw: object) => TokenUsage | undefined]>(
    [
      ["OpenAI's chat", 'openai', 'chat', chatUsage, parseOpenAiUsage],
      [
        "OpenAI's responses",
        'openai',
        'responses',
        responsesUsage,
        (usage) => parseResponsesUsage({ usage }),
      ],
      ["Anthropic's messages", 'anthropic', 'default', anthropicUsage, parseAnthropicUsage],
      ["Bedrock's Converse", 'aws', 'default', bedrockUsage, parseBedrockUsage],
    ],
  )('in %s', (_what, provider, flavor, rawOf, parse) => {
    fc.assert(
      fc.property(parts, (of) => {
        const raw = rawOf(of);
        expect(itsReading(provider, { usage: raw }, flavor)).toMatchObject(inItsWords(parse(raw)));
      }),
      { numRuns: 300 },
    );
  });

  it("in OpenAI's embeddings", () => {
    const usage = { prompt_tokens: 8, total_tokens: 8 };
    expect(itsReading('openai', { usage }, 'embeddings')).toMatchObject(
      inItsWords(parseEmbeddingsUsage(usage)),
    );
  });

  it('in xAI, which counts reasoning outside the completion and inside the total', () => {
    fc.assert(
      fc.property(parts, (of) => {
        const raw = { ...chatUsage(of), completion_tokens: of.said };
        const { cache_write_tokens: _none, ...ours } = inItsWords(parseOpenAiUsage(raw));
        expect(itsReading('x-ai', { usage: raw }, 'chat')).toMatchObject(ours);
      }),
      { numRuns: 300 },
    );
  });

  it('to the five-minute and one-hour writes and the searches of Anthropic', () => {
    fc.assert(
      fc.property(parts, (of) => {
        const raw = anthropicUsage(of);
        const usage = parseAnthropicUsage(raw);
        expect(itsReading('anthropic', { usage: raw }, 'default')).toMatchObject({
          cache_write_5m_tokens: usage?.cacheWrite5mTokens,
          cache_write_1h_tokens: usage?.cacheWrite1hTokens,
          web_searches: usage?.toolCalls?.web_search,
          output_reasoning_tokens: usage?.reasoningTokens,
        });
      }),
    );
  });
});

const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'x' }] }];

function answering(body: object) {
  return { apiKey: 'k', fetch: async () => Response.json(body) };
}

const SDK = {
  chat: (usage: object) =>
    createOpenAI(
      answering({
        id: 'x',
        created: 1,
        model: 'm',
        choices: [
          { index: 0, message: { role: 'assistant', content: 'x' }, finish_reason: 'stop' },
        ],
        usage,
      }),
    ).chat('gpt-5'),
  responses: (usage: object) =>
    createOpenAI(answering({ id: 'x', created_at: 1, model: 'm', output: [], usage })).responses(
      'gpt-5',
    ),
  anthropic: (usage: object) =>
    createAnthropic(
      answering({
        type: 'message',
        id: 'x',
        role: 'assistant',
        model: 'm',
        content: [{ type: 'text', text: 'x' }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage,
      }),
    )('claude-opus-5'),
  bedrock: (usage: object) =>
    createAmazonBedrock({
      region: 'us-east-1',
      ...answering({
        output: { message: { role: 'assistant', content: [{ text: 'x' }] } },
        stopReason: 'end_turn',
        usage,
      }),
    })('amazon.nova-pro-v1:0'),
};

describe('the AI SDK reads the same', () => {
  it.each<[keyof typeof SDK, (of: Parts) => object, (raw: object) => TokenUsage | undefined]>([
    ['chat', chatUsage, parseOpenAiUsage],
    ['responses', responsesUsage, (usage) => parseResponsesUsage({ usage })],
    ['anthropic', anthropicUsage, parseAnthropicUsage],
    ['bedrock', bedrockUsage, parseBedrockUsage],
  ])('in %s', async (provider, rawOf, parse) => {
    await fc.assert(
      fc.asyncProperty(parts, async (of) => {
        const raw = rawOf(of);
        const ours = parse(raw);
        const { usage } = await SDK[provider](raw).doGenerate({ prompt });
        expect(usage).toMatchObject({
          inputTokens: {
            total: ours === undefined ? undefined : totalInputTokens(ours),
            noCache: ours?.inputTokens,
            cacheRead: ours?.cachedInputTokens,
            cacheWrite: (ours?.cacheWrite5mTokens ?? 0) + (ours?.cacheWrite1hTokens ?? 0),
          },
          outputTokens: { total: ours?.outputTokens, reasoning: ours?.reasoningTokens },
        });
      }),
      { numRuns: 50 },
    );
  });
});

describe('genai-prices comes to the same dollars', () => {
  const AUTUMN = new Date('2026-11-20T00:00:00Z');
  const models = ['openai', 'anthropic', 'x-ai', 'groq'].flatMap((provider) =>
    (findProvider({ providerId: provider })?.models ?? []).map(({ id }) => ({
      provider,
      model: id,
    })),
  );
  // Some of its ids are headings (`ft:gpt-4o-mini`) that it does not match itself.
  const priced = models.filter(
    ({ provider, model }) =>
      priceInForce({ provider, model }, 0) !== undefined &&
      calcPrice({ input_tokens: 1 }, model, { providerId: provider }) !== null,
  );

  it('for any model and usage, but for the rounding of its floats', () => {
    expect(priced.length).toBeGreaterThan(100);
    fc.assert(
      fc.property(fc.constantFrom(...priced), parts, (sought, of) => {
        const price = priceInForce(sought, AUTUMN.getTime());
        const writesCost = price?.cacheWrite1h !== undefined && sought.provider === 'anthropic';
        const [short, long] = writesCost ? [of.short, of.long] : [0, 0];
        const usage: TokenUsage = {
          inputTokens: of.plain,
          cachedInputTokens: of.cached,
          cacheWrite5mTokens: short,
          cacheWrite1hTokens: long,
          outputTokens: of.said,
          reasoningTokens: undefined,
        };
        const theirs = calcPrice(
          {
            input_tokens: totalInputTokens(usage),
            cache_read_tokens: of.cached,
            cache_write_tokens: short + long,
            cache_write_1h_tokens: long,
            output_tokens: of.said,
          },
          sought.model,
          { providerId: sought.provider, timestamp: AUTUMN },
        );
        const dollars = costOfUsage(usage, price) / 1e9;
        expect(Math.abs(dollars - (theirs?.total_price ?? Number.NaN))).toBeLessThan(1.1e-9);
      }),
      { numRuns: 3_000 },
    );
  });
});
