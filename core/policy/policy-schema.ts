/**
 * The shape of the policy file. Every leaf arrives as the text its author wrote and is read exactly
 * (units.ts). Every message of this schema says what was expected, and nothing else; the place and what
 * was found are added by parse-policy.ts.
 */
import * as z from 'zod';
import { ALERT_KINDS } from '../alerts/alert.ts';
import { DEFAULT_ALERT_PERCENTS } from '../alerts/budget.ts';
import { DETECTOR_KINDS } from '../alerts/thresholds.ts';
import { PRICE_BOOKS } from '../catalog/price-book.ts';
import type { Tier } from '../catalog/snapshot.ts';
import { mapLimits } from '../limits/schedule.ts';
import { access, dataMayGoTo, deprecated, keyRules, sso, tagRules, tier } from './access-schema.ts';
import { limits, plainLimits, planOf, quietHours } from './limits-schema.ts';
import {
  alias,
  choice,
  collection,
  count,
  id,
  instant,
  leaf,
  line,
  list,
  mapping,
  modelName,
  ONE_OF,
  percent,
  tagName,
  timeZone,
  within,
} from './schema-parts.ts';
import { traceStore } from './trace-store-schema.ts';
import { parseCount, parseDurationMs, parsePrice } from './units.ts';

const MAX_CONTEXT_TOKENS = 100_000_000;
const MAX_TIMEOUT_MS = 900_000;
const MAX_TAGS = 20;
/** Room for what else uses the provider's account, and for how differently it counts. */
const DEFAULT_USE_AT_MOST = 85;

const POOL_EXPECTED = 'limits of which use_at_most leaves at least 1 each';

const flag = choice({ true: true, false: false });
const MAX_PRICE = 1_000_000_000_000;
const price = leaf(
  'dollars per million tokens, such as $0.25 (at most 6 decimals, at most $1,000,000)',
  (text) => within(parsePrice(text), 0, MAX_PRICE),
);
const pricePerThousandSearches = leaf('dollars per 1,000 searches, such as $10', (text) =>
  within(parsePrice(text), 0, MAX_PRICE),
);
const tierPercent = leaf('a whole percent of the price from 1 to 1000, such as 50%', (text) =>
  within(parseCount(text.replace(/ ?%$/, '')), 1, 1000),
);
const discount = leaf('a whole percent from 0 to 100, such as 10%', (text) =>
  within(parseCount(text.replace(/ ?%$/, '')), 0, 100),
);
const margin = leaf('a whole percent from 0 to 1000, such as 5%', (text) =>
  within(parseCount(text.replace(/ ?%$/, '')), 0, 1000),
);
const timeout = leaf('a duration from 1ms to 15m, such as 500ms, 15s or 2m', (text) =>
  within(parseDurationMs(text), 1, MAX_TIMEOUT_MS),
);
const maxDuration = leaf(
  'a duration of whole seconds from 1s to 15m, such as 30s or 5m',
  (text) => {
    const ms = within(parseDurationMs(text), 1_000, MAX_TIMEOUT_MS);
    return ms === undefined || ms % 1_000 !== 0 ? undefined : ms / 1_000;
  },
);
const contextTokens = count(MAX_CONTEXT_TOKENS);

const baseUrl = leaf('an http(s) URL without credentials, query or a final /v1', parseBaseUrl);
const common = {
  /** Name of a secret in the stage's configuration, never the provider key itself. */
  secret: id.optional(),
  timeouts: mapping({
    connect: timeout.default(3000),
    first_byte: timeout.default(60_000),
    idle: timeout.default(60_000),
  }).prefault({}),
  /** Whose list prices hold for routes without a price, where the address does not tell. */
  price_book: choice(Object.fromEntries(PRICE_BOOKS.map((name) => [name, name]))).optional(),
  /** The account may be served at tiers that cost more than the list, so every hold allows for them. */
  premium_tiers: flag.default(false),
  /** The cost that the provider reports for a call is the call's cost. */
  trust_provider_cost: flag.default(false),
  /** The provider's own limits for this account, of which the gateway uses a part. */
  limits: limits.optional(),
  use_at_most: percent.default(DEFAULT_USE_AT_MOST),
  /** What it may be trusted with, such as eu or hipaa: tenants' `data_may_go_to` goes by them. */
  labels: list(id).default([]),
  /** Whether its calls carry the trace's ids; where it is left out, only those to vllm do. */
  trace_context: choice({ send: true, keep: false }).optional(),
};
/** Where it computes, as tenants' `data_may_go_to` names it. */
const region = { region: id.optional() };

const providerKinds = [
  mapping({ kind: z.literal('openai'), base_url: baseUrl, ...region, ...common }),
  mapping({ kind: z.literal('anthropic'), base_url: baseUrl, ...region, ...common }),
  mapping({
    kind: z.literal('azure-openai'),
    /** Of the resource: https://<resource>.openai.azure.com. */
    base_url: baseUrl,
    /** Absent: the v1 API. */
    api_version: leaf('an API version such as 2024-10-21', (text) =>
      /^\d{4}-\d{2}-\d{2}(-preview)?$/.test(text) ? text : undefined,
    ).optional(),
    ...region,
    ...common,
  }),
  mapping({
    kind: z.literal('bedrock'),
    region: leaf('an AWS region such as us-east-1', (text) =>
      /^[a-z]{2}(-[a-z]+)+-\d$/.test(text) ? text : undefined,
    ),
    /** Absent: the region's own endpoint. */
    base_url: baseUrl.optional(),
    ...common,
  }),
  mapping({
    kind: z.literal('openai-compatible'),
    base_url: baseUrl,
    /** What stands between the address and `/chat/completions`. */
    api_path: leaf('a path such as /v1 or /openai', (text) =>
      /^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/.test(text) ? text : undefined,
    ).optional(),
    max_tokens_field: choice({
      max_tokens: 'max_tokens',
      max_completion_tokens: 'max_completion_tokens',
    }).optional(),
    embeddings: flag.optional(),
    ...region,
    ...common,
  }),
  mapping({
    kind: z.literal('vllm'),
    base_url: baseUrl,
    /** It was started with `--scheduling-policy priority`; others refuse a priority. */
    schedules_by_priority: flag.optional(),
    ...region,
    ...common,
  }),
] as const;

const kindNames = providerKinds.map(({ shape }) => shape.kind.value);
const provider = z
  .discriminatedUnion('kind', providerKinds, {
    error: ({ code }) => (code === 'invalid_union' ? ONE_OF + kindNames.join(', ') : 'a mapping'),
  })
  .superRefine(({ limits: own = {}, use_at_most: share }, context) => {
    mapLimits(planOf(own, 'UTC'), (limit) => {
      if (shareOf(limit, share) < 1)
        context.addIssue({ code: 'custom', path: ['limits'], message: POOL_EXPECTED });
      return limit;
    });
  });

/** By class of tokens; docs/prices.md tells what a missing one falls back to. */
const priceCard = {
  input: price,
  cached_input: price.optional(),
  cache_write_5m: price.optional(),
  cache_write_1h: price.optional(),
  audio_input: price.optional(),
  output: price,
  reasoning: price.optional(),
  audio_output: price.optional(),
};

const routePrice = mapping({
  ...priceCard,
  context_tiers: list(mapping({ above: contextTokens, ...priceCard })).optional(),
  service_tiers: collection(line, tierPercent).optional(),
  web_search: pricePerThousandSearches.optional(),
});

const route = mapping({
  provider: id,
  model: modelName,
  price: routePrice.optional(),
  free: flag.default(false),
});

const model = mapping({
  tier,
  routes: list(route).min(1, { error: 'at least one route' }),
  context_tokens: contextTokens,
  max_output_tokens: contextTokens,
  default_max_output_tokens: contextTokens,
  /** From a call's arrival to its last byte. */
  max_duration: maxDuration.optional(),
  deprecated,
}).superRefine((value, context) => {
  if (value.max_output_tokens > value.context_tokens) {
    const message = 'at most context_tokens';
    context.addIssue({ code: 'custom', path: ['max_output_tokens'], message });
  }
  if (value.default_max_output_tokens > value.max_output_tokens) {
    const message = 'at most max_output_tokens';
    context.addIssue({ code: 'custom', path: ['default_max_output_tokens'], message });
  }
});

const detector = choice(Object.fromEntries(DETECTOR_KINDS.map((kind) => [kind, kind])));
const MAX_THRESHOLD = 1_000_000;
/** In the detector's unit; docs/alerts.md has them. */
const setting = leaf('on, off, or a threshold above 0 such as 75 or 4.5', (text) => {
  if (text === 'on' || text === 'off') return text;
  const isNumber = /^\d+(\.\d{1,3})?$/.test(text) && Number(text) > 0;
  return isNumber ? within(Number(text), 0, MAX_THRESHOLD) : undefined;
});

const alerts = mapping({
  /** Of the monthly budget, each once a month. */
  at_percent: list(percent).default([...DEFAULT_ALERT_PERCENTS]),
  notify: list(id).default([]),
  detectors: collection(detector, setting).optional(),
}).prefault({});

const team = mapping({
  owner: line,
  cost_center: line.optional(),
  tiers: list(tier).default(['shared']),
  /** Absent: every model of the tiers. */
  models: list(alias).optional(),
  tag_rules: tagRules,
  limits: limits.default({}),
  /** On top of the team's limits, for its calls of one tier. */
  tier_limits: mapping({
    shared: limits.optional(),
    premium: limits.optional(),
    experimental: limits.optional(),
  } satisfies { [T in Tier]: unknown }).optional(),
  per_user_limits: limits.optional(),
  per_feature_limits: limits.optional(),
  feature_limits: collection(line, limits).optional(),
  /** What becomes of a call that fits only with a smaller maximum of output tokens. */
  when_tight: choice({ refuse: 'refuse', clamp: 'clamp' }).default('refuse'),
  /** As a model's; the shorter one holds. */
  max_duration: maxDuration.optional(),
  /** Notify and never refuse. */
  soft_limits: plainLimits.optional(),
  alerts,
});

/**
 * Declares whose key it is and what it may do. Its secret is made by the admin API and shown once. A
 * key whose secret exists already (a fixed demo key, one moved from elsewhere) is named by the SHA-256
 * of its whole text, which is safe to write down: a key carries 190 random bits, so nobody finds it
 * from its hash. The secret itself never belongs in this file.
 */
const key = mapping({
  project: id,
  owner: line,
  /** It serves these and no others; the first is a call's when it names none. */
  features: list(line).default([]),
  ...access,
  /** The highest that its calls may ask for, at servers that schedule by it. */
  priority: choice({ low: 'low', normal: 'normal', high: 'high' }).default('normal'),
  tags: collection(tagName, line)
    .refine((tags) => Object.keys(tags).length <= MAX_TAGS, { error: `at most ${MAX_TAGS} tags` })
    .default({}),
  limits: limits.default({}),
  soft_limits: plainLimits.optional(),
  /** Absent: `keys.max_age` after it was first applied. */
  expires: instant.optional(),
  secret: leaf('sha256: and 64 lower-case hexadecimal digits', (text) =>
    /^sha256:([0-9a-f]{64})$/.exec(text)?.at(1),
  ).optional(),
});

const project = mapping({
  team: id,
  limits: limits.optional(),
  soft_limits: plainLimits.optional(),
});

const tenant = mapping({
  ...access,
  tag_rules: tagRules,
  data_may_go_to: dataMayGoTo,
  /** Whom alerts about the whole tenant name. Absent: the platform team. */
  owner: line.optional(),
  /** What is said of detectors here holds for its teams too, unless they say otherwise. */
  alerts,
  trace_store: traceStore.optional(),
  limits: limits.default({}),
  soft_limits: plainLimits.optional(),
  /** What the tenant pays for a call: the provider's price less the discount, and the margin on top of that. */
  billing: mapping({ discount: discount.default(0), margin: margin.default(0) }).optional(),
  teams: collection(id, team),
  projects: collection(id, project).default({}),
  keys: collection(id, key).default({}),
});

const alertKind = choice(Object.fromEntries(ALERT_KINDS.map((kind) => [kind, kind])));
const alertChannel = mapping({
  email: leaf('an e-mail address', (text) =>
    /^[^\s@]{1,64}@[^\s@]{1,190}$/.test(text) ? text : undefined,
  ).optional(),
  slack: leaf('a Slack channel such as "#llm-alerts" (in quotes: # starts a comment)', (text) =>
    /^#[\p{L}\p{N}_-]{1,80}$/u.test(text) ? text : undefined,
  ).optional(),
  /** Absent: every kind. */
  kinds: list(alertKind).optional(),
  at_least: choice({ info: 'info', warning: 'warning', critical: 'critical' }).optional(),
  /** What is not critical waits until they are over. */
  quiet_hours: quietHours.optional(),
}).refine((channel) => (channel.email === undefined) !== (channel.slack === undefined), {
  error: 'exactly one of email and slack',
});

export const policySchema = mapping({
  time_zone: timeZone,
  providers: collection(id, provider),
  models: collection(alias, model),
  alert_channels: collection(id, alertChannel).default({}),
  /** Of what is about no tenant. The platform team's topic has every alert anyway. */
  alerts: mapping({ notify: list(id).default([]) }).prefault({}),
  keys: keyRules,
  sso,
  tenants: collection(id, tenant),
});

/** A valid policy file, its texts read. Units: tokens, milliseconds, nano-dollars, micro-dollars per million. */
export type Policy = z.infer<typeof policySchema>;

/** Whole percents of a limit, rounded down, without leaving the exact integers. */
export function shareOf(limit: number, percentage: number): number {
  return Math.floor(limit / 100) * percentage + Math.floor(((limit % 100) * percentage) / 100);
}

function parseBaseUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text)) return undefined;
  const trimmed = url.href.replace(/\/+$/, '');
  return trimmed.endsWith('/v1') ? undefined : trimmed;
}
