/** The usage event of one call, from what the request path knows when its books close. */
import type { Route } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { monthName } from '../limits/periods.ts';
import type { Demand } from '../limits/reserve.ts';
import type { NanoUsd } from '../money.ts';
import type { Caller } from '../tenancy/authenticate.ts';
import type { Tags } from '../tenancy/tags.ts';
import { USAGE_SCHEMA_VERSION, type UsageEvent } from './event.ts';
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
}

/** What became of it. */
export interface CallOutcome {
  readonly outcome: UsageEvent['outcome'];
  readonly status: number;
  readonly errorCode?: string | undefined;
  readonly denied?: { readonly dimension: string; readonly scope: string } | undefined;
  readonly route?: Route | undefined;
  readonly usage?: TokenUsage | undefined;
  readonly estimated: boolean;
  readonly cost: NanoUsd;
  readonly held?: Demand | undefined;
  readonly month: number;
  readonly attempts: number;
  readonly ttftMs?: number | undefined;
  readonly overheadMs?: number | undefined;
  readonly closedAtMs: EpochMs;
}

/** Null only where a price should have been and was not: such rows are looked for. */
function priceVersion(route: Route | undefined): string | null {
  return route?.price?.version ?? (route?.free === true ? 'free' : null);
}

export function buildUsageEvent(facts: CallFacts, outcome: CallOutcome): UsageEvent {
  const { key, policy } = facts.caller;
  const { usage, route, held } = outcome;
  return {
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
    price_version: priceVersion(route),
    held_nano_usd: held?.nanoUsd ?? 0,
    held_tokens: (held?.inputTokens ?? 0) + (held?.outputTokens ?? 0),
    estimated: outcome.estimated,
    attempts: outcome.attempts,
    ttft_ms: outcome.ttftMs ?? null,
    duration_ms: Math.max(0, outcome.closedAtMs - facts.receivedAtMs),
    overhead_ms: outcome.overheadMs ?? null,
    policy_version: policy.version,
    period: monthName(outcome.month),
  };
}
