/**
 * What those who make usage events need, without the schema of those who read them: making that takes a start a millisecond.
 */
import type { UsageEvent } from './event.ts';

/** 2: ids of attempt and trace, pool, fallback, and what governance, queues and caches say of a call. */
export const USAGE_SCHEMA_VERSION = 2;

export const MAX_RAW_USAGE = 2_000;

/** What an event says of the finer classes when nothing is known of them. */
export const NO_USAGE_DETAIL = {
  cache_write_5m_tokens: null,
  cache_write_1h_tokens: null,
  audio_input_tokens: null,
  audio_output_tokens: null,
  web_searches: null,
  service_tier: null,
  batch: null,
  usage_raw: null,
} as const satisfies Partial<UsageEvent>;

/** Columns that say nothing until somebody knows: routes, terms, queues, caches, prompts. */
export const UNSAID = {
  region: null,
  priority: null,
  stop_reason: null,
  queue_ms: null,
  cache_result: null,
  prompt_version: null,
  discount_percent: null,
  margin_percent: null,
  billed_nano_usd: null,
} as const satisfies Partial<UsageEvent>;

/** All tokens of an event, over its classes; unknown ones count as none. */
export function tokensOfEvent(event: UsageEvent): { inputTokens: number; outputTokens: number } {
  const written = (event.cache_write_5m_tokens ?? 0) + (event.cache_write_1h_tokens ?? 0);
  const read = (event.input_tokens ?? 0) + (event.cached_input_tokens ?? 0);
  return {
    inputTokens: read + written + (event.audio_input_tokens ?? 0),
    outputTokens: (event.output_tokens ?? 0) + (event.audio_output_tokens ?? 0),
  };
}
