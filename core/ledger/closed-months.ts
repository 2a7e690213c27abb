/** Closing months: what was told to finance does not change any more; what comes later is booked in the first open month. */

/** `YYYY-MM`. */
export type Period = string;

const PERIOD = /^\d{4}-(0[1-9]|1[0-2])$/;

export type Close =
  | { readonly kind: 'closed'; readonly closedThrough: Period }
  | { readonly kind: 'refused'; readonly reason: string };

/** Months close in order and never open again; closing one that is closed changes nothing. */
export function closeMonth(
  period: Period,
  { closedThrough, current }: { closedThrough: Period | undefined; current: Period },
): Close {
  if (!PERIOD.test(period)) return { kind: 'refused', reason: 'A period is a month, YYYY-MM.' };
  if (period >= current)
    return { kind: 'refused', reason: `${period} is not over: the month is ${current}.` };
  const isClosed = closedThrough !== undefined && period <= closedThrough;
  return { kind: 'closed', closedThrough: isClosed ? closedThrough : period };
}

/** Empty while no month is closed, which is before every month. */
export function firstOpenPeriod(closedThrough: Period | undefined): Period | '' {
  if (closedThrough === undefined) return '';
  const [year = 0, month = 0] = closedThrough.split('-').map(Number);
  return new Date(Date.UTC(year, month)).toISOString().slice(0, 7);
}
