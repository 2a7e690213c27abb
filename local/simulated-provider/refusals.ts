import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Behaviour } from './behaviour.ts';
import { errorBody, type WireError } from './wire.ts';

export interface Refusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
  readonly contentType?: string;
}

const HTML =
  '<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>';

/** The same call again: whoever follows shows in the ledger as more than one call. */
const REDIRECTED_TO = '/v1/chat/completions';

/**
 * What a fault answers instead of an answer: something to send, silence, a reset, or undefined where the
 * fault comes later, in the answer itself (steps.ts).
 */
export function refusalOf({
  fault,
  retryAfter,
}: Behaviour): Refusal | 'hang' | 'reset' | undefined {
  switch (fault) {
    case 'html':
    case 'html-502':
      return { status: fault === 'html' ? 200 : 502, body: HTML, contentType: 'text/html' };
    case 'empty':
      return { status: 200, body: '' };
    case 'redirect':
      return { status: 307, headers: { location: REDIRECTED_TO }, body: '' };
    case 'hang':
      return 'hang';
    case 'reset-before':
      return 'reset';
    default:
      return typeof fault === 'number' ? statusRefusal(fault, retryAfter) : undefined;
  }
}

export function refusal(status: number, error: WireError): Refusal {
  return { status, body: errorBody(error) };
}

export const WRONG_KEY = refusal(401, {
  message: 'Incorrect API key provided.',
  type: 'invalid_request_error',
  code: 'invalid_api_key',
});

export const TOO_LARGE = refusal(413, {
  message: 'Request body too large.',
  type: 'invalid_request_error',
  code: 'request_too_large',
});

export function unknownModel(model: string): Refusal {
  return refusal(404, {
    message: `The model \`${model}\` does not exist or you do not have access to it.`,
    type: 'invalid_request_error',
    code: 'model_not_found',
  });
}

export function unknownUrl({ method, url }: IncomingMessage): Refusal {
  const message = `Unknown request URL: ${method} ${url}.`;
  return refusal(404, { message, type: 'invalid_request_error', code: 'unknown_url' });
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

function statusRefusal(status: number, retryAfter: string | undefined): Refusal {
  if (status === 204) return { status, body: '' };
  if (status === 401) return WRONG_KEY;
  const error = refusal(status, errorOfStatus(status));
  return retryAfter === undefined ? error : { ...error, headers: { 'retry-after': retryAfter } };
}

function errorOfStatus(status: number): WireError {
  if (status === 429) {
    const message = 'Rate limit reached for requests per min.';
    return { message, type: 'requests', code: 'rate_limit_exceeded' };
  }
  if (status >= 500) {
    return { message: 'The server had an error processing your request.', type: 'server_error' };
  }
  return { message: `Refused with ${status}.`, type: 'invalid_request_error' };
}
