/** The port to a provider's HTTP server, and what its answers mean for the caller. */
import type { EpochMs } from '../clock.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';
import type { AwsSignature } from './provider.ts';
import { isRouteFault, isTooLong, readProviderError } from './provider-error.ts';

/** Whom the call is for, as traces name it. */
export interface Destination {
  /** The provider's id in the policy. */
  readonly provider: string;
  /** The model's name there. */
  readonly model: string;
  /** The caller's. */
  readonly dialect: Dialect;
  /** The provider may learn which trace its call belongs to. */
  readonly continuesTrace: boolean;
}

export interface UpstreamRequest {
  /** Absent where no model is called. */
  readonly destination?: Destination;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Text, or the bytes of a long one in parts: a copy of them would be more than all else that such a call leaves behind. */
  readonly body: string | readonly Uint8Array[];
  /**
   * Nothing of the call is written before this has resolved; the connection is made meanwhile. Never rejects: a call that
   * may not begin is given up by `signal`. Absent where it may begin at once.
   */
  readonly mayBegin?: Promise<void>;
  /** Whether all but the end of a long body may be written before that: no provider can begin what is incomplete (ADR 0041). */
  readonly onlyEndWaits?: () => boolean;
  /** Absent where the headers carry the credential. */
  readonly sign?: AwsSignature;
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  /** Longest silence between two bytes of the body. */
  readonly idleTimeoutMs: number;
  readonly deadlineMs: EpochMs;
  /** Aborted when the answer is not wanted any more, also before its head is there. */
  readonly signal?: AbortSignal;
}

export interface UpstreamResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Bytes as they come; `'quiet'` when none came for the keep-alive interval. Throws UpstreamFault. */
  readonly body: AsyncIterable<Uint8Array | 'quiet'>;
  /** Ends the call at once. Harmless when it is over. */
  abort(): void;
}

export interface UpstreamPort {
  /** Throws UpstreamFault when no response head arrives. Follows no redirect. */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
}

/**
 * How far a call had come when it broke: `unsent`, nothing can be billed; `sent`, the provider may have
 * read the prompt; `answering`, it had begun an answer of which nobody knows how much it made.
 */
export type BrokenPhase = 'unsent' | 'sent' | 'answering';

const FAULTS = {
  upstream_unreachable: 'The provider could not be reached.',
  upstream_timeout: 'The provider did not answer in time.',
  upstream_error: 'The provider broke off its answer.',
} as const;

export type UpstreamFaultCode = keyof typeof FAULTS;

/** A provider that could not be reached, fell silent, or broke its answer off. */
export class UpstreamFault extends GatewayError {
  readonly phase: BrokenPhase;

  constructor(code: UpstreamFaultCode, phase: BrokenPhase, cause?: unknown) {
    super(code, FAULTS[code], { cause });
    this.phase = phase;
  }
}

const MAX_ADVICE_MS = 60_000;

/** What a provider's error status means for our caller. A fault of our own key or route is never the caller's. */
export function upstreamRefusal(
  response: { status: number; headers: UpstreamResponse['headers']; body: Buffer },
  nowMs: EpochMs,
): GatewayError {
  const { status, headers, body } = response;
  const error = readProviderError(headers, body);
  if (status === 429 || error.kind === 'ServiceQuotaExceededException') {
    const retryAfterMs = retryAfter(headers, nowMs);
    return new GatewayError(
      'upstream_rate_limited',
      'The provider is limiting the rate of requests.',
      { retryAfterMs },
    );
  }
  const cause = `provider status ${status}${error.kind === undefined ? '' : `, ${error.kind}`}`;
  if (status === 401 || status === 403 || status === 404 || isRouteFault(error)) {
    return new GatewayError(
      'upstream_misconfigured',
      'The gateway is not set up correctly for this model. Its operators can see why.',
      { cause },
    );
  }
  if (status === 400 || status === 413 || status === 422) {
    const code = isTooLong(error) ? 'context_length_exceeded' : 'upstream_rejected';
    return new GatewayError(code, error.message ?? 'The provider rejected this request.');
  }
  return new GatewayError(codeOfFailure(status), 'The provider failed to answer this request.', {
    cause,
  });
}

/** 408 is Bedrock's word for a model that took too long. */
function codeOfFailure(status: number): ErrorCode {
  if (status === 408 || status === 504) return 'upstream_timeout';
  return status === 503 || status === 529 ? 'upstream_unreachable' : 'upstream_error';
}

/** True when another route may do better; a request that the provider calls wrong stays wrong. */
export function isWorthAnotherRoute(error: GatewayError): boolean {
  return error.code !== 'upstream_rejected' && error.code !== 'context_length_exceeded';
}

/** Milliseconds of a Retry-After header (seconds or a date), or of Azure's in milliseconds, within 0 and a minute; junk is no advice. */
function retryAfter(headers: UpstreamResponse['headers'], nowMs: EpochMs): number | undefined {
  const exact = headers['retry-after-ms'] ?? '';
  const ms = NUMBER.test(exact)
    ? Number(exact)
    : millisecondsOf(headers['retry-after'] ?? '', nowMs);
  return Number.isNaN(ms) ? undefined : Math.min(MAX_ADVICE_MS, Math.max(0, ms));
}

const NUMBER = /^\d+(\.\d+)?$/;

function millisecondsOf(header: string, nowMs: EpochMs): number {
  if (NUMBER.test(header)) return Number(header) * 1000;
  // Without the zone that HTTP demands, Date.parse takes `-5` for a month.
  return header.endsWith('GMT') ? Date.parse(header) - nowMs : Number.NaN;
}
