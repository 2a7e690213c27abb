/**
 * The usage object of OpenAI's chat completions and of all who copy it, normalised. Cached, written and
 * audio tokens are inside `prompt_tokens`; reasoning, audio and rejected predictions are inside
 * `completion_tokens`, and predictions are billed as any other output. Where a provider counts its
 * reasoning outside (xAI, Gemini's compatible endpoint), the total tells.
 * Source: OpenAI API reference, "CompletionUsage"; xAI, "Consumption and rate limits".
 */
import * as z from 'zod/mini';
import { type NanoUsd, nanoUsd, parseProviderUsd } from '../../money.ts';
import { lenient, reportedCount, reportedText } from '../../usage/counts.ts';
import type { TokenUsage } from '../../usage/tokens.ts';

const usageSchema = z.looseObject({
  prompt_tokens: reportedCount,
  completion_tokens: reportedCount,
  total_tokens: reportedCount,
  prompt_tokens_details: lenient(
    z.looseObject({
      cached_tokens: reportedCount,
      cache_write_tokens: reportedCount,
      audio_tokens: reportedCount,
    }),
  ),
  completion_tokens_details: lenient(
    z.looseObject({ reasoning_tokens: reportedCount, audio_tokens: reportedCount }),
  ),
  /** DeepSeek's and Moonshot's names for the cached tokens, where they give no details. */
  prompt_cache_hit_tokens: reportedCount,
  cached_tokens: reportedCount,
  /** OpenRouter: dollars. With the caller's own key the upstream bill is not in it. */
  cost: z.optional(z.unknown()),
  is_byok: z.optional(z.unknown()),
  /** xAI: ten-billionths of a dollar. */
  cost_in_usd_ticks: lenient(z.int().check(z.minimum(0))),
});

type ChatUsage = z.infer<typeof usageSchema>;

/** Undefined when there is none or it says too little (no input, no output, nothing sane): unknown, not 0. */
export function parseOpenAiUsage(raw: unknown, serviceTier?: unknown): TokenUsage | undefined {
  // Most events of a stream carry a null, and a failed parse costs more than a good one.
  if (raw == null) return undefined;
  const parsed = usageSchema.safeParse(raw);
  const totals = parsed.success ? totalsOf(parsed.data) : undefined;
  if (!parsed.success || totals === undefined) return undefined;
  const reasoningTokens = parsed.data.completion_tokens_details?.reasoning_tokens;
  const audioOutputTokens = Math.min(
    parsed.data.completion_tokens_details?.audio_tokens ?? 0,
    totals.output,
  );
  const outputTokens = totals.output - audioOutputTokens;
  return {
    ...inputClasses(parsed.data, totals.input),
    outputTokens,
    reasoningTokens:
      reasoningTokens === undefined ? undefined : Math.min(reasoningTokens, outputTokens),
    audioOutputTokens,
    serviceTier: reportedText.parse(serviceTier),
    reportedCost: reportedCostOf(parsed.data),
    raw,
  };
}

/** Embeddings make no output; everything read is billed. Source: OpenAI API reference, "Create embeddings". */
export function parseEmbeddingsUsage(raw: unknown): TokenUsage | undefined {
  const parsed = usageSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const inputTokens = parsed.data.prompt_tokens ?? parsed.data.total_tokens;
  if (inputTokens === undefined) return undefined;
  return {
    inputTokens,
    cachedInputTokens: 0,
    cacheWrite5mTokens: 0,
    cacheWrite1hTokens: 0,
    audioInputTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    audioOutputTokens: 0,
    reportedCost: reportedCostOf(parsed.data),
    raw,
  };
}

/** All input and all output. Of input, output and their total one may be missing; what the total has more is output. */
function totalsOf(usage: ChatUsage): { input: number; output: number } | undefined {
  const { total_tokens: total, completion_tokens_details: details } = usage;
  const input = usage.prompt_tokens ?? difference(total, usage.completion_tokens);
  const output = usage.completion_tokens ?? difference(total, input);
  if (input === undefined || output === undefined) return undefined;
  const reasoning = details?.reasoning_tokens ?? 0;
  const outside = Math.max(0, (total ?? 0) - input - output);
  // Without a telling total: what is more than the whole output cannot be a part of it.
  return { input, output: output + (outside > 0 || reasoning <= output ? outside : reasoning) };
}

function difference(total: number | undefined, part: number | undefined): number | undefined {
  return total === undefined || part === undefined || part > total ? undefined : total - part;
}

/** Parts that overlap or exceed the whole are cut from the cheapest end, so that the sum is the whole. */
function inputClasses(usage: ChatUsage, input: number) {
  const { prompt_tokens_details: details } = usage;
  const cached = details?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.cached_tokens;
  const audioInputTokens = Math.min(details?.audio_tokens ?? 0, input);
  const afterAudio = input - audioInputTokens;
  const cacheWrite5mTokens = Math.min(details?.cache_write_tokens ?? 0, afterAudio);
  const cachedInputTokens = Math.min(cached ?? 0, afterAudio - cacheWrite5mTokens);
  return {
    inputTokens: afterAudio - cacheWrite5mTokens - cachedInputTokens,
    cachedInputTokens,
    // OpenAI bills writes of every retention alike, so one class holds them all.
    cacheWrite5mTokens,
    cacheWrite1hTokens: 0,
    audioInputTokens,
  };
}

const TICKS_PER_NANO = 10;

function reportedCostOf({
  cost,
  is_byok,
  cost_in_usd_ticks: ticks,
}: ChatUsage): NanoUsd | undefined {
  if (ticks !== undefined) return nanoUsd(Math.ceil(ticks / TICKS_PER_NANO));
  return is_byok === true ? undefined : parseProviderUsd(cost);
}
