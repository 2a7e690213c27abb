/**
 * The usage object of OpenAI's chat completions and of all who copy it, normalised. Cached, written and
 * audio tokens are inside `prompt_tokens`; reasoning, audio and rejected predictions are inside
 * `completion_tokens`, and predictions are billed as any other output. Where a provider counts its
 * reasoning outside (xAI, Gemini's compatible endpoint), the total tells.
 * Source: OpenAI API reference, "CompletionUsage"; xAI, "Consumption and rate limits".
 */
import { type NanoUsd, nanoUsd, parseProviderUsd } from '../../money.ts';
import { countOf, textOf } from '../../usage/counts.ts';
import type { TokenUsage } from '../../usage/tokens.ts';
import { type Fields, isRecord } from './record.ts';

/** By hand, because it is read in every answer, and in some streams in every event. What is junk is unknown. */
interface ChatUsage {
  readonly input: number | undefined;
  readonly output: number | undefined;
  readonly total: number | undefined;
  readonly cached: number | undefined;
  readonly cacheWritten: number | undefined;
  readonly audioInput: number | undefined;
  readonly reasoning: number | undefined;
  readonly audioOutput: number | undefined;
}

function readUsage(raw: Fields): ChatUsage {
  const { prompt_tokens_details: input, completion_tokens_details: output } = raw;
  const inputDetails = isRecord(input) ? input : {};
  const outputDetails = isRecord(output) ? output : {};
  return {
    input: countOf(raw['prompt_tokens']),
    output: countOf(raw['completion_tokens']),
    total: countOf(raw['total_tokens']),
    // Behind OpenAI's name those of DeepSeek and Moonshot, where they give no details.
    cached:
      countOf(inputDetails['cached_tokens']) ??
      countOf(raw['prompt_cache_hit_tokens']) ??
      countOf(raw['cached_tokens']),
    cacheWritten: countOf(inputDetails['cache_write_tokens']),
    audioInput: countOf(inputDetails['audio_tokens']),
    reasoning: countOf(outputDetails['reasoning_tokens']),
    audioOutput: countOf(outputDetails['audio_tokens']),
  };
}

/** Undefined when there is none or it says too little (no input, no output, nothing sane): unknown, not 0. */
export function parseOpenAiUsage(raw: unknown, serviceTier?: unknown): TokenUsage | undefined {
  if (!isRecord(raw)) return undefined;
  const usage = readUsage(raw);
  const totals = totalsOf(usage);
  if (totals === undefined) return undefined;
  const reasoningTokens = usage.reasoning;
  const audioOutputTokens = Math.min(usage.audioOutput ?? 0, totals.output);
  const outputTokens = totals.output - audioOutputTokens;
  return {
    ...inputClasses(usage, totals.input),
    outputTokens,
    reasoningTokens:
      reasoningTokens === undefined ? undefined : Math.min(reasoningTokens, outputTokens),
    audioOutputTokens,
    serviceTier: textOf(serviceTier),
    reportedCost: reportedCostOf(raw),
    raw,
  };
}

/** Embeddings make no output; everything read is billed. Source: OpenAI API reference, "Create embeddings". */
export function parseEmbeddingsUsage(raw: unknown): TokenUsage | undefined {
  if (!isRecord(raw)) return undefined;
  const { input, total } = readUsage(raw);
  const inputTokens = input ?? total;
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
    reportedCost: reportedCostOf(raw),
    raw,
  };
}

/** All input and all output. Of input, output and their total one may be missing; what the total has more is output. */
function totalsOf(usage: ChatUsage): { input: number; output: number } | undefined {
  const { total, reasoning = 0 } = usage;
  const input = usage.input ?? difference(total, usage.output);
  const output = usage.output ?? difference(total, input);
  if (input === undefined || output === undefined) return undefined;
  const outside = Math.max(0, (total ?? 0) - input - output);
  // Without a telling total: what is more than the whole output cannot be a part of it.
  return { input, output: output + (outside > 0 || reasoning <= output ? outside : reasoning) };
}

function difference(total: number | undefined, part: number | undefined): number | undefined {
  return total === undefined || part === undefined || part > total ? undefined : total - part;
}

/** Parts that overlap or exceed the whole are cut from the cheapest end, so that the sum is the whole. */
function inputClasses({ cached = 0, cacheWritten = 0, audioInput = 0 }: ChatUsage, input: number) {
  const audioInputTokens = Math.min(audioInput, input);
  const afterAudio = input - audioInputTokens;
  const cacheWrite5mTokens = Math.min(cacheWritten, afterAudio);
  const cachedInputTokens = Math.min(cached, afterAudio - cacheWrite5mTokens);
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

/** OpenRouter: dollars; with the caller's own key the upstream bill is not in it. xAI: ten-billionths of a dollar. */
function reportedCostOf({ cost, is_byok, cost_in_usd_ticks: ticks }: Fields): NanoUsd | undefined {
  if (typeof ticks === 'number' && Number.isSafeInteger(ticks) && ticks >= 0)
    return nanoUsd(Math.ceil(ticks / TICKS_PER_NANO));
  return is_byok === true ? undefined : parseProviderUsd(cost);
}
