/**
 * Anthropic's usage object, normalised. `input_tokens` excludes what was read from the cache and what was
 * written to it; thinking is inside `output_tokens`. There is no audio. In a stream the object comes in
 * parts: merge them with `mergeRawUsage` and parse the result.
 * Source: Anthropic API reference, "Messages", and "Prompt caching".
 */
import * as z from 'zod/mini';
import {
  lenient,
  orElse,
  reportedCount,
  reportedText,
  splitCacheWrites,
} from '../../usage/counts.ts';
import type { TokenUsage } from '../../usage/tokens.ts';

const tokenCounts = {
  input_tokens: reportedCount,
  output_tokens: reportedCount,
  cache_read_input_tokens: reportedCount,
  cache_creation_input_tokens: reportedCount,
  cache_creation: lenient(
    z.looseObject({
      ephemeral_5m_input_tokens: reportedCount,
      ephemeral_1h_input_tokens: reportedCount,
    }),
  ),
};

const usageSchema = z.looseObject({
  ...tokenCounts,
  output_tokens_details: lenient(z.looseObject({ thinking_tokens: reportedCount })),
  server_tool_use: lenient(z.looseObject({ web_search_requests: reportedCount })),
  service_tier: reportedText,
  speed: reportedText,
  iterations: lenient(
    z.array(orElse(z.looseObject({ type: reportedText, ...tokenCounts }), { type: undefined })),
  ),
});

type Counts = Partial<Pick<z.infer<typeof usageSchema>, keyof typeof tokenCounts>>;

interface WhatWasAsked {
  /** The longest cache duration in the request; decides where the answer does not split its writes. */
  readonly longestCacheWrite?: '5m' | '1h';
}

/** Undefined when input or output is missing or not sane: unknown, not 0. */
export function parseAnthropicUsage(
  raw: unknown,
  { longestCacheWrite }: WhatWasAsked = {},
): TokenUsage | undefined {
  const parsed = usageSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  const { input_tokens, output_tokens, output_tokens_details, server_tool_use } = data;
  if (input_tokens === undefined || output_tokens === undefined) return undefined;
  // The totals leave out what compacting the context took; it is billed as any other turn.
  const parts = [data, ...(data.iterations ?? []).filter(({ type }) => type === 'compaction')];
  const sum = (of: (counts: Counts) => number | undefined) =>
    parts.reduce((total, part) => total + (of(part) ?? 0), 0);
  const writes = parts.map((part) => writesOf(part, longestCacheWrite));
  const outputTokens = sum((part) => part.output_tokens);
  const thinking = output_tokens_details?.thinking_tokens;
  return {
    inputTokens: sum((part) => part.input_tokens),
    cachedInputTokens: sum((part) => part.cache_read_input_tokens),
    cacheWrite5mTokens: writes.reduce(
      (total, { cacheWrite5mTokens = 0 }) => total + cacheWrite5mTokens,
      0,
    ),
    cacheWrite1hTokens: writes.reduce(
      (total, { cacheWrite1hTokens = 0 }) => total + cacheWrite1hTokens,
      0,
    ),
    audioInputTokens: 0,
    outputTokens,
    reasoningTokens: thinking === undefined ? undefined : Math.min(thinking, outputTokens),
    audioOutputTokens: 0,
    toolCalls: { web_search: server_tool_use?.web_search_requests ?? 0 },
    serviceTier: data.speed === 'fast' ? 'fast' : data.service_tier,
    batch: data.service_tier === 'batch',
    raw,
  };
}

function writesOf(
  { cache_creation_input_tokens: total, cache_creation: split }: Counts,
  longest: '5m' | '1h' | undefined,
) {
  return splitCacheWrites({
    total,
    fiveMinutes: split?.ephemeral_5m_input_tokens,
    oneHour: split?.ephemeral_1h_input_tokens,
    longest,
  });
}
