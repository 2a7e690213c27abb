/** Why a scope has no room, and when it will: computed from the item that refused, never guessed. */
import type { EpochMs } from '../clock.ts';
import { type Account, counterName } from './account.ts';
import { DIMENSIONS, type Dimension } from './dimensions.ts';
import { WINDOW_MS, type WindowKind } from './periods.ts';

/** A point in time as accounts see it: the numbers of its second, minute, day (YYYYMMDD) and month (YYYYMM). */
export interface Moment {
  readonly nowMs: EpochMs;
  /** When the call came: limits by the clock are those of then, whatever it waited for since. */
  readonly cameMs: EpochMs;
  readonly second: number;
  readonly minute: number;
  readonly day: number;
  readonly month: number;
}

export interface Denial {
  readonly kind: 'denied';
  readonly dimension: Dimension;
  /**
   * `window`: a rate window is full and will free by itself. `open`: too many calls are open.
   * `held`: the period has room, but calls in flight hold it. `spent`: the period's limit is used up.
   * `too-large`: the call alone is above the limit and can never fit.
   */
  readonly reason: 'window' | 'open' | 'held' | 'spent' | 'too-large';
  readonly limit: number;
  /** Settled and held together, in the dimension's unit. */
  readonly used: number;
  readonly held: number;
  readonly needed: number;
  /** After which the same call fits if nobody else calls; absent where only a new period or a smaller call helps. */
  readonly retryAfterMs?: number;
}

/** Calls in flight usually end within seconds; nobody can say when, so the advice is to look again soon. */
const HELD_RETRY_MS = 2_000;
const OPEN_RETRY_MS = 1_000;

interface Claim {
  readonly account: Account;
  readonly amount: number;
  readonly at: Moment;
}

/** The denial of one dimension, or undefined when the claim fits. */
export function denialOf(dimension: Dimension, limit: number, claim: Claim): Denial | undefined {
  const { window } = DIMENSIONS[dimension];
  switch (window) {
    case 'open':
      return openDenial(dimension, limit, claim);
    case 'second':
    case 'minute':
      return windowDenial({ dimension, window, limit, claim });
    case 'day':
    case 'month':
      return periodDenial({ dimension, window, limit, claim });
  }
}

/** Settled and held together; of a rate window, with the share of the previous one that still counts. */
export function usedOf(dimension: Dimension, account: Account, at: Moment): number {
  const { window } = DIMENSIONS[dimension];
  if (window === 'open') return account.holds.size;
  const current = read(account, dimension, at[window]);
  if (window === 'day' || window === 'month') return current;
  const previous = Math.max(0, read(account, dimension, at[window] - 1));
  return Math.max(0, current) + Math.ceil(previousWeight(window, at) * previous);
}

/** Share of the previous window that still counts at the moment: 1 at its end, falling to 0. */
export function previousWeight(window: WindowKind, at: Moment): number {
  const length = WINDOW_MS[window];
  const elapsed = at.nowMs - at[window] * length;
  return Math.min(1, Math.max(0, 1 - elapsed / length));
}

function openDenial(dimension: Dimension, limit: number, { account }: Claim): Denial | undefined {
  const open = account.holds.size;
  if (open < limit) return undefined;
  return {
    kind: 'denied',
    dimension,
    reason: 'open',
    limit,
    used: open,
    held: open,
    needed: 1,
    retryAfterMs: OPEN_RETRY_MS,
  };
}

interface Question<W> {
  readonly dimension: Dimension;
  readonly window: W;
  readonly limit: number;
  readonly claim: Claim;
}

function windowDenial({
  dimension,
  window,
  limit,
  claim,
}: Question<WindowKind>): Denial | undefined {
  const { account, amount, at } = claim;
  const previous = Math.max(0, read(account, dimension, at[window] - 1));
  const current = Math.max(0, read(account, dimension, at[window]));
  const used = current + Math.ceil(previousWeight(window, at) * previous);
  if (used + amount <= limit) return undefined;
  const denial = { kind: 'denied', dimension, limit, used, held: 0, needed: amount } as const;
  if (amount > limit) return { ...denial, reason: 'too-large' };
  const freeAtMs = windowFreeAt({ window, at, room: limit - amount, previous, current });
  return { ...denial, reason: 'window', retryAfterMs: Math.max(1, freeAtMs - at.nowMs) };
}

interface WindowState {
  readonly window: WindowKind;
  readonly at: Moment;
  readonly room: number;
  readonly previous: number;
  readonly current: number;
}

/** When the weighted sum has fallen to the room: within this window, or within the next one. */
function windowFreeAt({ window, at, room, previous, current }: WindowState): EpochMs {
  const length = WINDOW_MS[window];
  const endMs = (at[window] + 1) * length;
  const freeAt = (windowEndMs: EpochMs, decaying: number, rest: number) =>
    // The next whole millisecond: at the exact one the share may be a rounding error above the room.
    Math.floor(windowEndMs - (decaying === 0 ? 1 : Math.min(1, rest / decaying)) * length) + 1;
  if (current <= room) return Math.max(at.nowMs, freeAt(endMs, previous, room - current));
  return freeAt(endMs + length, current, room);
}

function periodDenial({
  dimension,
  window,
  limit,
  claim,
}: Question<'day' | 'month'>): Denial | undefined {
  const { account, amount, at } = claim;
  const used = read(account, dimension, at[window]);
  if (used + amount <= limit) return undefined;
  const held = heldOf(
    account,
    dimension,
    (day) => (window === 'day' ? day : Math.floor(day / 100)) === at[window],
  );
  const denial = { kind: 'denied', dimension, limit, used, held, needed: amount } as const;
  if (used - held + amount <= limit)
    return { ...denial, reason: 'held', retryAfterMs: HELD_RETRY_MS };
  return { ...denial, reason: amount > limit ? 'too-large' : 'spent' };
}

function heldOf(
  account: Account,
  dimension: Dimension,
  inPeriod: (day: number) => boolean,
): number {
  let sum = 0;
  for (const hold of account.holds.values()) {
    if (!inPeriod(hold.day)) continue;
    sum +=
      DIMENSIONS[dimension].counts === 'nanoUsd'
        ? hold.nanoUsd
        : hold.inputTokens + hold.outputTokens;
  }
  return sum;
}

function read(account: Account, dimension: Dimension, index: number): number {
  return dimension === 'concurrentRequests'
    ? account.holds.size
    : (account.counters.get(counterName(dimension, index)) ?? 0);
}
