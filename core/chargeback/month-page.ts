/** A month's statement as a page, a file and a message. */
import { dayChart, shareBar } from './charts.ts';
import { toCsv } from './csv.ts';
import {
  type Amounts,
  groupLines,
  type MonthStatement,
  STATEMENT_COLUMNS,
  type StatementLine,
  sumOf,
} from './month-statement.ts';
import { escapeHtml, page, section, table } from './page.ts';
import { countForPeople, usdForPeople } from './usd-text.ts';

/** A page of a thousand cost centers is no page; the files have every line. */
const SHOWN = 30;

export function monthPage(statement: MonthStatement, version: number): string {
  const { period, lines, days } = statement;
  const total = sumOf(lines);
  const late = lines.filter(({ usagePeriod }) => usagePeriod !== period);
  return page({
    title: `Chargeback for ${period}`,
    subtitle: `${STATUS[statement.status]} Version ${version}. All amounts in US dollars.`,
    figures: [
      { value: usdForPeople(total.charged), label: 'charged' },
      { value: usdForPeople(total.cost), label: 'paid to providers' },
      { value: countForPeople(total.requests), label: 'requests' },
    ],
    sections: [
      section('By day', dayChart(days, `Charged a day in ${period}`)),
      section('By cost center', byCostCenter(lines, total)),
      section('By team and project', byProject(lines)),
      section('By model', byModel(lines)),
      late.length === 0 ? '' : section('Booked late, for months that were closed', lateLines(late)),
    ],
    footer:
      'Charged = provider cost - discount + margin. The files beside this page hold every line to the nano-dollar. Figures come from the ledger, which is never changed: corrections are bookings of their own.',
  });
}

export function monthCsv({ lines }: MonthStatement): string {
  return toCsv(
    STATEMENT_COLUMNS.map(({ name }) => name),
    lines.map((line) => STATEMENT_COLUMNS.map(({ of }) => of(line))),
  );
}

export function monthMessage(statement: MonthStatement, version: number): string {
  const total = sumOf(statement.lines);
  const centers = groupLines(statement.lines, costCenterOf).slice(0, 10);
  return [
    `Chargeback for ${statement.period}, version ${version}: ${usdForPeople(total.charged)} charged, ${usdForPeople(total.cost)} paid to providers, ${countForPeople(total.requests)} requests.`,
    STATUS[statement.status],
    '',
    ...centers.map(({ name, sum }) => `${name}: ${usdForPeople(sum.charged)}`),
  ].join('\n');
}

const STATUS = {
  final: 'The month is closed: these figures are final.',
  provisional: 'The month is not closed yet: these figures may change.',
} as const satisfies Record<MonthStatement['status'], string>;

function costCenterOf({ tenantId, costCenter }: StatementLine): string {
  return `${tenantId} / ${costCenter === '' ? 'no cost center' : costCenter}`;
}

const NUMBER = { isNumber: true } as const;

function byCostCenter(lines: readonly StatementLine[], total: Amounts): string {
  const groups = groupLines(lines, costCenterOf);
  const rows = groups
    .slice(0, SHOWN)
    .map(({ name, sum }) => [
      escapeHtml(name) + shareBar(sum.charged, total.charged),
      ...amountCells(sum),
    ]);
  const rest = sumOf(groups.slice(SHOWN).flatMap((group) => group.lines));
  const others = [`${groups.length - SHOWN} others`, ...amountCells(rest)];
  return table(
    [
      { name: 'Cost center' },
      { name: 'Cost', ...NUMBER },
      { name: 'Discount', ...NUMBER },
      { name: 'Margin', ...NUMBER },
      { name: 'Charged', ...NUMBER },
    ],
    [...rows, ...(groups.length > SHOWN ? [others] : []), ['Total', ...amountCells(total)]],
    { hasTotal: true },
  );
}

function amountCells({ cost, discount, margin, charged }: Amounts): string[] {
  return [cost, discount, margin, charged].map(usdForPeople);
}

function byProject(lines: readonly StatementLine[]): string {
  const groups = groupLines(lines, ({ tenantId, teamId, projectId }) =>
    teamId === '' ? `${tenantId} / no team` : `${tenantId} / ${teamId} / ${projectId}`,
  );
  return usageTable('Project', groups.slice(0, SHOWN));
}

function byModel(lines: readonly StatementLine[]): string {
  const groups = groupLines(lines, ({ provider, model }) =>
    model === '' ? provider : `${provider} / ${model}`,
  );
  return usageTable('Model', groups.slice(0, SHOWN));
}

function usageTable(name: string, groups: ReturnType<typeof groupLines>): string {
  return table(
    [
      { name },
      { name: 'Requests', ...NUMBER },
      { name: 'Tokens in', ...NUMBER },
      { name: 'Tokens out', ...NUMBER },
      { name: 'Charged', ...NUMBER },
    ],
    groups.map((group) => [
      escapeHtml(group.name),
      ...[group.sum.requests, group.sum.inputTokens, group.sum.outputTokens].map(countForPeople),
      usdForPeople(group.sum.charged),
    ]),
  );
}

function lateLines(lines: readonly StatementLine[]): string {
  return usageTable(
    'Month of the calls, cost center',
    groupLines(lines, (line) => `${line.usagePeriod}: ${costCenterOf(line)}`).slice(0, SHOWN),
  );
}
