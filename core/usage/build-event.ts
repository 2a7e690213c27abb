/** The usage event of one call, from what the request path knows when its books close. */
import type { Route } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import type { Dialect } from '../dialects/dialect.ts';
import type { Reservation } from '../limits/accounts.ts';
import { monthName } from '../limits/periods.ts';
import type { Demand } from '../limits/reserve.ts';
import type { NanoUsd } from '../money.ts';
import type { Caller } from '../tenancy/authenticate.ts';
import type { Priority } from '../tenancy/priority.ts';
import type { Tags } from '../tenancy/tags.ts';
import { billedTo } from './billing.ts';
import { reportedCostOf } from './cost.ts';
import type { UsageEvent } from './event.ts';
import { MAX_RAW_USAGE, NO_USAGE_DETAIL, UNSAID, USAGE_SCHEMA_VERSION } from './event-values.ts';
import type { TokenUsage } from './tokens.ts';

/** What is known before the call is made. */
export interface CallFacts {
  readonly requestId: string;
  readonly receivedAtMs: EpochMs;
  readonly caller: Caller;
  readonly tags: Tags;
  readonly dialect: Dialect;
  readonly alias: string;
  readonly tier: string;
  readonly stream: boolean;
  readonly priority: Priority;
  readonly traceId?: string | undefined;
}

/** What became of it. */
export interface CallOutcome {
  readonly outcome: UsageEvent['outcome'];
  readonly status: number;
  readonly errorCode?: string | undefined;
  readonly denied?: { readonly dimension: string; readonly scope: string } | undefined;
  readonly route?: Route | undefined;
  /** The route that was tried first. */
  readonly firstRoute?: Route | undefined;
  readonly usage?: TokenUsage | undefined;
  readonly estimated: boolean;
  /** Why the answer ended, in the provider's own word. */
  readonly stopReason?: string | undefined;
  readonly cost: NanoUsd;
  readonly held?: Demand | undefined;
  readonly month: number;
  readonly crossings?: Reservation['crossings'];
  readonly attempts: number;
  readonly ttftMs?: number | undefined;
  readonly overheadMs?: number | undefined;
  readonly closedAtMs: EpochMs;
}

export function buildUsageEvent(facts: CallFacts, outcome: CallOutcome): UsageEvent {
  const { key, policy } = facts.caller;
  const { usage, route, held, crossings = [] } = outcome;
  return {
    ...UNSAID,
    schema_version: USAGE_SCHEMA_VERSION,
    request_id: facts.requestId,
    event_time_ms: facts.receivedAtMs,
    outcome: outcome.outcome,
    tenant_id: key.tenantId,
    team_id: key.teamId,
    project_id: key.projectId,
    virtual_key_id: key.keyId,
    ...facts.tags,
    dialect: facts.dialect,
    model_alias: facts.alias,
    model: route?.model ?? null,
    provider: route?.provider ?? null,
    tier: facts.tier,
    stream: facts.stream,
    status: outcome.status,
    error_code: outcome.errorCode ?? null,
    denied_dimension: outcome.denied?.dimension ?? null,
    denied_scope: outcome.denied?.scope ?? null,
    input_tokens: usage?.inputTokens ?? null,
    cached_input_tokens: usage?.cachedInputTokens ?? null,
    output_tokens: usage?.outputTokens ?? null,
    reasoning_tokens: usage?.reasoningTokens ?? null,
    cost_nano_usd: outcome.cost,
    price_version: priceVersion(route, usage),
    held_nano_usd: held?.nanoUsd ?? 0,
    held_tokens: (held?.inputTokens ?? 0) + (held?.outputTokens ?? 0),
    estimated: outcome.estimated,
    attempts: outcome.attempts,
    ttft_ms: outcome.ttftMs ?? null,
    duration_ms: Math.max(0, outcome.closedAtMs - facts.receivedAtMs),
    overhead_ms: outcome.overheadMs ?? null,
    policy_version: policy.version,
    period: monthName(outcome.month),
    soft_limits_crossed: crossings.length === 0 ? null : JSON.stringify(crossings),
    attempt_id: outcome.attempts === 0 ? null : `${facts.requestId}/${outcome.attempts}`,
    trace_id: facts.traceId ?? null,
    // The account of a pool is named after its provider.
    pool: route?.provider ?? null,
    region: (route && policy.providers[route.provider]?.region) ?? null,
    priority: facts.priority,
    fallback_from: fallbackFrom(outcome),
    stop_reason: outcome.stopReason?.slice(0, MAX_STOP_REASON) ?? null,
    ...billedTo(policy, key.tenantId, outcome.cost),
    ...(usage === undefined ? NO_USAGE_DETAIL : detailOf(usage)),
  };
}

/** Servers have words of their own; none is as long. */
const MAX_STOP_REASON = 64;

function fallbackFrom({ route, firstRoute }: CallOutcome): string | null {
  if (firstRoute === undefined || firstRoute === route) return null;
  return `${firstRoute.provider}/${firstRoute.model}`;
}

/** Null only where a price should have been and was not: such rows are looked for. */
function priceVersion(route: Route | undefined, usage: TokenUsage | undefined): string | null {
  const version = route?.price?.version ?? (route?.free === true ? 'free' : undefined);
  if (version === undefined) return null;
  const isReported = usage !== undefined && reportedCostOf(usage, route?.price) !== undefined;
  return isReported ? `${version}${REPORTED}` : version;
}

/** Marks the version of a price that gave way to the provider's own figure. */
const REPORTED = '+provider-cost';

function detailOf(usage: TokenUsage): Pick<UsageEvent, keyof typeof NO_USAGE_DETAIL> {
  return {
    cache_write_5m_tokens: usage.cacheWrite5mTokens ?? null,
    cache_write_1h_tokens: usage.cacheWrite1hTokens ?? null,
    audio_input_tokens: usage.audioInputTokens ?? null,
    audio_output_tokens: usage.audioOutputTokens ?? null,
    web_searches: usage.toolCalls === undefined ? null : (usage.toolCalls.web_search ?? 0),
    service_tier: usage.serviceTier ?? null,
    batch: usage.batch ?? null,
    usage_raw: rawText(usage.raw),
  };
}

const RAW_DEPTH = 5;
const RAW_CUT = 900;

/** Whatever a provider sends as usage fits a column and is JSON: what is deeper is left out, what is longer is quoted in part. */
function rawText(raw: unknown): string | null {
  if (raw === undefined) return null;
  const text = JSON.stringify(raw, isWithin(RAW_DEPTH, raw) ? undefined : withinDepth(RAW_DEPTH));
  return text.length <= MAX_RAW_USAGE ? text : JSON.stringify({ cut: text.slice(0, RAW_CUT) });
}

function isWithin(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((each) => isWithin(levels - 1, each));
}

/** A replacer that ends below so many levels, since the serialiser itself has no bound but the stack. */
function withinDepth(depth: number) {
  const depths = new WeakMap<object, number>();
  return function (this: object, _key: string, value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    const own = (depths.get(this) ?? 0) + 1;
    depths.set(value, own);
    return own > depth ? undefined : value;
  };
}
