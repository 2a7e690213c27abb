/**
 * Everything about one call by its request id: what became of it, what it still holds, and where its logs, spans and
 * record are. It decides where to look and what the findings mean and never asks for them; prompts and answers are
 * not among them.
 */
import * as z from 'zod';
import { type KeyRecord, type ModelAlias, tierSchema } from './catalog/snapshot.ts';
import type { EpochMs } from './clock.ts';
import type { Hold, LeaseUse } from './limits/account.ts';
import { settledIn } from './limits/lease.ts';
import type { PostedAccount } from './limits/posted.ts';
import { type Scope, scopeLabel } from './tenancy/scopes.ts';
import { type CallNames, scopesNamed } from './tenancy/scopes-of.ts';
import { TRACE_PREFIX, traceKey } from './traces/trace-record.ts';
import { type UsageEvent, usageEventSchema } from './usage/event.ts';

/** Whose call it is. */
export type CallOwner = Pick<CallNames, 'tenantId' | 'teamId' | 'projectId' | 'keyId'>;

export interface FoundHold {
  readonly scope: Scope;
  /** One of the scope's, which has shards where it is hot. */
  readonly account: string;
  readonly id: string;
  readonly hold: Hold;
}

/** The lease's hold is gone once its worker has returned all of it. */
export interface FoundLease extends LeaseUse {
  readonly hold: Hold | undefined;
}

export interface Findings {
  readonly requestId: string;
  readonly nowMs: EpochMs;
  readonly owner: CallOwner;
  /** Undefined where the lake has none: the call is not over, its event is under way, or it is of another day. */
  readonly event: UsageEvent | undefined;
  readonly holds: readonly FoundHold[];
  readonly leases: readonly FoundLease[];
  readonly posted: readonly PostedAccount[];
  readonly isCancelled: boolean;
  readonly place: Place;
}

export interface Place {
  readonly region: string;
  /** Of the proxy function. */
  readonly logGroup: string;
  /** Undefined where the stage has no trace store. */
  readonly traceBucket: string | undefined;
}

const stateSchema = z.enum([
  /** It holds room, and nobody has told how it ended. */
  'running',
  /** It holds room past its expiry: its process died, and the reaper closes it within a minute or two. */
  'abandoned',
  /** Its process died; it is charged at its hold until the truth is known. */
  'charged at the hold',
  /** The truth of it is booked, and nothing is held. */
  'closed',
  /** Its usage event is there, and something is held still: a settlement failed, or is under way. */
  'not settled',
]);
type RequestState = z.infer<typeof stateSchema>;

export const requestSchema = z.object({
  request_id: z.string(),
  state: stateSchema,
  tenant_id: z.string(),
  team_id: z.string(),
  project_id: z.string(),
  virtual_key_id: z.string(),
  /** What the caller asked for. */
  model_alias: z.nullable(z.string()),
  event: z.nullable(usageEventSchema),
  /** Its caller has asked for its end. */
  cancelled: z.boolean(),
  holds: z.array(
    z.object({
      scope: z.string(),
      account: z.string(),
      nano_usd: z.number(),
      input_tokens: z.number(),
      output_tokens: z.number(),
      expires_in_seconds: z.number(),
    }),
  ),
  /** Accounts where it has no hold of its own but a part, as large as its other holds, of a worker's lease (ADR 0016). */
  leases: z.array(
    z.object({
      account: z.string(),
      lease: z.string(),
      settled: z.boolean(),
      expires_in_seconds: z.nullable(z.number()),
    }),
  ),
  /** Accounts where it was charged at its hold, and whether the truth has replaced that. */
  posted: z.array(z.object({ account: z.string(), corrected: z.boolean() })),
  /** A query for CloudWatch Logs Insights, and when to look; null where nobody knows when it ran. */
  logs: z.object({
    region: z.string(),
    log_group: z.string(),
    query: z.string(),
    from: z.nullable(z.string()),
    to: z.nullable(z.string()),
  }),
  trace: z.nullable(z.object({ trace_id: z.string(), xray: z.string() })),
  /** Addresses in the trace store, of which it may hold none. */
  record: z.nullable(z.array(z.string())),
});
export type RequestReport = z.infer<typeof requestSchema>;

/** Undefined where nothing says that there ever was such a call. */
export function describeRequest(findings: Findings): RequestReport | undefined {
  const { requestId, nowMs, owner, event, holds, leases, posted, place } = findings;
  const state = stateOf(findings);
  if (state === undefined) return undefined;
  return {
    request_id: requestId,
    state,
    tenant_id: owner.tenantId,
    team_id: owner.teamId,
    project_id: owner.projectId,
    virtual_key_id: owner.keyId,
    model_alias: event?.model_alias ?? leadOf(holds)?.owner.alias ?? null,
    event: event ?? null,
    cancelled: findings.isCancelled,
    holds: holds.map((found) => holdOf(found, nowMs)),
    leases: leases.map(({ account, lease, hold }) => ({
      account,
      lease,
      settled: holds.some(({ id }) => settledIn(hold).includes(id)),
      expires_in_seconds: hold === undefined ? null : secondsLeft(hold, nowMs),
    })),
    posted: posted.map(({ account, isCorrected }) => ({ account, corrected: isCorrected })),
    logs: logsOf(findings),
    trace: traceOf(event, place),
    record: recordOf(findings),
  };
}

/** A call's lead says what the call is; it is there for as long as the call runs. */
export function leadOf(holds: readonly FoundHold[]) {
  return holds
    .map(({ hold: { owner, expiresAtSeconds } }) => ({ owner, expiresAtSeconds }))
    .find((each): each is Lead => each.owner.kind === 'lead');
}

interface Lead {
  readonly owner: Extract<Hold['owner'], { kind: 'lead' }>;
  readonly expiresAtSeconds: number;
}

/** What is known of a call before its accounts are read. */
export interface KnownCall {
  readonly owner: CallOwner;
  readonly event: UsageEvent | undefined;
  readonly key: KeyRecord | undefined;
  /** As the policy has it now. */
  readonly model: ModelAlias | undefined;
}

/**
 * Where the call may hold, its key first. What its event does not tell is taken from its key and its model: then a user or a
 * feature that the caller named itself is missing, and any of the model's routes may be the first.
 */
export function scopesToSearch({ owner, event, key, model }: KnownCall): readonly Scope[] {
  const { pool = null, fallback_from = null, tier } = event ?? {};
  const told = [pool, fallback_from?.split('/', 1)[0] ?? null].filter((name) => name !== null);
  const possible = (model?.routes ?? []).map(({ provider }) => provider);
  return scopesNamed({
    ...owner,
    tier: tierSchema.safeParse(tier).data ?? model?.tier,
    userId: event?.user_id ?? key?.pinnedTags['user_id'] ?? null,
    feature: event?.feature ?? key?.pinnedTags['feature'] ?? key?.features[0] ?? null,
    pools: [...new Set(told.length === 0 ? possible : told)],
  });
}

function stateOf({ event, holds, posted, nowMs }: Findings): RequestState | undefined {
  if (event !== undefined && event.outcome !== 'expired')
    return holds.length === 0 ? 'closed' : 'not settled';
  if (event !== undefined || posted.some(({ isCorrected }) => !isCorrected))
    return 'charged at the hold';
  if (posted.length > 0) return 'closed';
  const lead = leadOf(holds);
  if (lead === undefined) return undefined;
  return lead.expiresAtSeconds * 1000 < nowMs ? 'abandoned' : 'running';
}

function holdOf({ scope, account, hold }: FoundHold, nowMs: EpochMs) {
  return {
    scope: scopeLabel(scope),
    account,
    nano_usd: hold.nanoUsd,
    input_tokens: hold.inputTokens,
    output_tokens: hold.outputTokens,
    expires_in_seconds: secondsLeft(hold, nowMs),
  };
}

function secondsLeft({ expiresAtSeconds }: Hold, nowMs: EpochMs): number {
  return Math.round(expiresAtSeconds - nowMs / 1000);
}

/** Longer than any call runs or any hold lives. */
const MARGIN_MS = 3_600_000;

function logsOf(findings: Findings) {
  const { requestId, place } = findings;
  const [fromMs, toMs] = hoursOf(findings);
  return {
    region: place.region,
    log_group: place.logGroup,
    query: `fields @timestamp, level, message, status, errorCode, durationMs, error.message | filter requestId = "${requestId}" | sort @timestamp`,
    from: fromMs === undefined ? null : new Date(fromMs - MARGIN_MS).toISOString(),
    to: toMs === undefined ? null : new Date(toMs + MARGIN_MS).toISOString(),
  };
}

function hoursOf({ event, holds, nowMs }: Findings): readonly [EpochMs?, EpochMs?] {
  if (event !== undefined) return [event.event_time_ms, event.event_time_ms + event.duration_ms];
  const lead = leadOf(holds);
  return lead === undefined ? [] : [Math.min(nowMs, lead.expiresAtSeconds * 1000), nowMs];
}

/** X-Ray writes a W3C trace id in three parts. */
function traceOf(event: UsageEvent | undefined, { region }: Place) {
  const id = event?.trace_id;
  if (id === undefined || id === null) return null;
  const xrayId = `1-${id.slice(0, 8)}-${id.slice(8)}`;
  const console = `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}`;
  return { trace_id: id, xray: `${console}#xray:traces/${xrayId}` };
}

/** Only the role TraceReader can open them, and each read is recorded. A record is written when its call is over. */
function recordOf({ requestId, place: { traceBucket }, owner, event }: Findings) {
  if (traceBucket === undefined || event === undefined) return null;
  return Object.values(TRACE_PREFIX).map(
    (folder) => `s3://${traceBucket}/${traceKey(folder, owner.tenantId, requestId)}`,
  );
}
