/**
 * The shape of the policy file. Every leaf arrives as the text its author wrote and is read exactly
 * (units.ts). Every message of this schema says what was expected, and nothing else; the place and what
 * was found are added by parse-policy.ts. A message that starts with {@link ONE_OF} lists the choices.
 */
import * as z from 'zod';
import type { Tier } from '../catalog/snapshot.ts';
import type { Dimension, Limits } from '../limits/dimensions.ts';
import { parseCount, parseDurationMs, parseNanoUsd, parsePrice } from './units.ts';

export const ONE_OF = 'one of ';

export const TIERS = {
  shared: 'shared',
  premium: 'premium',
  experimental: 'experimental',
} as const satisfies { [T in Tier]: T };

const MAX_TOKENS = 1_000_000_000_000_000;
const MAX_CONTEXT_TOKENS = 100_000_000;
const MAX_REQUESTS = 100_000_000;
const MAX_CONCURRENT = 100_000;
const MAX_TIMEOUT_MS = 900_000;
const MAX_LIST = 1000;
const MAX_TAGS = 20;
const MAX_TEXT = 200;
const DEFAULT_ALERT_PERCENTS = [50, 70, 80, 100];

const ID_RULE = /^[a-z0-9][a-z0-9-]{0,62}$/;
const id = leaf('an id of 1 to 63 lower-case letters, digits and dashes', (text) =>
  ID_RULE.test(text) ? text : undefined,
);
/** Callers send these as `model`; vendors' own names (`gpt-4.1`, `org/Model-8B`) must be possible. */
const alias = leaf('a model name of 1 to 128 letters, digits and . _ : / -', (text) =>
  /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/.test(text) ? text : undefined,
);
const tagName = leaf('a tag name of 1 to 63 lower-case letters, digits and underscores', (text) =>
  /^[a-z][a-z0-9_]{0,62}$/.test(text) ? text : undefined,
);
const line = leaf(`a text of 1 to ${MAX_TEXT} characters on one line`, (text) =>
  /^\P{Cc}+$/u.test(text) && text.length <= MAX_TEXT ? text : undefined,
);
const flag = choice({ true: true, false: false });
const price = leaf('dollars per million tokens, such as $0.25 (at most 6 decimals)', parsePrice);
const timeout = leaf('a duration from 1ms to 15m, such as 500ms, 15s or 2m', (text) =>
  within(parseDurationMs(text), 1, MAX_TIMEOUT_MS),
);
const contextTokens = count(MAX_CONTEXT_TOKENS);
const percent = leaf('a whole percent from 1 to 100, such as 80', (text) =>
  within(parseCount(text.replace(/ ?%$/, '')), 1, 100),
);
const tier = choice(TIERS);

const budget = leaf('US dollars from $0.000000001 to $9,000,000, such as $50,000', (text) =>
  within(parseNanoUsd(text), 1, Number.MAX_SAFE_INTEGER),
);
const requests = count(MAX_REQUESTS);
const tokens = count(MAX_TOKENS);

const fileLimits = mapping({
  requests_per_second: requests.optional(),
  requests_per_minute: requests.optional(),
  input_tokens_per_minute: tokens.optional(),
  output_tokens_per_minute: tokens.optional(),
  tokens_per_minute: tokens.optional(),
  concurrent_requests: count(MAX_CONCURRENT).optional(),
  daily_quota: tokens.optional(),
  monthly_quota: tokens.optional(),
  daily_budget: budget.optional(),
  monthly_budget: budget.optional(),
});
const limits = fileLimits.transform(toLimits);

const provider = mapping({
  kind: choice({ openai: 'openai', vllm: 'vllm' }),
  base_url: leaf('an http(s) URL without credentials, query or a final /v1', parseBaseUrl),
  /** Name of a secret in the stage's configuration, never the provider key itself. */
  secret: id.optional(),
  timeouts: mapping({
    connect: timeout.default(3000),
    first_byte: timeout.default(60_000),
    idle: timeout.default(60_000),
  }).prefault({}),
});

const route = mapping({
  provider: id,
  model: line,
  price: mapping({ input: price, cached_input: price.optional(), output: price }).optional(),
  free: flag.default(false),
});

const model = mapping({
  tier,
  routes: list(route).min(1, { error: 'at least one route' }),
  context_tokens: contextTokens,
  max_output_tokens: contextTokens,
  default_max_output_tokens: contextTokens,
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

const team = mapping({
  owner: line,
  cost_center: line.optional(),
  tiers: list(tier).default(['shared']),
  /** Absent: every model of the tiers. */
  models: list(alias).optional(),
  limits: limits.default({}),
  alerts: mapping({
    at_percent: list(percent).default(DEFAULT_ALERT_PERCENTS),
    notify: list(id).default([]),
  }).prefault({}),
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
  features: list(line).default([]),
  tags: collection(tagName, line)
    .refine((tags) => Object.keys(tags).length <= MAX_TAGS, { error: `at most ${MAX_TAGS} tags` })
    .default({}),
  limits: limits.default({}),
  expires: leaf('a moment such as 2027-01-31T00:00:00Z', parseInstant).optional(),
  secret: leaf('sha256: and 64 lower-case hexadecimal digits', (text) =>
    /^sha256:([0-9a-f]{64})$/.exec(text)?.at(1),
  ).optional(),
});

const tenant = mapping({
  teams: collection(id, team),
  projects: collection(id, mapping({ team: id })).default({}),
  keys: collection(id, key).default({}),
});

const alertChannel = mapping({
  email: leaf('an e-mail address', (text) =>
    /^[^\s@]{1,64}@[^\s@]{1,190}$/.test(text) ? text : undefined,
  ).optional(),
  slack: leaf('a Slack channel such as "#llm-alerts" (in quotes: # starts a comment)', (text) =>
    /^#[\p{L}\p{N}_-]{1,80}$/u.test(text) ? text : undefined,
  ).optional(),
}).refine((channel) => (channel.email === undefined) !== (channel.slack === undefined), {
  error: 'exactly one of email and slack',
});

export const policySchema = mapping({
  time_zone: leaf('an IANA time zone such as Europe/Berlin or UTC', (text) =>
    isTimeZone(text) ? text : undefined,
  ),
  providers: collection(id, provider),
  models: collection(alias, model),
  alert_channels: collection(id, alertChannel).default({}),
  tenants: collection(id, tenant),
});

/** A valid policy file, its texts read. Units: tokens, milliseconds, nano-dollars, micro-dollars per million. */
export type Policy = z.infer<typeof policySchema>;

function leaf<T>(expected: string, parse: (text: string) => T | undefined) {
  return z.string({ error: expected }).transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

/** Zero is refused because some read it as "no limit" and some as "nothing": leaving the key out says the first. */
function count(max: number) {
  const expected = `a whole number from 1 to ${max.toLocaleString('en-US')}, such as 10, 50K or 1.5M`;
  return leaf(expected, (text) => within(parseCount(text), 1, max));
}

function choice<const T extends Readonly<Record<string, unknown>>>(values: T) {
  const names = Object.keys(values);
  return leaf(ONE_OF + names.join(', '), (text): T[keyof T] | undefined =>
    names.includes(text) ? values[text as keyof T] : undefined,
  );
}

function mapping<T extends z.ZodRawShape>(shape: T) {
  const keys = ONE_OF + Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? keys : 'a mapping'),
  });
}

function collection<K extends z.ZodType<string, string>, V extends z.ZodType>(name: K, value: V) {
  return z.record(name, value, { error: 'a mapping of names' });
}

function list<T extends z.ZodType>(item: T) {
  return z.array(item, { error: 'a list' }).max(MAX_LIST, { error: `at most ${MAX_LIST} entries` });
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

/** Complete by construction: a new dimension does not compile until the file has a key for it. */
function toLimits(file: z.infer<typeof fileLimits>): Limits {
  const limits: Record<Dimension, number | undefined> = {
    requestsPerSecond: file.requests_per_second,
    requestsPerMinute: file.requests_per_minute,
    inputTokensPerMinute: file.input_tokens_per_minute,
    outputTokensPerMinute: file.output_tokens_per_minute,
    tokensPerMinute: file.tokens_per_minute,
    concurrentRequests: file.concurrent_requests,
    tokensPerDay: file.daily_quota,
    tokensPerMonth: file.monthly_quota,
    nanoUsdPerDay: file.daily_budget,
    nanoUsdPerMonth: file.monthly_budget,
  };
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined));
}

function parseBaseUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text)) return undefined;
  const trimmed = url.href.replace(/\/+$/, '');
  return trimmed.endsWith('/v1') ? undefined : trimmed;
}

function parseInstant(text: string): number | undefined {
  const instant = z.iso.datetime({ offset: true }).safeParse(text);
  return instant.success ? Date.parse(instant.data) : undefined;
}

/** Fixed offsets ("+01:00") are no calendars: they know no summer time. */
function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
