/** A team's week for its lead: what was spent, on what, against the week before and against the month's budget. */
import type { Team } from '../catalog/snapshot.ts';
import { dayChart, shareBar } from './charts.ts';
import { toCsv } from './csv.ts';
import type { AnswerRow, DaySum } from './month-statement.ts';
import { escapeHtml, page, section, table } from './page.ts';
import type { Days } from './statement-questions.ts';
import { countForPeople, usdForPeople, usdText } from './usd-text.ts';

const DAY_MS = 86_400_000;

/** ISO 8601: weeks begin on Mondays. */
export interface Week {
  /** `YYYY-Www`. */
  readonly name: string;
  readonly days: Days;
  /** The first day of the week before. */
  readonly beforeFrom: string;
}

/** The last whole week (UTC) before a moment. */
export function lastWeek(nowMs: number): Week {
  const today = Math.floor(nowMs / DAY_MS);
  // The epoch began on a Thursday.
  const monday = today - ((today + 3) % 7) - 7;
  const thursday = new Date((monday + 3) * DAY_MS);
  const year = thursday.getUTCFullYear();
  const week = Math.floor((monday + 3 - Date.UTC(year, 0, 1) / DAY_MS) / 7) + 1;
  return {
    name: `${year}-W${String(week).padStart(2, '0')}`,
    days: { from: dayText(monday), to: dayText(monday + 6) },
    beforeFrom: dayText(monday - 7),
  };
}

function dayText(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

interface Use {
  readonly feature: string;
  readonly alias: string;
  readonly day: string;
  readonly requests: bigint;
  readonly charged: bigint;
}

export interface WeekSummary {
  readonly tenantId: string;
  readonly teamId: string;
  readonly week: Week;
  /** Of the week and of the one before. */
  readonly uses: readonly Use[];
  /** At the providers' prices, which budgets count. */
  readonly monthCost: bigint;
  /** Absent: the team is not in the policy any more. */
  readonly team: Pick<Team, 'owner' | 'limits'> | undefined;
}

export interface WeekAnswers {
  readonly week: Week;
  /** Answers to `dailyUse` and `teamsInMonth`. */
  readonly uses: readonly AnswerRow[];
  readonly months: readonly AnswerRow[];
  readonly teamOf: (tenantId: string, teamId: string) => WeekSummary['team'];
}

/** One for each team that spent something in the week. */
export function weekSummaries({ week, uses, months, teamOf }: WeekAnswers): readonly WeekSummary[] {
  const nameOf = ([tenant = '', team = '']: AnswerRow) => JSON.stringify([tenant, team]);
  const monthly = new Map(months.map((row) => [nameOf(row), BigInt(row[2] ?? 0)]));
  return [...Map.groupBy(uses, nameOf)].flatMap(([name, rows]) => {
    const [tenantId = '', teamId = ''] = rows[0] ?? [];
    const summary: WeekSummary = {
      tenantId,
      teamId,
      week,
      uses: rows.map(useOf),
      monthCost: monthly.get(name) ?? 0n,
      team: teamOf(tenantId, teamId),
    };
    return inWeek(summary).length === 0 ? [] : [summary];
  });
}

function useOf([, , feature = '', alias = '', day = '', requests, charged]: AnswerRow): Use {
  return { feature, alias, day, requests: BigInt(requests ?? 0), charged: BigInt(charged ?? 0) };
}

function inWeek({ uses, week }: WeekSummary): readonly Use[] {
  return uses.filter(({ day }) => day >= week.days.from);
}

export function weekPage(summary: WeekSummary, version: number): string {
  const { week, teamId, tenantId } = summary;
  const { now, before, requests } = totalsOf(summary);
  const budget = budgetText(summary);
  return page({
    title: `${teamId}: week ${week.name}`,
    subtitle: `${week.days.from} to ${week.days.to}, UTC. Tenant ${tenantId}. Version ${version}. Amounts in US dollars.`,
    figures: [
      { value: usdForPeople(now), label: `spent, ${changeText(now, before)}` },
      { value: countForPeople(requests), label: 'requests' },
    ],
    sections: [
      section('By day', dayChart(daySums(summary), `Spent a day in week ${week.name}`)),
      section(
        'By feature',
        shares(summary, ({ feature }) => feature || 'no feature'),
      ),
      section(
        'By model',
        shares(summary, ({ alias }) => alias || 'no model'),
      ),
      budget === undefined ? '' : section('Budget', `<p style="font-size:13px">${budget}</p>`),
    ],
    footer:
      'Figures come from the ledger. Calls whose usage arrives later are in the next version of this page.',
  });
}

export function weekCsv(summary: WeekSummary): string {
  return toCsv(
    ['day', 'feature', 'model_alias', 'requests', 'charged_nano_usd', 'charged_usd'],
    inWeek(summary).map(({ day, feature, alias, requests, charged }) => [
      day,
      feature,
      alias,
      requests,
      charged,
      usdText(charged),
    ]),
  );
}

export function weekMessage(summary: WeekSummary, version: number): string {
  const { week, teamId, tenantId, team } = summary;
  const { now, before, requests } = totalsOf(summary);
  const features = groupUses(summary, ({ feature }) => feature || 'no feature').slice(0, 5);
  return [
    `Team ${teamId} of ${tenantId}, week ${week.name} (${week.days.from} to ${week.days.to}), version ${version}: ${usdForPeople(now)} spent, ${changeText(now, before)}; requests: ${countForPeople(requests)}.`,
    budgetText(summary) ?? 'The team has no monthly budget.',
    team === undefined ? 'Nobody owns the team.' : `Owner: ${team.owner}.`,
    '',
    ...features.map(({ name, charged }) => `${name}: ${usdForPeople(charged)}`),
  ].join('\n');
}

function totalsOf(summary: WeekSummary): { now: bigint; before: bigint; requests: bigint } {
  const week = inWeek(summary);
  const all = sumCharged(summary.uses);
  const now = sumCharged(week);
  return {
    now,
    before: all - now,
    requests: week.reduce((sum, { requests }) => sum + requests, 0n),
  };
}

function sumCharged(uses: readonly Use[]): bigint {
  return uses.reduce((sum, { charged }) => sum + charged, 0n);
}

function changeText(now: bigint, before: bigint): string {
  if (before <= 0n) return 'nothing in the week before';
  const percent = ((now - before) * 100n) / before;
  const change = percent < 0n ? `${-percent} % less` : `${percent} % more`;
  return `${change} than ${usdForPeople(before)} in the week before`;
}

function budgetText({ team, monthCost }: WeekSummary): string | undefined {
  const budget = team?.limits.nanoUsdPerMonth;
  if (budget === undefined || budget === 0) return undefined;
  const percent = (monthCost * 100n) / BigInt(budget);
  return `${usdForPeople(monthCost)} of this month's ${usdForPeople(BigInt(budget))} are spent (${percent} %), at the providers' prices.`;
}

/** Every day of the week, also those without a call. */
function daySums(summary: WeekSummary): readonly DaySum[] {
  const monday = Date.parse(`${summary.week.days.from}T00:00:00Z`) / DAY_MS;
  return Array.from({ length: 7 }, (_, index) => {
    const day = dayText(monday + index);
    return { day, charged: sumCharged(summary.uses.filter((use) => use.day === day)) };
  });
}

function groupUses(summary: WeekSummary, nameOf: (use: Use) => string) {
  return [...Map.groupBy(inWeek(summary), nameOf)]
    .map(([name, uses]) => ({ name, charged: sumCharged(uses) }))
    .toSorted((a, b) => (a.charged === b.charged ? 0 : a.charged < b.charged ? 1 : -1));
}

function shares(summary: WeekSummary, nameOf: (use: Use) => string): string {
  const { now } = totalsOf(summary);
  return table(
    [{ name: 'Name' }, { name: 'Spent', isNumber: true }],
    groupUses(summary, nameOf)
      .slice(0, 20)
      .map(({ name, charged }) => [
        escapeHtml(name) + shareBar(charged, now),
        usdForPeople(charged),
      ]),
  );
}
