/** Rate-limit headers of the tightest limit, from the accounts as the reserve left them. */
import { formatUsd, nanoUsd } from '../money.ts';
import { accountKey } from '../tenancy/scopes.ts';
import type { Reservation } from './accounts.ts';
import { usedOf } from './denial.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from './dimensions.ts';
import { WINDOW_MS } from './periods.ts';
import { limitsAt } from './schedule.ts';

interface Room {
  readonly dimension: Dimension;
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number | undefined;
}

/** `x-ratelimit-*` for requests and tokens, and what is left of the tightest budget of the month. */
export function rateHeaders({ grants }: Reservation): Record<string, string> {
  // All tenants share a pool: its room would tell each of them how much the others use.
  const rooms = grants.flatMap((each) => (each.scope.kind === 'pool' ? [] : roomsOf(each)));
  const headers: Record<string, string> = {};
  for (const kind of ['requests', 'tokens'] as const) {
    const tightest = rooms.filter((room) => kindOf(room.dimension) === kind).sort(byShareLeft)[0];
    if (tightest === undefined) continue;
    headers[`x-ratelimit-limit-${kind}`] = String(tightest.limit);
    headers[`x-ratelimit-remaining-${kind}`] = String(tightest.remaining);
    if (tightest.resetMs !== undefined)
      headers[`x-ratelimit-reset-${kind}`] = durationText(tightest.resetMs);
  }
  const budget = rooms
    .filter((room) => room.dimension === 'nanoUsdPerMonth')
    .sort((a, b) => a.remaining - b.remaining)[0];
  if (budget !== undefined)
    headers['x-tollgate-budget-remaining-usd'] = formatUsd(nanoUsd(budget.remaining));
  return headers;
}

/** Of a scope with several accounts the call has seen one: what is free there stands for the others. */
function roomsOf({ scope, plan, key, grant }: Reservation['grants'][number]): Room[] {
  const { account, request } = grant;
  const { at } = request;
  if (account === undefined) return [];
  const own = limitsAt(grant.plan, at.nowMs);
  const isAlone = key === accountKey(scope) && account.shards === 1;
  const limits = isAlone ? own : limitsAt(plan, at.nowMs);
  return DIMENSION_NAMES.flatMap((dimension): Room[] => {
    const slice = own[dimension];
    // How many calls are open has no window and no reset, so no header can tell it well.
    if (slice === undefined || dimension === 'concurrentRequests') return [];
    const limit = limits[dimension] ?? slice;
    const left = Math.max(0, slice - usedOf(dimension, account, at));
    const remaining = isAlone ? left : Math.floor(left * (limit / Math.max(1, slice)));
    const { window } = DIMENSIONS[dimension];
    if (window === 'day' || window === 'month')
      return [{ dimension, limit, remaining, resetMs: undefined }];
    return [
      { dimension, limit, remaining, resetMs: (at[window] + 1) * WINDOW_MS[window] - at.nowMs },
    ];
  });
}

function kindOf(dimension: Dimension): 'requests' | 'tokens' | 'money' {
  const { counts } = DIMENSIONS[dimension];
  if (counts === 'requests') return 'requests';
  return counts === 'nanoUsd' ? 'money' : 'tokens';
}

function byShareLeft(a: Room, b: Room): number {
  return a.remaining / a.limit - b.remaining / b.limit;
}

/** Go-style duration as OpenAI sends it: `850ms`, `1s`, `6m0s`. */
function durationText(ms: number): string {
  if (ms < 1000) return `${Math.max(1, Math.ceil(ms))}ms`;
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
