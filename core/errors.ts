/**
 * Every way in which Tollgate says no, as one closed union. A refusal is a value that carries its code;
 * a fault is a thrown GatewayError. One table maps a code to status and words in each caller's dialect.
 */
export type ErrorCode =
  | 'invalid_request'
  | 'context_length_exceeded'
  | 'invalid_api_key'
  | 'model_not_allowed'
  | 'model_not_found'
  | 'feature_not_allowed'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_too_large'
  | 'rate_limit_exceeded'
  | 'budget_reserved'
  | 'budget_exhausted'
  | 'upstream_rate_limited'
  | 'upstream_rejected'
  | 'upstream_misconfigured'
  | 'upstream_error'
  | 'upstream_unreachable'
  | 'upstream_timeout'
  | 'request_cancelled'
  | 'limiter_unavailable'
  | 'model_unpriced'
  | 'internal_error';

export interface ErrorKind {
  readonly status: number;
  readonly openai: { readonly type: string; readonly code: string | null };
  readonly anthropic: string;
  /** Value of `x-should-retry`; absent where the SDK's own rule for the status is right. */
  readonly shouldRetry?: boolean;
}

export const ERRORS: Readonly<Record<ErrorCode, ErrorKind>> = {
  invalid_request: kind(400, 'invalid_request_error', null, 'invalid_request_error'),
  context_length_exceeded: kind(
    400,
    'invalid_request_error',
    'context_length_exceeded',
    'invalid_request_error',
  ),
  invalid_api_key: kind(
    401,
    'invalid_request_error',
    'invalid_api_key',
    'authentication_error',
    false,
  ),
  model_not_allowed: kind(403, 'permission_error', 'model_not_allowed', 'permission_error', false),
  model_not_found: kind(404, 'invalid_request_error', 'model_not_found', 'not_found_error', false),
  feature_not_allowed: kind(
    403,
    'permission_error',
    'feature_not_allowed',
    'permission_error',
    false,
  ),
  not_found: kind(404, 'invalid_request_error', 'not_found', 'not_found_error', false),
  method_not_allowed: kind(
    405,
    'invalid_request_error',
    'method_not_allowed',
    'invalid_request_error',
    false,
  ),
  request_too_large: kind(
    413,
    'invalid_request_error',
    'request_too_large',
    'request_too_large',
    false,
  ),
  rate_limit_exceeded: kind(429, 'rate_limit_error', 'rate_limit_exceeded', 'rate_limit_error'),
  budget_reserved: kind(429, 'rate_limit_error', 'budget_reserved', 'rate_limit_error'),
  budget_exhausted: kind(429, 'insufficient_quota', 'budget_exhausted', 'rate_limit_error', false),
  upstream_rate_limited: kind(429, 'rate_limit_error', 'upstream_rate_limited', 'rate_limit_error'),
  upstream_rejected: kind(
    400,
    'invalid_request_error',
    'upstream_rejected',
    'invalid_request_error',
    false,
  ),
  upstream_misconfigured: kind(502, 'server_error', 'upstream_misconfigured', 'api_error', false),
  upstream_error: kind(502, 'server_error', 'upstream_error', 'api_error', true),
  upstream_unreachable: kind(503, 'server_error', 'upstream_unreachable', 'overloaded_error', true),
  upstream_timeout: kind(504, 'server_error', 'upstream_timeout', 'timeout_error', true),
  // Only ever an event of a stream; the status is what the trade uses for a caller that gave up.
  request_cancelled: kind(
    499,
    'invalid_request_error',
    'request_cancelled',
    'invalid_request_error',
    false,
  ),
  limiter_unavailable: kind(503, 'server_error', 'limiter_unavailable', 'api_error', true),
  model_unpriced: kind(403, 'permission_error', 'model_unpriced', 'permission_error', false),
  internal_error: kind(500, 'server_error', 'internal_error', 'api_error', true),
};

/** A fault. `publicMessage` is what the caller reads; `cause` stays in the logs. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly publicMessage: string;
  /** Advice to the caller in milliseconds, where there is any. */
  readonly retryAfterMs: number | undefined;
  /** The field of the request that is at fault, in the caller's own names. */
  readonly param: string | undefined;

  constructor(
    code: ErrorCode,
    publicMessage: string,
    details: { cause?: unknown; retryAfterMs?: number | undefined; param?: string } = {},
  ) {
    super(`${code}: ${publicMessage}`, { cause: details.cause });
    this.code = code;
    this.publicMessage = publicMessage;
    this.retryAfterMs = details.retryAfterMs;
    this.param = details.param;
  }
}

/** The provider failed, and not the gateway or its configuration: such an answer does not count against the gateway. */
export function isProvidersFault(code: string | undefined): boolean {
  return (
    code === 'upstream_error' || code === 'upstream_unreachable' || code === 'upstream_timeout'
  );
}

/** Any thrown thing as a GatewayError; what is not one is our own defect and says nothing to the caller. */
export function asGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('internal_error', 'The gateway failed to handle this request.', {
    cause: thrown,
  });
}

function kind(
  status: number,
  type: string,
  code: string | null,
  anthropic: string,
  shouldRetry?: boolean,
): ErrorKind {
  return {
    status,
    openai: { type, code },
    anthropic,
    ...(shouldRetry === undefined ? {} : { shouldRetry }),
  };
}
