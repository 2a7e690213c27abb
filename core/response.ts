/** What the gateway answers, before any wire: a status, headers and bytes, whole or as they come. */
import type { GatewayDetail } from './dialects/error-facts.ts';
import type { Voice } from './dialects/voice.ts';
import { ERRORS, type GatewayError } from './errors.ts';

export interface GatewayResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | AsyncIterable<Uint8Array>;
  /** Settles when the call's books are closed, after the body has ended. It never rejects. */
  readonly closed: Promise<void>;
  /** Set for refusals and faults: what logs and metrics name. */
  readonly errorCode?: string;
}

const CLOSED: Promise<void> = Promise.resolve();

export function jsonResponse(status: number, body: unknown, requestId: string): GatewayResponse {
  return {
    status,
    headers: { ...requestIds(requestId), 'content-type': 'application/json' },
    body: JSON.stringify(body),
    closed: CLOSED,
  };
}

export function streamResponse(
  headers: Readonly<Record<string, string>>,
  body: AsyncGenerator<Uint8Array>,
  closed: Promise<void>,
): GatewayResponse {
  const stream = {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  };
  return { status: 200, headers: { ...headers, ...stream }, body: started(body), closed };
}

/** A generator that nobody has pulled from skips its `finally`; this one is begun, so its books always close. */
function started(generator: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  let first: Promise<IteratorResult<Uint8Array>> | undefined = generator.next();
  const iterator: AsyncIterator<Uint8Array> = {
    next() {
      const result = first ?? generator.next();
      first = undefined;
      return result;
    },
    return: () => generator.return(undefined),
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

/** Retry-After is whole seconds from 1 to 60: SDKs ignore or over-obey anything else. */
const MAX_RETRY_AFTER_SECONDS = 60;

export interface ErrorContext {
  readonly voice: Voice;
  readonly requestId: string;
  readonly closed?: Promise<void>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly detail?: Omit<GatewayDetail, 'request_id'>;
}

export function errorResponse(error: GatewayError, context: ErrorContext): GatewayResponse {
  const { voice, requestId, closed = CLOSED, headers: extraHeaders = {}, detail = {} } = context;
  const { status, shouldRetry } = ERRORS[error.code];
  const body = voice.error({
    code: error.code,
    message: error.publicMessage,
    param: error.param,
    gateway: { ...detail, request_id: requestId },
  });
  const headers = {
    ...requestIds(requestId),
    'content-type': 'application/json',
    ...(shouldRetry === undefined ? {} : { 'x-should-retry': String(shouldRetry) }),
    ...retryHeaders(error, shouldRetry),
    ...extraHeaders,
  };
  return { status, headers, body, closed, errorCode: error.code };
}

function retryHeaders(
  { code, retryAfterMs }: GatewayError,
  shouldRetry: boolean | undefined,
): Record<string, string> {
  const ms = retryAfterMs ?? (code === 'limiter_unavailable' ? 2_000 : undefined);
  if (ms === undefined || shouldRetry === false) return {};
  const seconds = Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(ms / 1000)));
  return {
    'retry-after': String(seconds),
    'retry-after-ms': String(Math.min(Math.ceil(ms), MAX_RETRY_AFTER_SECONDS * 1000)),
  };
}

export function requestIds(requestId: string): Record<string, string> {
  return { 'x-request-id': requestId, 'request-id': requestId };
}
