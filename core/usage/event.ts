/**
 * The usage event: what happened to one request, in absolute values, so that order and repetition do
 * not matter. This schema is the source of the Glue table's columns, of the local Parquet files and of
 * the checks on the SQL. Columns are added, never renamed; `schema_version` grows when meaning changes.
 */
import * as z from 'zod/mini';

const count = z.int().check(z.nonnegative());
const text = z.string();

export const USAGE_SCHEMA_VERSION = 1;

/** What became of the request. `denied`: refused by a limit, nothing was sent to a provider. */
const outcomeSchema = z.enum(['ok', 'denied', 'error', 'cancelled', 'expired']);

export const usageEventSchema = z.object({
  schema_version: count,
  request_id: text,
  /** Start of the request, epoch milliseconds UTC. */
  event_time_ms: count,
  outcome: outcomeSchema,
  tenant_id: text,
  team_id: text,
  project_id: text,
  virtual_key_id: text,
  feature: z.nullable(text),
  cost_center: z.nullable(text),
  customer_id: z.nullable(text),
  user_id: z.nullable(text),
  use_case: z.nullable(text),
  session_id: z.nullable(text),
  /** Free tags as JSON text. */
  tags: z.nullable(text),
  dialect: text,
  model_alias: text,
  model: z.nullable(text),
  provider: z.nullable(text),
  tier: text,
  stream: z.boolean(),
  status: count,
  error_code: z.nullable(text),
  /** Set when denied: the dimension, and the scope that denied. */
  denied_dimension: z.nullable(text),
  denied_scope: z.nullable(text),
  /** Tokens by class, without overlap: `input_tokens` excludes cached, `output_tokens` includes reasoning. Null is unknown. */
  input_tokens: z.nullable(count),
  cached_input_tokens: z.nullable(count),
  output_tokens: z.nullable(count),
  /** Part of output_tokens. */
  reasoning_tokens: z.nullable(count),
  cost_nano_usd: count,
  price_version: z.nullable(text),
  held_nano_usd: count,
  held_tokens: count,
  /** The tokens were bounded or counted here because the provider reported none. */
  estimated: z.boolean(),
  attempts: count,
  /** Request received to first upstream event, milliseconds. */
  ttft_ms: z.nullable(count),
  duration_ms: count,
  /** Time in the gateway before dispatch, milliseconds. */
  overhead_ms: z.nullable(count),
  policy_version: count,
  /** Calendar month charged, `YYYY-MM` in the policy's time zone. */
  period: text,
});

export type UsageEvent = z.infer<typeof usageEventSchema>;

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
    case 'nullable':
      if (definition.innerType === undefined) throw new TypeError('nullable without an inner type');
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
