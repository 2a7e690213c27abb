/** How much of an account a worker may lease: what a few calls need, and never more than a small share of what is plenty. */
import type { Account } from './account.ts';
import { type Moment, usedOf } from './denial.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from './dimensions.ts';
import { amountOf, type Demand } from './reserve.ts';
import { type LimitPlan, limitsAt } from './schedule.ts';

/** What some calls take together. */
export interface Room extends Demand {
  readonly requests: number;
}

export const NO_ROOM: Room = { requests: 0, nanoUsd: 0, inputTokens: 0, outputTokens: 0 };

/** The last fifth of every limit is for calls that ask the account themselves. */
const LEASED_UP_TO = 0.8;
/** Of what is free below that. */
const SHARE = 1 / 16;
/** Room for fewer calls is not worth a write. */
const LEAST_CALLS = 2;

/** The part of the wanted room that the account, as last seen, has in plenty; undefined when that is next to nothing. */
export function roomToLease(
  wanted: Room,
  { account, plan, at }: { account: Account; plan: LimitPlan; at: Moment },
): Room | undefined {
  const limits = limitsAt(plan, at.nowMs);
  const shares = DIMENSION_NAMES.map((dimension) => {
    const limit = limits[dimension];
    const amount = roomIn(dimension, wanted);
    if (limit === undefined || amount === 0) return 1;
    return (SHARE * (leasable(limit) - usedOf(dimension, account, at))) / amount;
  });
  const room = scaled(wanted, Math.min(1, ...shares));
  return room.requests < LEAST_CALLS ? undefined : room;
}

/** What of a limit leases and everything else may take together when a lease is taken. */
export function leasable(limit: number): number {
  return Math.floor(LEASED_UP_TO * limit);
}

export function roomIn(dimension: Dimension, room: Room): number {
  return DIMENSIONS[dimension].counts === 'requests' ? room.requests : amountOf(dimension, room);
}

export function roomOf({ nanoUsd, inputTokens, outputTokens }: Demand): Room {
  return { requests: 1, nanoUsd, inputTokens, outputTokens };
}

export function plus(a: Room, b: Room): Room {
  return combined(a, b, (x, y) => x + y);
}

export function minus(a: Room, b: Room): Room {
  return combined(a, b, (x, y) => x - y);
}

/** Room for either. */
export function larger(a: Room, b: Room): Room {
  return combined(a, b, Math.max);
}

/** What `a` has more than `b`. */
export function excess(a: Room, b: Room): Room {
  return combined(a, b, (x, y) => Math.max(0, x - y));
}

export function fits(inner: Room, outer: Room): boolean {
  return isNothing(excess(inner, outer));
}

export function isNothing(room: Room): boolean {
  return Object.values(room).every((amount) => amount === 0);
}

export function scaled(room: Room, factor: number): Room {
  return combined(room, NO_ROOM, (amount) => Math.floor(amount * factor));
}

function combined(a: Room, b: Room, by: (x: number, y: number) => number): Room {
  return {
    requests: by(a.requests, b.requests),
    nanoUsd: by(a.nanoUsd, b.nanoUsd),
    inputTokens: by(a.inputTokens, b.inputTokens),
    outputTokens: by(a.outputTokens, b.outputTokens),
  };
}
