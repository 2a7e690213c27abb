/**
 * Soft limits: they notify and never refuse. A reserve sees in the item that comes back whether the scope is at or
 * above one that was not told yet; the usage event carries that, and the usage monitor tells it once. Decides from the
 * item alone; the account counts for a soft limit whatever it counts for a hard one.
 */
import type { Account } from './account.ts';
import { type Moment, usedOf } from './denial.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from './dimensions.ts';

export interface SoftCrossing {
  readonly dimension: Dimension;
  /** Day (YYYYMMDD) or month (YYYYMM) that the limit counts in; 0 where it counts in windows or open calls. */
  readonly period: number;
  readonly limit: number;
  /** Settled and held, this call's hold among it. */
  readonly used: number;
}

/** `account` is as the reserve left it. */
export function softCrossings(account: Account, at: Moment): SoftCrossing[] {
  const { soft } = account.plan;
  if (soft === undefined) return [];
  return DIMENSION_NAMES.flatMap((dimension): SoftCrossing[] => {
    const limit = soft[dimension];
    if (limit === undefined || limit === 0) return [];
    const used = usedOf(dimension, account, at);
    const period = periodOf(dimension, at);
    const isTold = (account.told.get(softMark(dimension, period)) ?? 0) * 1000 > at.nowMs;
    return used < limit || isTold ? [] : [{ dimension, period, limit, used }];
  });
}

/** Name of the attribute that says until when nobody needs to be told (again). */
export function softMark(dimension: Dimension, period: number): string {
  return `${DIMENSIONS[dimension].code}${period}!`;
}

export function isOfPeriod(dimension: Dimension): boolean {
  return ['day', 'month'].includes(DIMENSIONS[dimension].window);
}

function periodOf(dimension: Dimension, { day, month }: Moment): number {
  const { window } = DIMENSIONS[dimension];
  if (window === 'month') return month;
  return window === 'day' ? day : 0;
}
