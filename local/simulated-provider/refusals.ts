import type { ServerResponse } from 'node:http';
import type { Behaviour } from './behaviour.ts';
import type { Endpoint, WireError } from './wire.ts';

export interface Refusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  readonly contentType?: string;
}

const HTML =
  '<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>';

/**
 * What a fault answers instead of an answer: something to send, silence, a reset, or undefined where the
 * fault comes later, in the answer itself (steps.ts).
 */
export function refusalOf(
  { fault, retryAfter }: Behaviour,
  endpoint: Endpoint,
  url: string,
): Refusal | 'hang' | 'reset' | undefined {
  switch (fault) {
    case 'html':
    case 'html-502':
      return { status: fault === 'html' ? 200 : 502, body: HTML, contentType: 'text/html' };
    case 'empty':
      return { status: 200, body: '' };
    case 'redirect':
      // The same call again: whoever follows shows in the ledger as more than one call.
      return { status: 307, headers: { location: url }, body: '' };
    case 'overloaded':
      return refusal(endpoint, endpoint.flavour === 'anthropic' ? 529 : 503);
    case 'hang':
      return 'hang';
    case 'reset-before':
      return 'reset';
    default:
      return typeof fault === 'number' ? statusRefusal(endpoint, fault, retryAfter) : undefined;
  }
}

/** An error as this endpoint's servers tell it. */
export function refusal(
  { dialect, flavour }: Endpoint,
  status: number,
  error: WireError = errorOfStatus(status),
): Refusal {
  return { status, ...dialect.error(status, error, flavour) };
}

export function unknownModel(endpoint: Endpoint, model: string): Refusal {
  return refusal(endpoint, 404, {
    message: `The model \`${model}\` does not exist or you do not have access to it.`,
    type: 'invalid_request_error',
    code: 'model_not_found',
  });
}

export function sendRefusal(
  response: ServerResponse,
  { status, headers = {}, body, contentType = 'application/json' }: Refusal,
): void {
  if (status === 204) return void response.writeHead(204, headers).end();
  const length = Buffer.byteLength(body);
  response.writeHead(status, { 'content-type': contentType, 'content-length': length, ...headers });
  response.end(body);
}

function statusRefusal(
  endpoint: Endpoint,
  status: number,
  retryAfter: string | undefined,
): Refusal {
  if (status === 204) return { status, body: '' };
  const error = refusal(endpoint, status);
  return retryAfter === undefined
    ? error
    : { ...error, headers: { ...error.headers, 'retry-after': retryAfter } };
}

function errorOfStatus(status: number): WireError {
  if (status === 401) return wrongKey();
  if (status === 413) {
    const message = 'Request body too large.';
    return { message, type: 'invalid_request_error', code: 'request_too_large' };
  }
  if (status === 429) {
    const message = 'Rate limit reached for requests per min.';
    return { message, type: 'requests', code: 'rate_limit_exceeded' };
  }
  if (status >= 500) {
    return { message: 'The server had an error processing your request.', type: 'server_error' };
  }
  return { message: `Refused with ${status}.`, type: 'invalid_request_error' };
}

export function wrongKey(message = 'Incorrect API key provided.'): WireError {
  return { message, type: 'invalid_request_error', code: 'invalid_api_key' };
}
