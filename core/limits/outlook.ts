/**
 * How a reserve will probably end, by what this environment saw of its accounts a moment ago. A guess that is
 * wrong now and then, so no money and no refusal may depend on it.
 */
import type { EpochMs } from '../clock.ts';
import { accountKey } from '../tenancy/scopes.ts';
import type { Reservation, ReserveCall } from './accounts.ts';
import { usedOf } from './denial.ts';
import { DIMENSION_NAMES, type Dimension } from './dimensions.ts';
import { amountOf } from './reserve.ts';
import { type LimitPlan, limitsAt } from './schedule.ts';

export interface Outlook {
  /** The key's last call was refused. */
  isPoor(call: ReserveCall, nowMs: EpochMs): boolean;
  /** Each account had a good part of every limit free when it last granted something, and the call asks for no more than that. */
  isRich(call: ReserveCall, nowMs: EpochMs): boolean;
  /** What became of the call; undefined where it was not reserved. */
  note(call: ReserveCall, reservation: Reservation | undefined, nowMs: EpochMs): void;
}

const LONGEST_MS = 30_000;
const MAX_KEYS = 10_000;
const GOOD_PART = 1 / 5;

export function createOutlook(): Outlook {
  const refusedAtMs = new Map<string, EpochMs>();
  const roomSeenAtMs = new Map<string, EpochMs>();
  return {
    isPoor: ({ scopes: [lead] }, nowMs) =>
      lead !== undefined && isRecent(refusedAtMs, accountKey(lead.scope), nowMs),
    isRich: ({ scopes, demand }, nowMs) =>
      scopes.every(
        ({ scope, limits }) =>
          isRecent(roomSeenAtMs, accountKey(scope), nowMs) &&
          everyLimit(
            { plan: limits, nowMs },
            (limit, dimension) => amountOf(dimension, demand) <= GOOD_PART * limit,
          ),
      ),
    note({ scopes }, reservation, nowMs) {
      const [lead] = scopes;
      if (reservation === undefined) {
        if (lead !== undefined) remember(refusedAtMs, accountKey(lead.scope), nowMs);
        for (const { scope } of scopes) roomSeenAtMs.delete(accountKey(scope));
        return;
      }
      if (lead !== undefined) refusedAtMs.delete(accountKey(lead.scope));
      for (const granted of reservation.grants) {
        const key = accountKey(granted.scope);
        if (hasRoom(granted)) remember(roomSeenAtMs, key, nowMs);
        else roomSeenAtMs.delete(key);
      }
    },
  };
}

function isRecent(times: ReadonlyMap<string, EpochMs>, key: string, nowMs: EpochMs): boolean {
  return nowMs < (times.get(key) ?? Number.NEGATIVE_INFINITY) + LONGEST_MS;
}

function remember(times: Map<string, EpochMs>, key: string, nowMs: EpochMs): void {
  if (times.size >= MAX_KEYS) times.clear();
  times.set(key, nowMs);
}

/** Nobody looks at an account that limits nothing, and leases are taken below four fifths of a limit alone (core/limits/lease-room.ts). */
function hasRoom({ grant, unchecked }: Reservation['grants'][number]): boolean {
  const { account, request } = grant;
  if (account === undefined) return unchecked === undefined;
  const { at } = request;
  return everyLimit(
    { plan: account.plan, nowMs: at.nowMs },
    (limit, dimension) => usedOf(dimension, account, at) <= (1 - GOOD_PART) * limit,
  );
}

/** Each call is noted, so that limits which are always the same are not copied. */
function everyLimit(
  { plan, nowMs }: { readonly plan: LimitPlan; readonly nowMs: EpochMs },
  isSo: (limit: number, dimension: Dimension) => boolean,
): boolean {
  const isFixed = plan.schedules === undefined && plan.raises === undefined;
  const limits = isFixed ? plan : limitsAt(plan, nowMs);
  return DIMENSION_NAMES.every((dimension) => {
    const limit = limits[dimension];
    return limit === undefined || isSo(limit, dimension);
  });
}
