/**
 * Names of windows and periods. Seconds and minutes are counted from the epoch; days and months are
 * calendar ones in the policy's time zone, so that a budget's month is the company's month.
 */
import type { EpochMs } from '../clock.ts';

export type WindowKind = 'second' | 'minute';

export const WINDOW_MS: Readonly<Record<WindowKind, number>> = { second: 1_000, minute: 60_000 };

/** Number of the window since the epoch. */
export function windowIndex(kind: WindowKind, atMs: EpochMs): number {
  return Math.floor(atMs / WINDOW_MS[kind]);
}

/** Calendar day as the number YYYYMMDD, and its month as YYYYMM. */
export interface CalendarDay {
  readonly day: number;
  readonly month: number;
}

const formatters = new Map<string, Intl.DateTimeFormat>();
const recentDays = new Map<string, { readonly quarter: number; readonly day: CalendarDay }>();

/** Every zone's midnight falls on a quarter of an hour in UTC, so one answer serves a whole quarter. */
const QUARTER_HOUR_MS = 900_000;

export function calendarDay(atMs: EpochMs, timeZone: string): CalendarDay {
  const quarter = Math.floor(atMs / QUARTER_HOUR_MS);
  const recent = recentDays.get(timeZone);
  if (recent?.quarter === quarter) return recent.day;
  const day = formatDay(quarter * QUARTER_HOUR_MS, timeZone);
  recentDays.set(timeZone, { quarter, day });
  return day;
}

function formatDay(atMs: EpochMs, timeZone: string): CalendarDay {
  const parts = formatter(timeZone).formatToParts(atMs);
  const read = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  const month = read('year') * 100 + read('month');
  return { month, day: month * 100 + read('day') };
}

/** `YYYY-MM` of a month number. */
export function monthName(month: number): string {
  return `${Math.floor(month / 100)}-${String(month % 100).padStart(2, '0')}`;
}

/** First instant after `atMs` at which the calendar day (or month) in the zone is another one, to the second. */
export function periodEnd(atMs: EpochMs, timeZone: string, period: 'day' | 'month'): EpochMs {
  const current = calendarDay(atMs, timeZone)[period];
  let low = atMs;
  let high = atMs + (period === 'day' ? 49 : 33 * 24) * 3_600_000;
  while (high - low > 1_000) {
    const middle = Math.floor((low + high) / 2);
    if (calendarDay(middle, timeZone)[period] === current) low = middle;
    else high = middle;
  }
  return Math.floor(high / 1_000) * 1_000;
}

/** When the day after the moment's began in the zone; undefined where that is another day. */
export function nextDay(atMs: EpochMs, timeZone: string, day: number): EpochMs | undefined {
  const beginMs = periodEnd(atMs, timeZone, 'day');
  return calendarDay(beginMs, timeZone).day === day ? beginMs : undefined;
}

function formatter(timeZone: string): Intl.DateTimeFormat {
  let known = formatters.get(timeZone);
  if (known === undefined) {
    known = new Intl.DateTimeFormat('en-CA', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
    formatters.set(timeZone, known);
  }
  return known;
}
