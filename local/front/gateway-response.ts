import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { ApiDefinition, GatewayResponse } from './api-definition.ts';

/** What API Gateway answers by itself: its default status and message for each kind of refusal. */
const REFUSALS = {
  MISSING_AUTHENTICATION_TOKEN: [403, 'Missing Authentication Token'],
  REQUEST_TOO_LARGE: [413, 'Request Too Long'],
  THROTTLED: [429, 'Too Many Requests'],
  INTEGRATION_TIMEOUT: [504, 'Endpoint request timed out'],
  /** A function that failed, or whose answer is not one: no type of its own, so DEFAULT_5XX shapes it. */
  MALFORMED_RESPONSE: [502, 'Internal server error'],
} as const;

export type Refusal = keyof typeof REFUSALS;

export interface RefusalContext {
  readonly requestId: string;
  readonly path: string;
  readonly method: string;
  readonly stage: string;
}

/** Does nothing when the caller has left or already has a status. */
export function sendRefusal(
  response: ServerResponse,
  api: ApiDefinition,
  refusal: Refusal,
  context: RefusalContext,
): void {
  if (response.headersSent || response.destroyed) return;
  const [defaultStatus, message] = REFUSALS[refusal];
  const fallback = api.gatewayResponses[defaultStatus < 500 ? 'DEFAULT_4XX' : 'DEFAULT_5XX'];
  const template: GatewayResponse | undefined = api.gatewayResponses[refusal] ?? fallback;
  const values = contextValues(refusal, message, context);
  const [contentType, text] = Object.entries(template?.templates ?? {})[0] ?? [
    'application/json',
    undefined,
  ];
  const body = text === undefined ? JSON.stringify({ message }) : fill(text, values);
  const status = template?.statusCode ?? defaultStatus;
  response.writeHead(status, STATUS_CODES[status], {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'x-amzn-requestid': context.requestId,
    'x-amzn-errortype': refusal,
    ...headersOf(template, values),
  });
  response.end(body);
}

function contextValues(
  refusal: Refusal,
  message: string,
  context: RefusalContext,
): Record<string, string> {
  return {
    'error.message': message,
    'error.messageString': JSON.stringify(message),
    'error.responseType': refusal === 'MALFORMED_RESPONSE' ? 'DEFAULT_5XX' : refusal,
    requestId: context.requestId,
    extendedRequestId: context.requestId,
    path: context.path,
    httpMethod: context.method,
    stage: context.stage,
  };
}

function fill(text: string, values: Record<string, string>): string {
  return text.replaceAll(
    /\$context\.([A-Za-z]+(?:\.[A-Za-z]+)?)/g,
    (_, name: string) => values[name] ?? '',
  );
}

function headersOf(
  template: GatewayResponse | undefined,
  values: Record<string, string>,
): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [target, source] of Object.entries(template?.parameters ?? {})) {
    const name = target.replace(/^gatewayresponse\.header\./, '');
    const literal = /^'(.*)'$/s.exec(source)?.[1];
    const value = literal ?? values[source.replace(/^context\./, '')];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}
