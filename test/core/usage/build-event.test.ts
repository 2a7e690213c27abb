import { describe, expect, it } from 'vitest';
import type { Price } from '../../../core/catalog/snapshot.ts';
import { nanoUsd } from '../../../core/money.ts';
import { buildUsageEvent } from '../../../core/usage/build-event.ts';
import { costOfUsage } from '../../../core/usage/cost.ts';
import { usageEventSchema } from '../../../core/usage/event.ts';
import { MAX_RAW_USAGE, tokensOfEvent } from '../../../core/usage/event-values.ts';
import {
  type TokenUsage,
  totalInputTokens,
  totalOutputTokens,
} from '../../../core/usage/tokens.ts';
import { callFacts } from './call-facts.ts';

const price: Price = { version: 'book@1', input: 3_000_000, output: 15_000_000 };

const usage: TokenUsage = {
  inputTokens: 1,
  cachedInputTokens: 2,
  cacheWrite5mTokens: 3,
  cacheWrite1hTokens: 4,
  audioInputTokens: 5,
  outputTokens: 60,
  reasoningTokens: 50,
  audioOutputTokens: 7,
  toolCalls: { web_search: 8 },
  serviceTier: 'flex',
  batch: false,
  raw: { input_tokens: 1 },
};

function eventOf(of: TokenUsage | undefined, at: Price = price) {
  return buildUsageEvent(callFacts, {
    outcome: 'ok',
    status: 200,
    route: { provider: 'openai', model: 'gpt-5', price: at, free: false },
    usage: of,
    estimated: false,
    cost: of === undefined ? nanoUsd(0) : costOfUsage(of, at),
    month: 202_611,
    attempts: 1,
    closedAtMs: 2_000,
  });
}

describe('the usage event', () => {
  it('has every class of tokens in a column of its own', () => {
    const event = eventOf(usage);
    expect(event).toMatchObject({
      input_tokens: 1,
      cached_input_tokens: 2,
      cache_write_5m_tokens: 3,
      cache_write_1h_tokens: 4,
      audio_input_tokens: 5,
      output_tokens: 60,
      reasoning_tokens: 50,
      audio_output_tokens: 7,
      web_searches: 8,
      service_tier: 'flex',
      batch: false,
      usage_raw: '{"input_tokens":1}',
      price_version: 'book@1',
    });
    expect(tokensOfEvent(event)).toEqual({
      inputTokens: totalInputTokens(usage),
      outputTokens: totalOutputTokens(usage),
    });
  });

  it('says null, never 0, of what nobody knows', () => {
    const known = {
      inputTokens: 1,
      cachedInputTokens: 0,
      outputTokens: 2,
      reasoningTokens: undefined,
    };
    for (const event of [eventOf(known), eventOf(undefined)]) {
      expect(event).toMatchObject({
        cache_write_5m_tokens: null,
        cache_write_1h_tokens: null,
        audio_input_tokens: null,
        audio_output_tokens: null,
        web_searches: null,
        service_tier: null,
        batch: null,
        usage_raw: null,
      });
    }
  });

  it('marks a cost that is the figure of the provider', () => {
    const trusting = { ...price, trustsProviderCost: true };
    const reported = { ...usage, reportedCost: nanoUsd(42) };
    expect(eventOf(reported, trusting)).toMatchObject({
      price_version: 'book@1+provider-cost',
      cost_nano_usd: 42,
    });
    expect(eventOf(usage, trusting).price_version).toBe('book@1');
    expect(eventOf(reported).price_version).toBe('book@1');
  });

  it('names its attempt, its trace, its pool and the route that another one stood in for', () => {
    const first = { provider: 'azure', model: 'gpt-5-eu', price, free: false };
    const second = { provider: 'openai', model: 'gpt-5', price, free: false };
    const outcome = {
      outcome: 'ok',
      status: 200,
      estimated: false,
      cost: nanoUsd(0),
      month: 202_611,
      closedAtMs: 2_000,
    } as const;
    const facts = { ...callFacts, traceId: 'abc' };
    expect(
      buildUsageEvent(facts, { ...outcome, route: second, firstRoute: first, attempts: 2 }),
    ).toMatchObject({
      attempt_id: 'r1/2',
      trace_id: 'abc',
      pool: 'openai',
      fallback_from: 'azure/gpt-5-eu',
    });
    expect(
      buildUsageEvent(callFacts, { ...outcome, route: first, firstRoute: first, attempts: 2 }),
    ).toMatchObject({ pool: 'azure', fallback_from: null, trace_id: null });
    expect(buildUsageEvent(callFacts, { ...outcome, attempts: 0 })).toMatchObject({
      attempt_id: null,
      pool: null,
      fallback_from: null,
    });
  });

  it('is read from before it had these columns', () => {
    const {
      usage_raw: _raw,
      batch: _batch,
      web_searches: _searches,
      attempt_id: _attempt,
      billed_nano_usd: _billed,
      ...older
    } = eventOf(usage);
    expect(usageEventSchema.parse({ ...older, schema_version: 1 })).toMatchObject({
      schema_version: 1,
      attempt_id: null,
      billed_nano_usd: null,
      usage_raw: null,
      batch: null,
      web_searches: null,
    });
  });

  it.each([
    ['long', { text: '"'.repeat(5_000) }],
    ['full of control characters', { text: '\u0001'.repeat(1_999) }],
    ['wide', Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`n${index}`, index]))],
    ['deep', JSON.parse(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`)],
    ['a list', [1, 2]],
  ])("keeps the provider's object within bounds and as JSON when it is %s", (_what, raw) => {
    const text = eventOf({ ...usage, raw }).usage_raw ?? '';
    expect(text.length).toBeLessThanOrEqual(MAX_RAW_USAGE);
    expect(() => JSON.parse(text)).not.toThrow();
  });
});
