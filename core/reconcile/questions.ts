/**
 * What the reconciler asks of the lake, as SQL for Athena. Amounts come as whole nano-dollars and tokens over all
 * classes, as the accounts count them. A call is closed at its start plus its duration, by the gateway's clock.
 */
import type { EpochMs } from '../clock.ts';
import { LEDGER_PARTITION } from '../ledger/ledger-table.ts';
import { LAKE } from '../names.ts';
import { USAGE_SCHEMA_VERSION } from '../usage/event-values.ts';
import type { Day } from './days.ts';
import type { Sums } from './snapshot.ts';

/** Calls that closed up to `sureMs` are in the accounts as read, or still open there; up to `maybeMs` perhaps. */
export interface Cut {
  readonly sureMs: EpochMs;
  readonly maybeMs: EpochMs;
}

const CLOSED = '(event_time_ms + duration_ms)';
const INPUT = sumOf([
  'input_tokens',
  'cached_input_tokens',
  'cache_write_5m_tokens',
  'cache_write_1h_tokens',
  'audio_input_tokens',
]);
const OUTPUT = sumOf(['output_tokens', 'audio_output_tokens']);

/** Columns: tenant, team, key, period, then requests and sums of what is sure, then sums of what may be. */
export function ledgerByKey(cut: Cut, periods: readonly string[]): string {
  const [first = ''] = [...periods].sort();
  return `SELECT tenant_id, team_id, virtual_key_id, period,
  count(*) FILTER (WHERE ${sure(cut)} AND entry_kind = 'call' AND input_tokens IS NOT NULL) AS requests,
  ${measures(sure(cut))},
  ${measures(maybe(cut))}
FROM ${LAKE.ledgerTable}
WHERE ${LEDGER_PARTITION} >= ${text(first)} AND period IN (${periods.map(text).join(', ')})
  AND entry_kind <> 'adjustment' AND ${CLOSED} <= ${cut.maybeMs}
GROUP BY tenant_id, team_id, virtual_key_id, period`;
}

/**
 * Columns: tenant, team, key, day, then dollars and tokens of what is sure, then of what may be. Calls that the accounts
 * had open or posted are left out. Within `skewMs` of a midnight a call may be charged to the day before or after.
 */
export function ledgerByDay(
  cut: Cut,
  { days, without, skewMs }: { days: readonly Day[]; without: readonly string[]; skewMs: number },
): string {
  const amounts = (condition: string) =>
    ['cost_nano_usd', `(${INPUT} + ${OUTPUT})`]
      .map((amount) => `coalesce(sum(CASE WHEN ${condition} THEN ${amount} ELSE 0 END), 0)`)
      .join(', ');
  const aside =
    without.length === 0 ? '' : `\n  AND request_id NOT IN (${without.map(text).join(', ')})`;
  const ofDay = ({
    number,
    fromMs,
    toMs,
  }: Day) => `SELECT tenant_id, team_id, virtual_key_id, ${number} AS day,
  ${amounts(`${sure(cut)} AND event_time_ms >= ${fromMs} AND event_time_ms < ${toMs}`)},
  ${amounts(`${maybe(cut)} OR event_time_ms < ${fromMs + skewMs} OR event_time_ms >= ${toMs - skewMs}`)}
FROM ${LAKE.ledgerTable}
WHERE ${LEDGER_PARTITION} >= ${text(new Date(fromMs).toISOString().slice(0, 7))} AND entry_kind <> 'adjustment'
  AND event_time_ms >= ${fromMs - skewMs} AND event_time_ms < ${toMs + skewMs} AND ${CLOSED} <= ${cut.maybeMs}${aside}
GROUP BY tenant_id, team_id, virtual_key_id`;
  return days.map(ofDay).join('\nUNION ALL ');
}

/** Columns: request, key, then sums as above. */
export function ledgerOfRequests(
  cut: Cut,
  { periods, requestIds }: { periods: readonly string[]; requestIds: readonly string[] },
): string {
  const [first = ''] = [...periods].sort();
  return `SELECT request_id, max(virtual_key_id) AS virtual_key_id,
  ${measures(sure(cut))},
  ${measures(maybe(cut))}
FROM ${LAKE.ledgerTable}
WHERE ${LEDGER_PARTITION} >= ${text(first)} AND ${CLOSED} <= ${cut.maybeMs}
  AND request_id IN (${requestIds.map(text).join(', ')})
GROUP BY request_id`;
}

/**
 * Calls whose hold expired and of which the ledger holds the truth. Columns: request, key, provider, sums.
 * `fromDay` is the first day of arrival that is looked at.
 */
export function expiredWithTruth(fromDay: string, fromPeriod: string): string {
  return `SELECT request_id, max(virtual_key_id) AS virtual_key_id,
  max(CASE WHEN outcome <> 'expired' THEN provider END) AS provider,
  ${measures('true')}
FROM ${LAKE.ledgerTable}
WHERE ${LEDGER_PARTITION} >= ${text(fromPeriod)} AND entry_kind <> 'adjustment' AND request_id IN (
  SELECT request_id FROM ${LAKE.usageTable} WHERE dt >= ${text(fromDay)} AND outcome = 'expired'
)
GROUP BY request_id
HAVING bool_or(outcome <> 'expired')`;
}

/**
 * Requests whose best raw copy is not what the ledger's entries of them sum to. Copies that arrived in the
 * hour named or later are left to a later run. Columns: request, tenant, team, key, sums of the raw copy, sums booked.
 */
export function rawAgainstLedger({ fromDay, beforeHour, fromPeriod }: RawWindow): string {
  return `WITH copies AS (
  SELECT request_id, tenant_id, team_id, virtual_key_id, cost_nano_usd, ${INPUT} AS input, ${OUTPUT} AS output,
    row_number() OVER (PARTITION BY request_id ORDER BY
      CASE WHEN outcome = 'expired' THEN 0 WHEN estimated THEN 1 ELSE 2 END DESC,
      attempts DESC, duration_ms DESC, cost_nano_usd DESC) AS copy,
    max(concat(dt, ' ', hour)) OVER (PARTITION BY request_id) AS arrived
  FROM ${LAKE.usageTable}
  WHERE dt >= ${text(fromDay)} AND period >= ${text(fromPeriod)} AND request_id IS NOT NULL
    AND schema_version <= ${USAGE_SCHEMA_VERSION}
),
booked AS (
  SELECT request_id, ${measures('true')}
  FROM ${LAKE.ledgerTable} WHERE ${LEDGER_PARTITION} >= ${text(fromPeriod)} AND request_id IS NOT NULL
  GROUP BY request_id
)
SELECT copies.request_id, tenant_id, team_id, virtual_key_id, cost_nano_usd, copies.input, copies.output,
  coalesce(booked.nano_usd, 0) AS booked_nano_usd, coalesce(booked.input, 0) AS booked_input,
  coalesce(booked.output, 0) AS booked_output
FROM copies LEFT JOIN booked ON booked.request_id = copies.request_id
WHERE copy = 1 AND arrived < ${text(beforeHour)} AND (booked.request_id IS NULL
  OR booked.nano_usd <> cost_nano_usd OR booked.input <> copies.input OR booked.output <> copies.output)
ORDER BY copies.request_id
LIMIT ${MOST_NAMED}`;
}

export interface RawWindow {
  readonly fromDay: string;
  /** `YYYY-MM-DD HH` */
  readonly beforeHour: string;
  readonly fromPeriod: string;
}

/** A difference of more requests has one cause, which so many of them show as well. */
const MOST_NAMED = 100;

export interface ScopeFilter {
  /** A condition of SQL that picks the scope's rows. */
  readonly where: string;
  readonly period: string;
}

/**
 * The time of the call before which all calls of the scope sum to exactly the difference: its account is younger
 * than the month. Column: epoch milliseconds, or null.
 */
export function countedSince(
  { where, period }: ScopeFilter,
  { sureMs }: Cut,
  missing: Sums,
): string {
  const running = (amount: string) =>
    `sum(${amount}) OVER (ORDER BY event_time_ms, entry_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)`;
  return `SELECT max(event_time_ms) AS counted_since FROM (
  SELECT event_time_ms, ${running('cost_nano_usd')} AS nano_usd, ${running(INPUT)} AS input, ${running(OUTPUT)} AS output
  FROM ${LAKE.ledgerTable}
  WHERE ${scopeRows(where, period)} AND ${CLOSED} <= ${sureMs}
) AS calls
WHERE nano_usd = ${missing.nanoUsd} AND input = ${missing.inputTokens} AND output = ${missing.outputTokens}`;
}

/**
 * Requests that may explain a difference: of those that closed since the books last agreed, first the one that is
 * exactly the difference, then what was expired or estimated, then the dearest. Columns: request, is exactly it.
 */
export function suspects(
  { where, period }: ScopeFilter,
  { sinceMs, untilMs }: { sinceMs: EpochMs; untilMs: EpochMs },
  { nanoUsd, inputTokens, outputTokens }: Sums,
): string {
  return `SELECT request_id, nano_usd = ${Math.abs(nanoUsd)} AND input = ${Math.abs(inputTokens)}
    AND output = ${Math.abs(outputTokens)} AS is_exact
FROM (
  SELECT request_id, bool_or(estimated) AS doubtful, ${measures('true')}
  FROM ${LAKE.ledgerTable}
  WHERE ${scopeRows(where, period)} AND ${CLOSED} > ${sinceMs} AND ${CLOSED} <= ${untilMs}
  GROUP BY request_id
) AS calls
WHERE input > 0 OR output > 0 OR nano_usd > 0
ORDER BY is_exact DESC, doubtful DESC, nano_usd DESC, request_id
LIMIT ${MOST_SUSPECTS}`;
}

const MOST_SUSPECTS = 20;

function scopeRows(where: string, period: string): string {
  return `${LEDGER_PARTITION} >= ${text(period)} AND period = ${text(period)} AND entry_kind <> 'adjustment' AND ${where}`;
}

function measures(condition: string): string {
  const measure = (amount: string, name: string) =>
    `coalesce(sum(CASE WHEN ${condition} THEN ${amount} ELSE 0 END), 0)${name === '' ? '' : ` AS ${name}`}`;
  const names = condition === 'true' ? ['nano_usd', 'input', 'output'] : ['', '', ''];
  return ['cost_nano_usd', INPUT, OUTPUT]
    .map((amount, index) => measure(amount, names[index] ?? ''))
    .join(', ');
}

function sure({ sureMs }: Cut): string {
  return `${CLOSED} <= ${sureMs}`;
}

function maybe({ sureMs }: Cut): string {
  return `${CLOSED} > ${sureMs}`;
}

function sumOf(columns: readonly string[]): string {
  return `(${columns.map((column) => `coalesce(${column}, 0)`).join(' + ')})`;
}

/** A literal: ids of keys, teams and requests come from tables, and some of them are people's own words. */
export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
