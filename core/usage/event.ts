/**
 * The usage event: what happened to one request, in absolute values, so that order and repetition do
 * not matter. This schema is the source of the Glue table's columns, of the local Parquet files and of
 * the checks on the SQL. Columns are added, never renamed; `schema_version` grows when meaning changes.
 */
import * as z from 'zod/mini';

const count = z.int().check(z.nonnegative());
const text = z.string();
/** A column that came later: rows that are still under way without it read as not knowing. */
const later = <T extends z.ZodMiniType>(column: T) => z._default(z.nullable(column), null);

/** What became of the request. `denied`: refused by a limit, nothing was sent to a provider. */
const outcomeSchema = z.enum(['ok', 'denied', 'error', 'cancelled', 'expired']);

export const usageEventSchema = z.object({
  /** Version of what these columns mean; rows of a later one wait for the reader that knows it. */
  schema_version: count,
  /** Names the request everywhere; copies of its event are told by it. */
  request_id: text,
  /** Start of the request, epoch milliseconds UTC. */
  event_time_ms: count,
  /** `ok`; `denied` by a limit; `error`; `cancelled`: the caller left; `expired`: its process died, and it is charged at the hold. */
  outcome: outcomeSchema,
  /** Who pays, and the path down to the key. */
  tenant_id: text,
  team_id: text,
  project_id: text,
  virtual_key_id: text,
  /** Tags: pinned by the key, or sent with the call. */
  feature: z.nullable(text),
  cost_center: z.nullable(text),
  customer_id: z.nullable(text),
  user_id: z.nullable(text),
  use_case: z.nullable(text),
  session_id: z.nullable(text),
  /** Free tags as JSON text. */
  tags: z.nullable(text),
  /** The API that the caller speaks. */
  dialect: text,
  /** What the caller asked for. */
  model_alias: text,
  /** What served it, under its name at the provider. */
  model: z.nullable(text),
  provider: z.nullable(text),
  /** `shared`, `premium` or `experimental`. */
  tier: text,
  /** The answer was streamed. */
  stream: z.boolean(),
  /** HTTP status of the answer; 0 where nobody knows. */
  status: count,
  /** As in the error table of the API. */
  error_code: z.nullable(text),
  /** Set when denied: the dimension, and the scope that denied. */
  denied_dimension: z.nullable(text),
  denied_scope: z.nullable(text),
  /**
   * Tokens by class, without overlap (core/usage/tokens.ts): `input_tokens` excludes cached, written and
   * audio, `output_tokens` includes reasoning and excludes audio. Null is unknown.
   */
  input_tokens: z.nullable(count),
  cached_input_tokens: z.nullable(count),
  output_tokens: z.nullable(count),
  /** Part of output_tokens. */
  reasoning_tokens: z.nullable(count),
  /** What the call costs at the provider, nano-dollars; 0 where it was not billed. */
  cost_nano_usd: count,
  /** Which entry of the price book; null where a price should have been and was not. */
  price_version: z.nullable(text),
  /** What was held for the call while it ran. */
  held_nano_usd: count,
  held_tokens: count,
  /** The tokens were bounded or counted here because the provider reported none. */
  estimated: z.boolean(),
  /** Attempts at providers, the last one included. */
  attempts: count,
  /** Request received to first upstream event, milliseconds. */
  ttft_ms: z.nullable(count),
  /** Request received to books closed, milliseconds. */
  duration_ms: count,
  /** Time in the gateway before dispatch, milliseconds. */
  overhead_ms: z.nullable(count),
  /** Of the policy that the call ran under; 0 where a dead call's hold is of a release that did not keep it. */
  policy_version: count,
  /** Calendar month charged, `YYYY-MM` in the policy's time zone. */
  period: text,
  /** Written to the cache of the provider, by how long it is kept. */
  cache_write_5m_tokens: later(count),
  cache_write_1h_tokens: later(count),
  /** Audio, which has prices of its own. */
  audio_input_tokens: later(count),
  audio_output_tokens: later(count),
  /** Web searches that the provider made and bills by the call. */
  web_searches: later(count),
  /** As the provider names the tier that served the call. */
  service_tier: later(text),
  /** Served as a part of a batch. */
  batch: later(z.boolean()),
  /** The provider's usage object as JSON, at most {@link MAX_RAW_USAGE} characters. */
  usage_raw: later(text),
  /** JSON list of the soft limits that the call found crossed and not told yet (core/alerts/soft-limits.ts). */
  soft_limits_crossed: later(text),
  /** The attempt that was answered or failed last: the request's id, a slash and the attempt's number. */
  attempt_id: later(text),
  /** Of the caller's `traceparent`, or the gateway's own where the stage makes spans: 32 hexadecimal digits. */
  trace_id: later(text),
  /** The provider pool whose limits the call took from. */
  pool: later(text),
  /** Where the provider served the call, as its route says; null where the route names no region. */
  region: later(text),
  /** How urgent the call was among others, as asked for and allowed: `low`, `normal` or `high`. */
  priority: later(text),
  /** `provider/model` of the first route, where another one stood in for it. */
  fallback_from: later(text),
  /** Why the answer ended, in the provider's words. */
  stop_reason: later(text),
  /** Time spent waiting for room, milliseconds. */
  queue_ms: later(count),
  /** `hit`, `miss` or another word of the response cache. */
  cache_result: later(text),
  /** Of the stored prompt that the call used. */
  prompt_version: later(text),
  /** Whole percents off the provider's price, and on top of what that leaves; null without terms of the tenant's own. */
  discount_percent: later(count),
  margin_percent: later(count),
  /** What the tenant pays where that is not `cost_nano_usd`, which is what the provider takes. */
  billed_nano_usd: later(count),
});

export type UsageEvent = z.infer<typeof usageEventSchema>;

/** Columns that add up over calls: what a reversal in the ledger takes back. */
export const AMOUNT_COLUMNS = [
  'input_tokens',
  'cached_input_tokens',
  'cache_write_5m_tokens',
  'cache_write_1h_tokens',
  'audio_input_tokens',
  'output_tokens',
  'reasoning_tokens',
  'audio_output_tokens',
  'web_searches',
  'cost_nano_usd',
  'billed_nano_usd',
  'held_nano_usd',
  'held_tokens',
] as const satisfies readonly (keyof UsageEvent)[];

export type ColumnType = 'string' | 'bigint' | 'boolean';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** The event's columns in declaration order with their Hive types. */
export const usageEventColumns: readonly Column[] = Object.entries(usageEventSchema.shape).map(
  ([name, schema]) => ({ name, type: columnType(schema) }),
);

function columnType(schema: z.core.$ZodType): ColumnType {
  const definition = schema._zod.def as z.core.$ZodTypeDef & { innerType?: z.core.$ZodType };
  switch (definition.type) {
    case 'default':
    case 'nullable':
      if (definition.innerType === undefined) throw new TypeError('no inner type');
      return columnType(definition.innerType);
    case 'string':
    case 'enum':
      return 'string';
    case 'boolean':
      return 'boolean';
    case 'number':
      return 'bigint';
    default:
      throw new TypeError(`no column type for ${definition.type}`);
  }
}
