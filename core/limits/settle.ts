/**
 * Settle and release: give back what a hold took beyond the truth. Both are one conditional write that
 * needs the hold to be there, so doing either twice changes nothing.
 */
import { type Account, ATTR, type Counter, counterName, encodeMark } from './account.ts';
import type { AccountWrite } from './account-write.ts';
import type { Moment } from './denial.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from './dimensions.ts';
import {
  amountOf,
  counterFor,
  type Demand,
  keepsCounter,
  type ReserveRequest,
  staleEntries,
} from './reserve.ts';
import { hasLimits, type LimitPlan } from './schedule.ts';

/** A reservation on one account: what was asked, under which limits, and the item as last seen. */
export interface Grant {
  readonly request: ReserveRequest;
  readonly plan: LimitPlan;
  readonly account?: Account;
  /** The reserve has copies that may still arrive, and the one that was applied may have been any of them. */
  readonly isDoubtful?: boolean;
}

/** In the account of a key that limits nothing: nobody waits for what is given back there. */
export function isOfFreeKey({ request, plan }: Pick<Grant, 'request' | 'plan'>): boolean {
  return request.owner.kind === 'lead' && !hasLimits(plan);
}

/** What a call really used. */
export type Actual = Demand;

/** Replaces the hold by the actual usage, in the period of the reserve. The request stays counted. */
export function planSettle(grant: Grant, actual: Actual, now: Moment): AccountWrite {
  const { demand } = grant.request;
  const change = (dimension: Dimension) =>
    amountOf(dimension, actual) - amountOf(dimension, demand);
  const { month } = grant.request.at;
  return closeHold(grant, [...changes(placeOf(grant), change, now), ...sums(month, actual)], now);
}

/** Counts a call that holds nothing here, because the account was out of reach when it was admitted. */
export function planForce(grant: Grant, actual: Actual, now: Moment): AccountWrite {
  const { holdId, expiresAtSeconds } = grant.request;
  const used = (dimension: Dimension) => amountOf(dimension, actual);
  return {
    conditions: [
      { kind: 'present', path: [ATTR.status] },
      // Closes the race with a copy of the reserve that has arrived after all: that hold is settled instead.
      { kind: 'absent', path: [ATTR.holds, holdId] },
      // Closes the race with our own timed-out attempt: a call is counted once.
      { kind: 'absent', path: [ATTR.voided, holdId] },
    ],
    set: [[[ATTR.voided, holdId], encodeMark(expiresAtSeconds)]],
    add: [...changes(placeOf(grant), used, now), ...sums(grant.request.at.month, actual)].filter(
      ([, amount]) => amount !== 0,
    ),
    remove: [],
  };
}

/** A call more among the settled ones of the month. */
export function sums(month: number, actual: Actual): [string, number][] {
  const settled: [Counter, number][] = [
    ['settledRequests', 1],
    ['settledInputTokens', actual.inputTokens],
    ['settledOutputTokens', actual.outputTokens],
    ['settledNanoUsd', actual.nanoUsd],
  ];
  return settled.map(([counter, amount]) => [counterName(counter, month), amount]);
}

/** Gives everything back, the request too: nothing was sent to a provider, or a sibling account refused. */
export function planRelease(grant: Grant, now: Moment): AccountWrite {
  const { demand } = grant.request;
  const change = (dimension: Dimension) => -amountOf(dimension, demand);
  return closeHold(grant, changes(placeOf(grant), change, now), now);
}

function closeHold(grant: Grant, add: [string, number][], now: Moment): AccountWrite {
  const { holdId, expiresAtSeconds } = grant.request;
  const hold = [ATTR.holds, holdId] as const;
  const stale = grant.account === undefined ? [] : staleEntries(grant.account, now);
  const touched = new Set(add.map(([name]) => name));
  return {
    // Closes the race with the reaper and with our own timed-out attempt: a hold is closed once.
    conditions: [{ kind: 'present', path: hold }],
    // Closes the race with a copy of the reserve that arrives after: it is refused by the mark.
    set: grant.isDoubtful === true ? [[[ATTR.voided, holdId], encodeMark(expiresAtSeconds)]] : [],
    add: add.filter(([, amount]) => amount !== 0),
    remove: [hold, ...stale.filter(([name]) => !touched.has(name))],
    itemUnread: 'always',
  };
}

/** Where a reserve has counted. */
interface Place extends Pick<Grant, 'plan' | 'isDoubtful'> {
  readonly at: Moment;
}

function placeOf({ request: { at }, ...grant }: Grant): Place {
  return { ...grant, at };
}

/** By how much each counter that the reserve moves is to change. */
export function changes(
  { at, plan, isDoubtful }: Place,
  by: (dimension: Dimension) => number,
  now: Moment,
): [string, number][] {
  return DIMENSION_NAMES.flatMap((dimension): [string, number][] => {
    const counter = counterFor(dimension, at);
    if (counter === undefined || !keepsCounter(dimension, plan)) return [];
    // A window that no later decision reads is left alone, so that a swept counter does not come back.
    const { window } = DIMENSIONS[dimension];
    const isWindow = window === 'second' || window === 'minute';
    if (isWindow && at[window] < now[window] - 1) return [];
    const difference = by(dimension);
    // An earlier copy may have counted in an earlier window: what is given back there would be given away here.
    if (isWindow && isDoubtful === true && difference < 0) return [];
    return [[counter, difference]];
  });
}
