/** A refusal in words and headers that help: which scope and dimension, how much, until when. */
import type { EpochMs } from '../clock.ts';
import type { GatewayDetail } from '../dialects/error-facts.ts';
import type { ErrorCode } from '../errors.ts';
import { formatUsd, nanoUsd } from '../money.ts';
import { scopeLabel } from '../tenancy/scopes.ts';
import type { Refusal } from './accounts.ts';
import type { Denial } from './denial.ts';
import { DIMENSIONS, type Dimension } from './dimensions.ts';
import { periodEnd } from './periods.ts';

export interface RefusalAnswer {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
  /** False where obeying a retry can never help. */
  readonly mayRetry: boolean;
  readonly detail: Omit<GatewayDetail, 'request_id'>;
  readonly denied: { readonly dimension: string; readonly scope: string };
}

export function explainRefusal(refusal: Refusal, nowMs: EpochMs): RefusalAnswer {
  const scope = scopeLabel(refusal.scope);
  if (refusal.kind === 'inactive') {
    const message =
      refusal.scope.kind === 'key'
        ? `This API key has been ${refusal.status}.`
        : `Calls of ${scope} are ${refusal.status}.`;
    return {
      code: 'invalid_api_key',
      message,
      retryAfterMs: undefined,
      mayRetry: false,
      detail: { scope },
      denied: { dimension: 'status', scope },
    };
  }
  const { denial } = refusal;
  const { dimension, limit, used, held, needed } = denial;
  // All tenants share a pool: what the others use of it is nobody's business but the platform's.
  const isShared = refusal.scope.kind === 'pool';
  const mayRetry = denial.retryAfterMs !== undefined;
  const resetAtMs = resetOf(denial, refusal.timeZone, nowMs);
  return {
    code: codeOf(denial),
    message: messageOf(denial, scope, isShared),
    retryAfterMs: denial.retryAfterMs,
    mayRetry,
    detail: {
      scope,
      dimension,
      ...(isShared ? {} : { limit, used, held, needed }),
      ...(resetAtMs === undefined ? {} : { reset_at: new Date(resetAtMs).toISOString() }),
    },
    denied: { dimension, scope },
  };
}

function codeOf({ reason, dimension }: Denial): ErrorCode {
  const { window } = DIMENSIONS[dimension];
  if (window !== 'day' && window !== 'month') return 'rate_limit_exceeded';
  return reason === 'held' ? 'budget_reserved' : 'budget_exhausted';
}

function resetOf(denial: Denial, timeZone: string, nowMs: EpochMs): EpochMs | undefined {
  const { window } = DIMENSIONS[denial.dimension];
  if (window === 'day' || window === 'month') return periodEnd(nowMs, timeZone, window);
  return denial.retryAfterMs === undefined ? undefined : nowMs + denial.retryAfterMs;
}

function messageOf(
  { reason, dimension, limit, used, held, needed }: Denial,
  scope: string,
  isShared: boolean,
): string {
  const label = DIMENSIONS[dimension].label;
  const show = (amount: number) => amountText(dimension, amount);
  const inFlight = held > 0 ? ` of which ${show(held)} held by calls in flight` : '';
  const own = isShared ? '' : `limit ${show(limit)}, used ${show(used)}${inFlight}, `;
  const numbers = `${own}needed ${show(needed)}`;
  switch (reason) {
    case 'window':
    case 'open':
      return `Limit of ${label} reached for ${scope}: ${numbers}.`;
    case 'held':
      return `The rest of the limit of ${label} for ${scope} is held by calls in flight: ${numbers}.`;
    case 'spent':
      return `The limit of ${label} for ${scope} is used up: ${numbers}.`;
    case 'too-large':
      return `This call alone may need more than the limit of ${label} for ${scope}: ${numbers}. Send a smaller prompt or a smaller maximum of output tokens.`;
  }
}

/** In the dimension's unit, as people read it. */
export function amountText(dimension: Dimension, amount: number): string {
  return DIMENSIONS[dimension].counts === 'nanoUsd'
    ? `$${formatUsd(nanoUsd(amount))}`
    : String(amount);
}
