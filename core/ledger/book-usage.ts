/**
 * The one statement that books what arrived: for each request the best copy among the raw rows, against the
 * row that stands for it in the ledger. Running it again, or twice at once, books nothing twice: entries are named
 * after the request and the number of its correction, and Iceberg refuses the second of two merges that overlap.
 */
import type { EpochMs } from '../clock.ts';
import { LAKE } from '../names.ts';
import { AMOUNT_COLUMNS, usageEventColumns } from '../usage/event.ts';
import { USAGE_SCHEMA_VERSION } from '../usage/event-values.ts';
import { LEDGER_PARTITION, ledgerColumns } from './ledger-table.ts';

export interface BookingWindow {
  /** First day of arrival that is looked at, `YYYY-MM-DD`. */
  readonly fromDay: string;
  /** Calls that began earlier are left to the wider run. */
  readonly fromEventMs: EpochMs;
}

export interface Booking extends BookingWindow {
  readonly nowMs: EpochMs;
  /** `YYYY-MM`: rows of earlier months are booked here. Empty while no month is closed. */
  readonly firstOpenPeriod: string;
}

const DAY_MS = 86_400_000;

/** What arrives within a day of its call is in the ledger a quarter of an hour later. */
export function recentWindow(nowMs: EpochMs): BookingWindow {
  return { fromDay: dayOf(nowMs - 3 * DAY_MS), fromEventMs: nowMs - 4 * DAY_MS };
}

/** Whatever its clock said: queues and dead letters keep an event for up to four weeks. */
export function wideWindow(nowMs: EpochMs): BookingWindow {
  return { fromDay: dayOf(nowMs - 35 * DAY_MS), fromEventMs: 0 };
}

/**
 * The copies of one request began at the same time, but for the row of an expired hold, which knows only
 * when the hold ended. So what stands for a request in the window began at most this much before it.
 */
const COPIES_APART_MS = DAY_MS;

export function bookUsage({ fromDay, fromEventMs, nowMs, firstOpenPeriod }: Booking): string {
  const standsFromMs = Math.max(0, fromEventMs - COPIES_APART_MS);
  // Two days wider than the times, because months end by the policy's time zone.
  const fromPeriod = dayOf(Math.max(0, standsFromMs - 2 * DAY_MS)).slice(0, 7);
  return `MERGE INTO ${LAKE.ledgerTable} AS held
USING (
  WITH arrived AS (
    SELECT * FROM (
      SELECT ${names}, ${TRUST} AS trust,
        row_number() OVER (PARTITION BY request_id ORDER BY ${bestFirst}, cost_nano_usd DESC) AS copy
      FROM ${LAKE.usageTable}
      WHERE dt >= '${fromDay}' AND event_time_ms >= ${fromEventMs} AND period >= '${fromPeriod}'
        AND request_id IS NOT NULL AND schema_version <= ${USAGE_SCHEMA_VERSION}
    ) AS copies WHERE copy = 1
  ),
  standing AS (
    SELECT * FROM (
      SELECT ${names}, ${TRUST} AS trust,
        row_number() OVER (PARTITION BY request_id ORDER BY ${bestFirst}, booked_at_ms DESC) AS copy,
        count(*) OVER (PARTITION BY request_id) AS bookings
      FROM ${LAKE.ledgerTable}
      WHERE ${LEDGER_PARTITION} >= '${fromPeriod}' AND event_time_ms >= ${standsFromMs}
        AND (entry_kind = 'call' OR entry_id LIKE '%+')
    ) AS copies WHERE copy = 1
  )
  SELECT
    CASE sign WHEN '' THEN arrived.request_id
      ELSE concat(arrived.request_id, '/c', CAST(standing.bookings AS varchar), sign) END AS entry_id,
    CASE sign WHEN '' THEN 'call' ELSE 'correction' END AS entry_kind,
    CASE sign WHEN '-' THEN 'a better copy arrived: taken back'
      WHEN '+' THEN 'a better copy arrived' END AS reason,
    greatest(arrived.period, '${firstOpenPeriod}') AS ${LEDGER_PARTITION},
    CAST(${nowMs} AS bigint) AS booked_at_ms,
    ${usageEventColumns.map(({ name }) => bookedValue(name)).join(',\n    ')}
  FROM arrived
  LEFT JOIN standing ON standing.request_id = arrived.request_id
  -- Nothing stands: the call. Something worse stands: it is taken back, and the better copy is booked.
  CROSS JOIN (VALUES (''), ('-'), ('+')) AS part (sign)
  WHERE CASE WHEN standing.request_id IS NULL THEN sign = ''
    ELSE sign <> '' AND (${isBetter('arrived', 'standing')}) END
) AS entry
ON held.entry_id = entry.entry_id
  AND held.${LEDGER_PARTITION} >= '${fromPeriod}' AND held.event_time_ms >= ${standsFromMs}
WHEN NOT MATCHED THEN INSERT (${allNames})
VALUES (${ledgerColumns.map(({ name }) => `entry.${name}`).join(', ')})`;
}

/** Raw rows that a later version of this code has written: they are kept, and booked when this is that version. */
export function countUnknownVersions({ fromDay }: BookingWindow): string {
  return `SELECT count(*) AS unknown_rows FROM ${LAKE.usageTable}
WHERE dt >= '${fromDay}' AND schema_version > ${USAGE_SCHEMA_VERSION}`;
}

const names = usageEventColumns.map(({ name }) => name).join(', ');
const allNames = ledgerColumns.map(({ name }) => name).join(', ');

/** What a provider reported counts before what was estimated, and that before what a hold allowed. */
const TRUST = "CASE WHEN outcome = 'expired' THEN 0 WHEN estimated THEN 1 ELSE 2 END";
const bestFirst = `${TRUST} DESC, attempts DESC, duration_ms DESC`;

function isBetter(a: string, b: string): string {
  const [trust, attempts, duration] = ['trust', 'attempts', 'duration_ms'].map((column) => ({
    more: `${a}.${column} > ${b}.${column}`,
    same: `${a}.${column} = ${b}.${column}`,
  }));
  return `${trust?.more} OR (${trust?.same} AND (${attempts?.more} OR (${attempts?.same} AND ${duration?.more})))`;
}

const amounts: ReadonlySet<string> = new Set(AMOUNT_COLUMNS);

function bookedValue(name: string): string {
  const minus = amounts.has(name) ? '-' : '';
  return `CASE sign WHEN '-' THEN ${minus}standing.${name} ELSE arrived.${name} END AS ${name}`;
}

function dayOf(atMs: EpochMs): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
