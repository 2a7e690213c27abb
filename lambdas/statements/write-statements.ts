/** What the statements function does: the reference tables, the month's statement, the summaries of a week. */
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import { monthCsv, monthMessage, monthPage } from '../../core/chargeback/month-page.ts';
import { monthStatement, STATEMENT_COLUMNS } from '../../core/chargeback/month-statement.ts';
import { REFERENCE_TABLES, referencePrefix } from '../../core/chargeback/reference-tables.ts';
import type { StatementMessage } from '../../core/chargeback/statement-message.ts';
import {
  dailyUse,
  monthDays,
  monthLines,
  teamsInMonth,
} from '../../core/chargeback/statement-questions.ts';
import {
  lastWeek,
  type WeekSummary,
  weekCsv,
  weekMessage,
  weekPage,
  weekSummaries,
} from '../../core/chargeback/week-summary.ts';
import type { Clock, EpochMs } from '../../core/clock.ts';
import type { Period } from '../../core/ledger/closed-months.ts';
import { calendarDay, monthName } from '../../core/limits/periods.ts';
import { STATEMENTS_PREFIX } from '../../core/names.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import type { Athena } from '../adapters/athena.ts';
import type { ClosedMonths } from '../adapters/closed-months.ts';
import type { Objects, StoredObject } from '../adapters/objects.ts';
import { toParquet } from '../adapters/parquet.ts';
import { type PublishedVersion, publishVersion } from './publish-version.ts';

export interface StatementPorts {
  readonly athena: Athena;
  readonly objects: Objects;
  readonly closedMonths: Pick<ClosedMonths, 'through'>;
  readonly policy: () => Promise<PolicySnapshot>;
  readonly send: (message: StatementMessage) => Promise<void>;
  readonly clock: Clock;
}

/** Every hour: what questions join with follows the policy. */
export async function writeReferenceTables({ objects, policy }: StatementPorts): Promise<void> {
  const snapshot = await policy();
  for (const [name, { columns, rowsOf }] of Object.entries(REFERENCE_TABLES)) {
    const rows = rowsOf(snapshot).map((row) => columns.map((column) => cellOf(row[column.name])));
    const body = toParquet(columns, rows);
    await objects.put(`${referencePrefix(name)}current.parquet`, { body, contentType: PARQUET });
  }
}

function cellOf(value: string | number | boolean | undefined): string | bigint | boolean | null {
  return typeof value === 'number' ? BigInt(value) : (value ?? null);
}

const PARQUET = 'application/vnd.apache.parquet';
const html = (body: string): StoredObject => ({ body, contentType: 'text/html; charset=utf-8' });
const csv = (body: string): StoredObject => ({ body, contentType: 'text/csv; charset=utf-8' });

export async function writeMonth(
  { athena, objects, closedMonths, send, clock, policy }: StatementPorts,
  {
    period: given,
    deadlineMs,
  }: { readonly period?: Period | undefined; readonly deadlineMs: EpochMs },
): Promise<PublishedVersion> {
  const period = given ?? monthBefore(clock.nowMs(), (await policy()).timeZone);
  const closedThrough = await closedMonths.through();
  const statement = monthStatement({
    period,
    status: closedThrough !== undefined && period <= closedThrough ? 'final' : 'provisional',
    lines: await athena.run(monthLines(`'${period}'`), deadlineMs),
    days: await athena.run(monthDays(period), deadlineMs),
  });
  const columns = STATEMENT_COLUMNS.map(({ name, type }) => ({ name, type }));
  const rows = statement.lines.map((line) => STATEMENT_COLUMNS.map(({ of }) => of(line)));
  return publishVersion(objects, {
    folder: `${STATEMENTS_PREFIX}month=${period}/`,
    content: `${statement.status}\n${monthCsv(statement)}`,
    filesOf: (version) => ({
      'chargeback.csv': csv(monthCsv(statement)),
      'chargeback.parquet': { body: toParquet(columns, rows), contentType: PARQUET },
      'chargeback.html': html(monthPage(statement, version)),
    }),
    messageOf: (version, places) =>
      send({
        subject: `Chargeback for ${period}, version ${version}`,
        text: `${monthMessage(statement, version)}\n\n${places}`,
        audience: 'month',
      }),
  });
}

function monthBefore(nowMs: EpochMs, timeZone: string): Period {
  const { month } = calendarDay(nowMs, timeZone);
  return monthName(month % 100 === 1 ? month - 89 : month - 1);
}

export interface WeekResult {
  readonly teams: number;
  readonly published: number;
}

/** The last whole week before a moment, one summary a team. */
export async function writeWeek(
  ports: StatementPorts,
  { atMs, deadlineMs }: { readonly atMs: EpochMs; readonly deadlineMs: EpochMs },
): Promise<WeekResult> {
  const { athena } = ports;
  const week = lastWeek(atMs);
  const { teams, timeZone } = await ports.policy();
  const month = monthName(calendarDay(atMs, timeZone).month);
  const summaries = weekSummaries({
    week,
    uses: await athena.run(dailyUse({ from: week.beforeFrom, to: week.days.to }), deadlineMs),
    months: await athena.run(teamsInMonth(month), deadlineMs),
    teamOf: (tenantId, teamId) => teams[teamKey(tenantId, teamId)],
  });
  let published = 0;
  for (const summary of summaries) published += (await publishWeek(ports, summary)).isNew ? 1 : 0;
  return { teams: summaries.length, published };
}

function publishWeek(
  { objects, send }: StatementPorts,
  summary: WeekSummary,
): Promise<PublishedVersion> {
  const { tenantId, teamId, week } = summary;
  const place = `tenant=${encodeURIComponent(tenantId)}/team=${encodeURIComponent(teamId)}`;
  return publishVersion(objects, {
    folder: `${STATEMENTS_PREFIX}week=${week.name}/${place}/`,
    // The budget of the running month is told with the figures, but is none of the week's.
    content: weekCsv(summary),
    filesOf: (version) => ({
      'summary.csv': csv(weekCsv(summary)),
      'summary.html': html(weekPage(summary, version)),
    }),
    messageOf: (version, places) =>
      send({
        subject: `Team ${teamId}: week ${week.name}, version ${version}`,
        text: `${weekMessage(summary, version)}\n\n${places}`,
        audience: `${tenantId}/${teamId}`,
      }),
  });
}
