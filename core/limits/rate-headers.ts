/** Rate-limit headers of the tightest limit, from the accounts as the reserve left them. */
import { formatUsd, nanoUsd } from '../money.ts';
import { counterValue } from './account.ts';
import type { Reservation } from './accounts.ts';
import { previousWeight } from './denial.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from './dimensions.ts';
import { WINDOW_MS } from './periods.ts';
import type { Grant } from './settle.ts';

interface Room {
  readonly dimension: Dimension;
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number | undefined;
}

/** `x-ratelimit-*` for requests and tokens, and what is left of the tightest budget of the month. */
export function rateHeaders({ grants }: Reservation): Record<string, string> {
  // All tenants share a pool: its room would tell each of them how much the others use.
  const rooms = grants.flatMap(({ scope, grant }) => (scope.kind === 'pool' ? [] : roomsOf(grant)));
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

function roomsOf({ account, limits, request: { at } }: Grant): Room[] {
  if (account === undefined) return [];
  return DIMENSION_NAMES.flatMap((dimension): Room[] => {
    const limit = limits[dimension];
    // How many calls are open has no window and no reset, so no header can tell it well.
    if (limit === undefined || dimension === 'concurrentRequests') return [];
    const room = (used: number, resetMs?: number): Room[] => [
      { dimension, limit, remaining: Math.max(0, limit - used), resetMs },
    ];
    const { window } = DIMENSIONS[dimension];
    if (window === 'day' || window === 'month')
      return room(counterValue(account, dimension, at[window]));
    const previous = Math.max(0, counterValue(account, dimension, at[window] - 1));
    const used =
      counterValue(account, dimension, at[window]) +
      Math.ceil(previousWeight(window, at) * previous);
    return room(used, (at[window] + 1) * WINDOW_MS[window] - at.nowMs);
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
