/** The port to a provider's HTTP server, and what its answers mean for the caller. */
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import { type ErrorCode, GatewayError } from '../errors.ts';

export interface UpstreamRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  /** Longest silence between two bytes of the body. */
  readonly idleTimeoutMs: number;
  readonly deadlineMs: EpochMs;
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
const MAX_MESSAGE = 500;

const errorSchema = z.looseObject({
  error: z.looseObject({
    message: z.optional(z.nullable(z.string())),
    code: z.optional(z.nullable(z.union([z.string(), z.number()]))),
  }),
});

/** What a provider's error status means for our caller. A fault of our own key or route is never the caller's. */
export function upstreamRefusal(
  response: { status: number; headers: UpstreamResponse['headers']; body: Buffer },
  nowMs: EpochMs,
): GatewayError {
  const { status } = response;
  if (status === 429) {
    const retryAfterMs = retryAfter(response.headers['retry-after'], nowMs);
    return new GatewayError(
      'upstream_rate_limited',
      'The provider is limiting the rate of requests.',
      { retryAfterMs },
    );
  }
  if (status === 400 || status === 413 || status === 422) return rejected(response.body);
  if (status === 401 || status === 403 || status === 404) {
    return new GatewayError(
      'upstream_misconfigured',
      'The gateway is not set up correctly for this model. Its operators can see why.',
      { cause: `provider status ${status}` },
    );
  }
  const code: ErrorCode =
    status === 503 || status === 529 ? 'upstream_unreachable' : 'upstream_error';
  return new GatewayError(code, 'The provider failed to answer this request.', {
    cause: `provider status ${status}`,
  });
}

/** True when another route may do better; a request that the provider calls wrong stays wrong. */
export function isWorthAnotherRoute(error: GatewayError): boolean {
  return error.code !== 'upstream_rejected' && error.code !== 'context_length_exceeded';
}

function rejected(body: Buffer): GatewayError {
  const parsed = errorSchema.safeParse(parseJson(body));
  const message = parsed.success ? parsed.data.error.message?.slice(0, MAX_MESSAGE) : undefined;
  // Anthropic has no code for it, and these words.
  const isTooLong =
    (parsed.success && parsed.data.error.code === 'context_length_exceeded') ||
    message?.startsWith('prompt is too long') === true;
  const code = isTooLong ? 'context_length_exceeded' : 'upstream_rejected';
  return new GatewayError(code, message ?? 'The provider rejected this request.');
}

/** Milliseconds of a Retry-After header (seconds or a date), within 0 and a minute; junk is no advice. */
function retryAfter(header: string | undefined, nowMs: EpochMs): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(header) ? Number(header) : undefined;
  // Without the zone that HTTP demands, Date.parse takes `-5` for a month.
  const date = header.endsWith('GMT') ? Date.parse(header) - nowMs : Number.NaN;
  const ms = seconds === undefined ? date : seconds * 1000;
  return Number.isNaN(ms) ? undefined : Math.min(MAX_ADVICE_MS, Math.max(0, ms));
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
