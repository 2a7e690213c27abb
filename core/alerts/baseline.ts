/**
 * What is usual for a subject at this hour of the week, from its own hourly rollups: the median of the same hour in up
 * to five earlier weeks, which one outlier cannot move. Until there are three such weeks, the upper middle of the same hour on the
 * last seven days, of which four must exist; before that nothing is usual, and no detector compares.
 */
import { amountOf, EMPTY, type Rollup, sumOf, tokensOf } from '../rollups/amounts.ts';
import { windowStart } from '../rollups/windows.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LEAST_WEEKS = 3;
const LEAST_DAYS = 4;

/** Days back at which the same hour is looked up. The latest week serves twice. */
const WEEKS = [7, 14, 21, 28, 35];
const DAYS = [1, 2, 3, 4, 5, 6, 7];
const DAYS_BACK: readonly number[] = [...new Set([...DAYS, ...WEEKS])];

/**
 * The median of a week's working days: of seven values with two quiet ones below, the fifth. A week-end is then
 * compared with working days, until there are three week-ends.
 */
const WORKING_DAYS_RANK = 2 / 3;

/** Begins of the hours that a baseline at this moment is made of, the latest first. */
export function referenceHours(nowMs: number): number[] {
  const hour = windowStart('hour', nowMs);
  return DAYS_BACK.map((days) => hour - days * DAY_MS);
}

/** Hourly rollups by their begin. */
export type Hours = ReadonlyMap<number, Rollup>;

export interface Usual {
  /** Of five minutes. */
  readonly tokens: number;
  /** Of the tokens of five minutes: from week to week, relative to the median. */
  readonly relativeDeviation: number;
  /** Of the tokens of five minutes, by chance: calls come one by one and are of different sizes. */
  readonly chanceVariance: number;
  /** All the hours together, for shares and quantiles. */
  readonly together: Rollup;
}

const WINDOWS_AN_HOUR = 12;
/** Deviation of a normal distribution from its median absolute deviation. */
const NORMAL_MAD = 1.4826;
/**
 * Five hours say little of their own spread, and nothing of how five minutes differ within an hour. Measured by `npm run
 * detect`: a third gives many false alarms a tenant and month, a half less than one, and spikes of three times are found.
 */
const LEAST_DEVIATION = 0.6;

export function usualAt(hours: Hours, nowMs: number): Usual | undefined {
  const same = sameHours(hours, nowMs);
  if (same === undefined) return undefined;
  const { values, rank } = same;
  const tokens = values.map(tokensOf);
  const middle = quantile(tokens, rank);
  const spread =
    NORMAL_MAD *
    quantile(
      tokens.map((value) => Math.abs(value - middle)),
      0.5,
    );
  const squares = quantile(
    values.map((value) => amountOf(value, 'squaredTokens')),
    rank,
  );
  return {
    tokens: middle / WINDOWS_AN_HOUR,
    relativeDeviation: Math.max(LEAST_DEVIATION, middle === 0 ? 0 : spread / middle),
    chanceVariance: (squares * 10_000) / WINDOWS_AN_HOUR,
    together: sumOf(values),
  };
}

/** An hour without a rollup was quiet, if there is an earlier one; else the subject did not exist yet. */
function sameHours(hours: Hours, nowMs: number): SameHours | undefined {
  const oldest = Math.min(...hours.keys());
  const hour = windowStart('hour', nowMs);
  const valuesOf = (daysBack: readonly number[]) =>
    daysBack
      .map((days) => hour - days * DAY_MS)
      .filter((startMs) => startMs >= oldest)
      .map((startMs) => hours.get(startMs) ?? EMPTY);
  const weeks = valuesOf(WEEKS);
  if (weeks.length >= LEAST_WEEKS) return { values: weeks, rank: 0.5 };
  const days = valuesOf(DAYS);
  return days.length >= LEAST_DAYS ? { values: days, rank: WORKING_DAYS_RANK } : undefined;
}

interface SameHours {
  readonly values: readonly Rollup[];
  readonly rank: number;
}

/** Between the values where there is none at the rank. */
function quantile(values: readonly number[], rank: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * rank;
  const low = sorted[Math.floor(place)] ?? 0;
  const high = sorted[Math.ceil(place)] ?? 0;
  return low + (high - low) * (place - Math.floor(place));
}
