/** What API Gateway answers by itself, in the words of core's error table and in a body that callers of every dialect can read. */
import { ResponseType, type RestApi } from 'aws-cdk-lib/aws-apigateway';
import { errorForEveryDialect } from '../../core/dialects/anthropic/voice.ts';
import { ERRORS, type ErrorCode } from '../../core/errors.ts';

export function addGatewayResponses(api: RestApi): void {
  for (const refusal of refusals) {
    const { shouldRetry } = ERRORS[refusal.code];
    api.addGatewayResponse(refusal.type.responseType, {
      type: refusal.type,
      ...(refusal.status === undefined ? {} : { statusCode: String(refusal.status) }),
      responseHeaders: {
        // OpenAI's SDK reads the first, Anthropic's the second.
        'x-request-id': 'context.requestId',
        'request-id': 'context.requestId',
        ...(shouldRetry === undefined ? {} : { 'x-should-retry': `'${shouldRetry}'` }),
        ...(refusal.retryAfterSeconds === undefined
          ? {}
          : { 'retry-after': `'${refusal.retryAfterSeconds}'` }),
      },
      templates: { 'application/json': body(refusal) },
    });
  }
}

interface Refusal {
  readonly type: ResponseType;
  readonly code: ErrorCode;
  readonly message: string;
  /** Absent on the defaults, which keep the status of the refusal that they stand for. */
  readonly status?: number;
  readonly retryAfterSeconds?: number;
}

const noSuchRoute = { code: 'not_found', status: 404, message: 'There is no such route.' } as const;

const refusals: readonly Refusal[] = [
  { type: ResponseType.DEFAULT_4XX, code: 'invalid_request', message: 'The request was refused.' },
  {
    type: ResponseType.DEFAULT_5XX,
    code: 'internal_error',
    message: 'The gateway failed to handle this request.',
  },
  // API Gateway's name for a path or method that it does not know.
  { type: ResponseType.MISSING_AUTHENTICATION_TOKEN, ...noSuchRoute },
  { type: ResponseType.RESOURCE_NOT_FOUND, ...noSuchRoute },
  {
    type: ResponseType.REQUEST_TOO_LARGE,
    code: 'request_too_large',
    status: 413,
    message: 'The request body is larger than the gateway accepts.',
  },
  {
    type: ResponseType.THROTTLED,
    code: 'rate_limit_exceeded',
    status: 429,
    message: 'The gateway as a whole receives more requests than it accepts.',
    retryAfterSeconds: 1,
  },
  {
    type: ResponseType.WAF_FILTERED,
    code: 'invalid_request',
    status: 403,
    message: 'The firewall refused this request.',
  },
  {
    type: ResponseType.INTEGRATION_FAILURE,
    code: 'internal_error',
    status: 502,
    message: 'The gateway failed to handle this request.',
  },
  {
    type: ResponseType.INTEGRATION_TIMEOUT,
    code: 'upstream_timeout',
    status: 504,
    message: 'The answer took longer than the gateway waits.',
  },
];

/** API Gateway fills `$context.requestId` in. */
function body({ code, message }: Refusal): string {
  return errorForEveryDialect({ code, message, gateway: { request_id: '$context.requestId' } });
}
