/**
 * Rate-limit headers of the tightest limits, from the accounts as the reserve left them, under the names
 * that each family of SDKs reads.
 */
import type { EpochMs } from '../clock.ts';
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
  /** Of a rate; what is limited by day or month has no reset that an SDK should wait for. */
  readonly reset: { readonly inMs: number; readonly atMs: EpochMs } | undefined;
}

/** `x-ratelimit-*` for requests and tokens, and what is left of the tightest budget of the month. */
export function openAiRateHeaders(reservation: Reservation): Record<string, string> {
  const rooms = roomsIn(reservation);
  const headers: Record<string, string> = {};
  for (const kind of ['requests', 'tokens'] as const) {
    const room = tightest(rooms, KINDS[kind]);
    if (room === undefined) continue;
    headers[`x-ratelimit-limit-${kind}`] = String(room.limit);
    headers[`x-ratelimit-remaining-${kind}`] = String(room.remaining);
    if (room.reset !== undefined)
      headers[`x-ratelimit-reset-${kind}`] = durationText(room.reset.inMs);
  }
  return { ...headers, ...budgetHeader(rooms) };
}

/** `anthropic-ratelimit-*`, with resets in RFC 3339, and what is left of the tightest budget of the month. */
export function anthropicRateHeaders(reservation: Reservation): Record<string, string> {
  const rooms = roomsIn(reservation);
  const headers: Record<string, string> = {};
  for (const [kind, counts] of Object.entries(KINDS)) {
    const room = tightest(rooms, counts);
    if (room === undefined) continue;
    headers[`anthropic-ratelimit-${kind}-limit`] = String(room.limit);
    headers[`anthropic-ratelimit-${kind}-remaining`] = String(room.remaining);
    if (room.reset !== undefined)
      headers[`anthropic-ratelimit-${kind}-reset`] = secondText(room.reset.atMs);
  }
  return { ...headers, ...budgetHeader(rooms) };
}

type Counted = (typeof DIMENSIONS)[Dimension]['counts'];

/** Which dimensions a kind of header tells of. Limits of input or output alone limit tokens too. */
const KINDS = {
  requests: ['requests'],
  tokens: ['tokens', 'inputTokens', 'outputTokens'],
  'input-tokens': ['inputTokens'],
  'output-tokens': ['outputTokens'],
} as const satisfies Record<string, readonly Counted[]>;

function roomsIn({ grants }: Reservation): Room[] {
  // All tenants share a pool: its room would tell each of them how much the others use.
  return grants.flatMap((each) => (each.scope.kind === 'pool' ? [] : roomsOf(each)));
}

function tightest(rooms: readonly Room[], counted: readonly Counted[]): Room | undefined {
  return rooms
    .filter(({ dimension }) => counted.includes(DIMENSIONS[dimension].counts))
    .sort(byShareLeft)[0];
}

function budgetHeader(rooms: readonly Room[]): Record<string, string> {
  const budget = rooms
    .filter((room) => room.dimension === 'nanoUsdPerMonth')
    .sort((a, b) => a.remaining - b.remaining)[0];
  if (budget === undefined) return {};
  return { 'x-tollgate-budget-remaining-usd': formatUsd(nanoUsd(budget.remaining)) };
}

/** Of a scope with several accounts the call has seen one: what is free there stands for the others. */
function roomsOf({ scope, plan, key, grant }: Reservation['grants'][number]): Room[] {
  const { account, request } = grant;
  const { at } = request;
  if (account === undefined) return [];
  const own = limitsAt(grant.plan, at.cameMs);
  const isAlone = key === accountKey(scope) && account.shards === 1;
  const limits = isAlone ? own : limitsAt(plan, at.cameMs);
  return DIMENSION_NAMES.flatMap((dimension): Room[] => {
    const slice = own[dimension];
    // How many calls are open has no window and no reset, so no header can tell it well.
    if (slice === undefined || dimension === 'concurrentRequests') return [];
    const limit = limits[dimension] ?? slice;
    const left = Math.max(0, slice - usedOf(dimension, account, at));
    const remaining = isAlone ? left : Math.floor(left * (limit / Math.max(1, slice)));
    const { window } = DIMENSIONS[dimension];
    if (window === 'day' || window === 'month')
      return [{ dimension, limit, remaining, reset: undefined }];
    const atMs = (at[window] + 1) * WINDOW_MS[window];
    return [{ dimension, limit, remaining, reset: { inMs: atMs - at.nowMs, atMs } }];
  });
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

/** Whole seconds, as Anthropic sends it: `2026-11-21T10:00:00Z`. */
function secondText(atMs: EpochMs): string {
  return `${new Date(Math.ceil(atMs / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}
