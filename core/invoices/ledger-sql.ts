/** What invoices ask of the ledger, and how an approved difference is booked there: as SQL for Athena. */
import type { EpochMs } from '../clock.ts';
import { LEDGER_PARTITION } from '../ledger/ledger-table.ts';
import { LAKE } from '../names.ts';
import { text } from '../reconcile/questions.ts';
import type { Proposal } from './compare-invoice.ts';

const DAY_MS = 86_400_000;

export interface InvoiceName {
  readonly id: string;
  /** As the policy names it. */
  readonly provider: string;
  readonly fromDay: string;
  readonly toDay: string;
}

/**
 * Columns: day, tenant, team, project, key, booked, adjusted, tokens, estimated, adjustments of this invoice.
 * Days are of UTC, as invoices have them. Bookings of before the month cannot be of its days.
 */
export function ledgerByDay({ id, provider, fromDay, toDay }: InvoiceName): string {
  const fromMs = Date.parse(fromDay);
  const untilMs = Date.parse(toDay) + DAY_MS;
  // Months of the policy's time zone may begin a day before those of UTC.
  const fromPeriod = dayOf(fromMs - DAY_MS).slice(0, 7);
  const tokens = [
    'input_tokens',
    'cached_input_tokens',
    'cache_write_5m_tokens',
    'cache_write_1h_tokens',
  ]
    .concat('audio_input_tokens', 'output_tokens', 'audio_output_tokens')
    .map((column) => `coalesce(${column}, 0)`)
    .join(' + ');
  return `SELECT event_time_ms / ${DAY_MS} AS day_number, tenant_id, team_id, project_id, virtual_key_id,
  coalesce(sum(cost_nano_usd) FILTER (WHERE entry_kind <> 'adjustment'), 0) AS booked,
  coalesce(sum(cost_nano_usd) FILTER (WHERE entry_kind = 'adjustment'), 0) AS adjusted,
  coalesce(sum(${tokens}), 0) AS tokens,
  coalesce(sum(cost_nano_usd) FILTER (WHERE estimated), 0) AS estimated,
  count(*) FILTER (WHERE entry_kind = 'adjustment' AND entry_id LIKE ${text(`${entryPrefix(id)}%`)}) AS own
FROM ${LAKE.ledgerTable}
WHERE ${LEDGER_PARTITION} >= ${text(fromPeriod)} AND provider = ${text(provider)}
  AND event_time_ms >= ${fromMs} AND event_time_ms < ${untilMs}
GROUP BY event_time_ms / ${DAY_MS}, tenant_id, team_id, project_id, virtual_key_id
HAVING sum(cost_nano_usd) <> 0 OR sum(${tokens}) <> 0
ORDER BY day_number, tenant_id, team_id, project_id, virtual_key_id`;
}

export function dayOfNumber(dayNumber: number): string {
  return dayOf(dayNumber * DAY_MS);
}

export interface AdjustmentBooking {
  readonly invoice: InvoiceName;
  readonly nowMs: EpochMs;
  /** Empty while no month is closed. */
  readonly firstOpenPeriod: string;
}

/** A statement is at most 262,144 bytes. */
const ENTRIES_A_STATEMENT = 400;

/** Doing it twice books nothing twice: each entry is named after the invoice, the day, the key and its number. */
export function bookAdjustments(
  proposals: readonly Proposal[],
  booking: AdjustmentBooking,
): string[] {
  const statements: string[] = [];
  for (let from = 0; from < proposals.length; from += ENTRIES_A_STATEMENT)
    statements.push(mergeOf(proposals.slice(from, from + ENTRIES_A_STATEMENT), booking));
  return statements;
}

const COLUMNS = [
  'entry_id',
  'entry_kind',
  LEDGER_PARTITION,
  'booked_at_ms',
  'reason',
  'event_time_ms',
  'period',
  'tenant_id',
  'team_id',
  'project_id',
  'virtual_key_id',
  'provider',
  'cost_nano_usd',
] as const;

function mergeOf(proposals: readonly Proposal[], booking: AdjustmentBooking): string {
  const { invoice, nowMs, firstOpenPeriod } = booking;
  const rows = proposals.map((proposal) => {
    const { day, tenantId, teamId, projectId, keyId, nanoUsd, number } = proposal;
    const period = day.slice(0, 7);
    const [, booked = period] = [period, firstOpenPeriod].sort();
    const entryId = `${entryPrefix(invoice.id)}${day}/${keyId}/${projectId}/${number}`;
    const reason = `invoice of ${invoice.provider} for ${day}`;
    const texts = (values: readonly string[]) => values.map(text).join(', ');
    return `(${texts([entryId, 'adjustment', booked])}, CAST(${nowMs} AS bigint), ${text(reason)}, CAST(${Date.parse(`${day}T12:00:00Z`)} AS bigint), ${texts([period, tenantId, teamId, projectId, keyId, invoice.provider])}, CAST(${nanoUsd} AS bigint))`;
  });
  const [fromPeriod = ''] = proposals.map(({ day }) => day.slice(0, 7)).sort();
  return `MERGE INTO ${LAKE.ledgerTable} AS held
USING (VALUES
${rows.join(',\n')}
) AS entry (${COLUMNS.join(', ')})
ON held.entry_id = entry.entry_id AND held.${LEDGER_PARTITION} >= ${text(fromPeriod)}
WHEN NOT MATCHED THEN INSERT (${COLUMNS.join(', ')})
VALUES (${COLUMNS.map((name) => `entry.${name}`).join(', ')})`;
}

function entryPrefix(id: string): string {
  return `invoice/${id}/`;
}

function dayOf(atMs: EpochMs): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
