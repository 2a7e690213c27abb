/**
 * Everything about one call by its request id: what became of it, what it still holds, and where its logs, spans and
 * record are. It decides what the findings mean and never asks for them; prompts and answers are not among them.
 */
import type { EpochMs } from './clock.ts';
import { TRACE_PREFIX, traceKey } from './traces/trace-record.ts';
import type { UsageEvent } from './usage/event.ts';

export interface OpenHold {
  /** As `team:search`. */
  readonly scope: string;
  readonly nanoUsd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly expiresAtSeconds: number;
  /** The key's own: it is there for as long as the call runs. */
  readonly isLead: boolean;
}

export interface Findings {
  readonly requestId: string;
  readonly nowMs: EpochMs;
  /** Undefined where the lake has none: the call is not over, its event is under way, or it is of another day. */
  readonly event: UsageEvent | undefined;
  /** Undefined where nobody knows the key, and so the accounts. */
  readonly accounts:
    | {
        readonly holds: readonly OpenHold[];
        readonly posted: readonly { readonly account: string; readonly isCorrected: boolean }[];
        readonly isCancelled: boolean;
      }
    | undefined;
  readonly place: Place;
}

export interface Place {
  readonly region: string;
  /** Of the proxy function. */
  readonly logGroup: string;
  /** Undefined where the stage has no trace store. */
  readonly traceBucket: string | undefined;
}

export type RequestState =
  /** It holds room, and nobody has told how it ended. */
  | 'running'
  /** It holds room past its expiry: its process died, and the reaper closes it within a minute or two. */
  | 'abandoned'
  /** Its process died; it is charged at its hold until the truth is known. */
  | 'charged at the hold'
  /** Its usage event is there, and nothing is held. */
  | 'closed'
  /** Its usage event is there, and something is held still: a settlement failed, or is under way. */
  | 'not settled'
  | 'unknown';

export function describeRequest(findings: Findings) {
  const { requestId, nowMs, event, accounts, place } = findings;
  return {
    request_id: requestId,
    state: stateOf(findings),
    event: event ?? null,
    cancelled: accounts?.isCancelled ?? null,
    holds: accounts?.holds.map((hold) => holdOf(hold, nowMs)) ?? null,
    posted:
      accounts?.posted.map(({ account, isCorrected }) => ({ account, corrected: isCorrected })) ??
      null,
    logs: logsOf(requestId, place, event),
    trace: traceOf(event, place),
    record: recordOf(requestId, place, event),
  };
}

function stateOf({ event, accounts, nowMs }: Findings): RequestState {
  const { holds = [], posted = [] } = accounts ?? {};
  const isCharged = posted.some(({ isCorrected }) => !isCorrected);
  if (event !== undefined && event.outcome !== 'expired')
    return holds.length === 0 ? 'closed' : 'not settled';
  if (isCharged || event !== undefined) return 'charged at the hold';
  const lead = holds.find(({ isLead }) => isLead);
  if (lead === undefined) return 'unknown';
  return lead.expiresAtSeconds * 1000 < nowMs ? 'abandoned' : 'running';
}

function holdOf(hold: OpenHold, nowMs: EpochMs) {
  return {
    scope: hold.scope,
    nano_usd: hold.nanoUsd,
    input_tokens: hold.inputTokens,
    output_tokens: hold.outputTokens,
    expires_in_seconds: Math.round(hold.expiresAtSeconds - nowMs / 1000),
  };
}

const MARGIN_MS = 3_600_000;

/** A query for CloudWatch Logs Insights, and the hours in which to ask it; without an event nobody knows them. */
function logsOf(requestId: string, { logGroup }: Place, event: UsageEvent | undefined) {
  return {
    log_group: logGroup,
    query: `fields @timestamp, level, message, status, errorCode, durationMs, error.message | filter requestId = "${requestId}" | sort @timestamp`,
    from: event === undefined ? null : timeText(event.event_time_ms - MARGIN_MS),
    to: event === undefined ? null : timeText(event.event_time_ms + event.duration_ms + MARGIN_MS),
  };
}

function timeText(ms: EpochMs): string {
  return new Date(ms).toISOString();
}

/** X-Ray writes a W3C trace id in three parts. */
function traceOf(event: UsageEvent | undefined, { region }: Place) {
  const id = event?.trace_id;
  if (id === undefined || id === null) return null;
  const xrayId = `1-${id.slice(0, 8)}-${id.slice(8)}`;
  const console = `https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}`;
  return { trace_id: id, xray: `${console}#xray:traces/${xrayId}` };
}

/** Only the role TraceReader can open them, and each read is recorded. */
function recordOf(requestId: string, { traceBucket }: Place, event: UsageEvent | undefined) {
  if (traceBucket === undefined || event === undefined) return null;
  return Object.values(TRACE_PREFIX).map(
    (folder) => `s3://${traceBucket}/${traceKey(folder, event.tenant_id, requestId)}`,
  );
}
