/**
 * The policy as the request path reads it: one immutable, versioned document that holds everything but
 * the keys (those are records of their own, so that a million keys cost nothing here). Compiled from
 * the policy file by core/policy, written by the admin function, believed by the proxy for 30 s.
 */
import * as z from 'zod/mini';
import { prioritySchema } from '../tenancy/priority.ts';

const count = z.int().check(z.nonnegative());

export const tierSchema = z.enum(['shared', 'premium', 'experimental']);
export type Tier = z.infer<typeof tierSchema>;

/** Hard limits of a scope, by dimension of core/limits/dimensions.ts; absent means not limited. */
export const limitsSchema = z.object({
  requestsPerSecond: z.optional(count),
  requestsPerMinute: z.optional(count),
  inputTokensPerMinute: z.optional(count),
  outputTokensPerMinute: z.optional(count),
  tokensPerMinute: z.optional(count),
  concurrentRequests: z.optional(count),
  tokensPerDay: z.optional(count),
  tokensPerMonth: z.optional(count),
  nanoUsdPerDay: z.optional(count),
  nanoUsdPerMonth: z.optional(count),
});

/** Limits and the windows in which others hold: what it means is in core/limits/schedule.ts. */
const scheduleSchema = z.object({
  days: z.readonly(z.array(count)),
  fromMinute: count,
  toMinute: count,
  timeZone: z.string(),
  limits: limitsSchema,
});
/** Amounts may be negative: what one scope has lent to another. */
const raiseSchema = z.object({
  fromMs: count,
  untilMs: count,
  limits: z.object(
    Object.fromEntries(Object.keys(limitsSchema.shape).map((name) => [name, z.optional(z.int())])),
  ),
  endsWithPeriod: z.boolean(),
});
const limitPlanSchema = z.extend(limitsSchema, {
  schedules: z.optional(z.readonly(z.array(scheduleSchema))),
  raises: z.optional(z.readonly(z.array(raiseSchema))),
  /** Notify and never refuse. */
  soft: z.optional(limitsSchema),
});

/** Tools that a provider runs and bills by the call. */
const billedToolSchema = z.enum(['web_search']);
export type BilledTool = z.infer<typeof billedToolSchema>;

/** Whole micro-dollars per million tokens, by class. What a class without a price falls back to is in core/usage/cost.ts. */
const priceCard = {
  input: count,
  cachedInput: z.optional(count),
  cacheWrite5m: z.optional(count),
  cacheWrite1h: z.optional(count),
  audioInput: z.optional(count),
  output: count,
  reasoning: z.optional(count),
  audioOutput: z.optional(count),
};
const priceCardSchema = z.object(priceCard);
export type PriceCard = z.infer<typeof priceCardSchema>;

export const priceTermsSchema = z.object({
  ...priceCard,
  /** Ascending. A call with more input tokens is billed at these prices instead, the whole of it. */
  contextTiers: z.optional(z.array(z.object({ aboveInputTokens: count, ...priceCard }))),
  /** Whole percents of the prices above, by the tier's name at the provider. `batch` is one of them. */
  serviceTiers: z.optional(z.record(z.string(), count)),
  /** Nano-dollars per call. */
  toolCalls: z.optional(z.partialRecord(billedToolSchema, count)),
});
export type PriceTerms = z.infer<typeof priceTermsSchema>;

const priceSchema = z.extend(priceTermsSchema, {
  /** Names the document and the entry that the price came from. */
  version: z.string(),
  /** The provider's own figure for a call wins over these prices. */
  trustsProviderCost: z.optional(z.boolean()),
});
export type Price = z.infer<typeof priceSchema>;

const providerSchema = z.object({
  id: z.string(),
  /** What each kind means is in core/providers/<kind>. */
  kind: z.enum(['openai', 'anthropic', 'azure-openai', 'bedrock', 'openai-compatible', 'vllm']),
  /** Ends without a slash; the dialect's path (`/v1/...`) is appended. */
  baseUrl: z.string(),
  /** Where it computes. Of `bedrock`: also where its calls are signed for. */
  region: z.optional(z.string()),
  /** What it may be trusted with, such as `eu` or `hipaa`: free names that tenants' rules go by. */
  labels: z.optional(z.array(z.string())),
  /** Of `azure-openai`: the dated API with deployments in the path. Absent: its v1 API. */
  apiVersion: z.optional(z.string()),
  /** Of `openai-compatible`: what stands before `/chat/completions`. Absent: `/v1`. */
  apiPath: z.optional(z.string()),
  /** Of `openai-compatible`: the name it has for the maximum of output tokens. Absent: `max_tokens`. */
  maxTokensField: z.optional(z.enum(['max_tokens', 'max_completion_tokens'])),
  /** Of `openai-compatible`: it makes embeddings too. */
  embeddings: z.optional(z.boolean()),
  /** Of `vllm`: the server was started with `--scheduling-policy priority`. */
  schedulesByPriority: z.optional(z.boolean()),
  /** Name of the secret that holds the provider's key pool; absent where the server wants no key. */
  secret: z.optional(z.string()),
  /** Whether its calls carry the trace's ids. Absent: those to `vllm`, which is ours, do. */
  continuesTrace: z.optional(z.boolean()),
  connectTimeoutMs: count,
  firstByteTimeoutMs: count,
  idleTimeoutMs: count,
  /** Of the pool: the share of the provider's own limits that the policy allows. Absent: not limited. */
  limits: z.optional(limitPlanSchema),
  /** Whole percents of the provider's own limits that those limits are. Absent: all. */
  useAtMostPercent: z.optional(count),
});
export type Provider = z.infer<typeof providerSchema>;

const routeSchema = z.object({
  provider: z.string(),
  /** The model's name at the provider. */
  model: z.string(),
  /** Absent only where `free` is true. */
  price: z.optional(priceSchema),
  free: z.boolean(),
});
export type Route = z.infer<typeof routeSchema>;

/** A model that goes, or has gone. What it means is in core/routing/deprecation.ts. */
const deprecationSchema = z.object({
  onMs: count,
  /** From here on it is served no more. Absent: nobody knows yet. */
  sunsetMs: z.optional(count),
  /** The alias to call instead. */
  replacement: z.optional(z.string()),
  message: z.optional(z.string()),
  /** After the sunset its calls go to the replacement. Absent: they are refused. */
  redirects: z.optional(z.boolean()),
});
export type Deprecation = z.infer<typeof deprecationSchema>;

/** Models that a tenant, team or key may call: an absent list allows what the level above allows. */
const access = {
  tiers: z.optional(z.array(tierSchema)),
  models: z.optional(z.array(z.string())),
};

/** Which tags calls carry. What it means is in core/tenancy/tag-rules.ts. */
const tagRulesSchema = z.object({
  required: z.array(z.string()),
  /** By tag: the values it may have, where `*` at the end stands for any rest. */
  allowedValues: z.record(z.string(), z.array(z.string())),
});
export type TagRules = z.infer<typeof tagRulesSchema>;

/** Where a tenant's data may go. What it means is in core/routing/data-places.ts. */
const dataPlacesSchema = z.object({
  regions: z.optional(z.array(z.string())),
  providers: z.optional(z.array(z.string())),
  labels: z.optional(z.array(z.string())),
});
export type DataPlaces = z.infer<typeof dataPlacesSchema>;

const modelAliasSchema = z.object({
  alias: z.string(),
  tier: tierSchema,
  /** In order of preference. */
  routes: z.array(routeSchema).check(z.minLength(1)),
  contextTokens: count,
  maxOutputTokens: count,
  /** Injected as the upstream maximum when the caller gives none. */
  defaultMaxOutputTokens: count,
  /** Longest time from a call's arrival to its last byte. Absent: the platform's. */
  maxDurationSeconds: z.optional(count),
  deprecation: z.optional(deprecationSchema),
});
export type ModelAlias = z.infer<typeof modelAliasSchema>;

/** By detector of core/alerts/thresholds.ts: off, on at its own threshold, or on at another one. */
const detectorsSchema = z.record(z.string(), z.union([z.literal(['on', 'off']), z.number()]));

const teamSchema = z.object({
  id: z.string(),
  tenantId: z.string(),
  tiers: z.array(tierSchema),
  /** Aliases allowed; absent means every alias of the team's tiers. */
  models: access.models,
  tagRules: z.optional(tagRulesSchema),
  limits: limitPlanSchema,
  /** On top of the team's limits, for its calls of one tier. */
  tierLimits: z.optional(z.partialRecord(tierSchema, limitPlanSchema)),
  /** Of each user and each feature of the team, as their calls are tagged. */
  perUserLimits: z.optional(limitPlanSchema),
  perFeatureLimits: z.optional(limitPlanSchema),
  /** Of features with limits of their own, which replace `perFeatureLimits` whole. */
  featureLimits: z.optional(z.record(z.string(), limitPlanSchema)),
  /** A call that does not fit, but would with a smaller maximum of output tokens, gets that one. Absent: it is refused. */
  clampOutput: z.optional(z.boolean()),
  /** As a model's; the shorter one holds. */
  maxDurationSeconds: z.optional(count),
  /** Whole percents of the monthly budget at which an alert is due, each once a period. */
  alertAtPercent: z.array(count),
  /** Names of alert channels. */
  notify: z.optional(z.array(z.string())),
  detectors: z.optional(detectorsSchema),
  owner: z.string(),
  costCenter: z.optional(z.string()),
});
export type Team = z.infer<typeof teamSchema>;

/** Whole percents off the provider's price, and on top of what that leaves. */
const billingTermsSchema = z.object({ discountPercent: count, marginPercent: count });
export type BillingTerms = z.infer<typeof billingTermsSchema>;

/** What is kept of a tenant's calls beside their usage events (core/traces). */
const traceStoreSchema = z.object({
  /** `metadata`: no word of prompts and answers. `full`: both, redacted. */
  mode: z.enum(['metadata', 'full']),
  /** Whole percents of the calls that are kept for longer. */
  coldPercent: count,
  /** Texts to redact besides the usual ones: literal, but for `#`, a digit, and `@`, a letter. */
  redact: z.optional(z.array(z.string())),
});
export type TraceStore = z.infer<typeof traceStoreSchema>;

const tenantSchema = z.object({
  ...access,
  tagRules: z.optional(tagRulesSchema),
  dataMayGoTo: z.optional(dataPlacesSchema),
  /** Absent: off. */
  traceStore: z.optional(traceStoreSchema),
  limits: limitPlanSchema,
  /** Absent: it pays what the provider takes. */
  billing: z.optional(billingTermsSchema),
  owner: z.optional(z.string()),
  /** As a team's, of the tenant's own budget. */
  alertAtPercent: z.optional(z.array(count)),
  notify: z.optional(z.array(z.string())),
  /** Of the tenant and of its teams that say nothing else. */
  detectors: z.optional(detectorsSchema),
  /** Of the tenant's projects that have limits, by the project's id. */
  projectLimits: z.record(z.string(), limitPlanSchema),
});
export type Tenant = z.infer<typeof tenantSchema>;

const projectSchema = z.object({ id: z.string(), tenantId: z.string(), teamId: z.string() });

/** Whose tokens stand for a key, and whose calls they are. What it means is in core/tenancy/sign-in.ts. */
const issuerSchema = z.object({
  id: z.string(),
  issuer: z.string(),
  audiences: z.array(z.string()),
  jwksUri: z.optional(z.string()),
  userClaim: z.string(),
  /** Names are ids, or `claim:` and the name of the claim that holds one. */
  rules: z.array(
    z.object({
      when: z.record(z.string(), z.string()),
      tenant: z.string(),
      team: z.string(),
      project: z.string(),
    }),
  ),
});
export type Issuer = z.infer<typeof issuerSchema>;

/** Where alerts go: an e-mail address or a Slack channel. */
const alertChannelSchema = z.object({
  email: z.optional(z.string()),
  slack: z.optional(z.string()),
  /** It gets these and no others. */
  kinds: z.optional(z.array(z.string())),
  /** It gets nothing below. */
  atLeast: z.optional(z.enum(['info', 'warning', 'critical'])),
  quietHours: z.optional(
    z.object({
      days: z.array(count),
      fromMinute: count,
      toMinute: count,
      timeZone: z.string(),
    }),
  ),
});
export type AlertChannel = z.infer<typeof alertChannelSchema>;

export const policySnapshotSchema = z.object({
  /** Grows by one with every applied policy. */
  version: count,
  /** IANA time zone of calendar days and months. */
  timeZone: z.string(),
  providers: z.record(z.string(), providerSchema),
  models: z.record(z.string(), modelAliasSchema),
  /** By id. Absent in snapshots from before tenants had limits. */
  tenants: z.optional(z.record(z.string(), tenantSchema)),
  /** By `teamKey(tenantId, teamId)`. */
  teams: z.record(z.string(), teamSchema),
  projects: z.array(projectSchema),
  /** Longest life of a key. Absent in snapshots from before keys had one. */
  keyMaxAgeMs: z.optional(count),
  issuers: z.optional(z.array(issuerSchema)),
  /** By name. Absent in snapshots from before alerts were routed. */
  alertChannels: z.optional(z.record(z.string(), alertChannelSchema)),
  /** Channels of alerts that are about no tenant. */
  notify: z.optional(z.array(z.string())),
});
export type PolicySnapshot = z.infer<typeof policySnapshotSchema>;

/** A credential as stored: found by the hash of its secret, which is kept nowhere, or by the claims of a token. */
export const keyRecordSchema = z.object({
  keyId: z.string(),
  tenantId: z.string(),
  teamId: z.string(),
  projectId: z.string(),
  owner: z.string(),
  /** Tags that callers cannot change. */
  pinnedTags: z.record(z.string(), z.string()),
  /** Features the key serves, and no others; the first is the default feature tag. None: any feature. */
  features: z.array(z.string()),
  ...access,
  limits: limitPlanSchema,
  /** The highest priority of its calls. Absent: normal. */
  priority: z.optional(prioritySchema),
  expiresAtMs: z.optional(count),
  createdAtMs: count,
  /** Of keys that the admin API has made: the principal's id. */
  createdBy: z.optional(z.string()),
  /** The policy declares it: there it is changed, and not through the admin API. */
  isDeclared: z.optional(z.boolean()),
  /** The key's own, whatever its team's is; the account says what is in force. Absent: active. */
  status: z.optional(z.enum(['active', 'suspended', 'revoked'])),
  /** Of a key that was given a new secret: until when the one before works too. */
  previousSecretUntilMs: z.optional(count),
});
export type KeyRecord = z.infer<typeof keyRecordSchema>;
