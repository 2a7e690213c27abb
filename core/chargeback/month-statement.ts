/**
 * The statement of one month: what each cost center is charged and why, in exact nano-dollars. Made of the ledger's
 * answers and nothing else, so the same ledger gives the same statement to the byte.
 */
import type { Period } from '../ledger/closed-months.ts';
import { usdText } from './usd-text.ts';

/** A row of an answer; undefined is null. */
export type AnswerRow = readonly (string | undefined)[];

export interface StatementLine {
  readonly bookedPeriod: string;
  /** The month of the calls: earlier than the booked one where they came when that was closed. */
  readonly usagePeriod: string;
  readonly tenantId: string;
  readonly costCenter: string;
  readonly teamId: string;
  readonly projectId: string;
  readonly provider: string;
  readonly model: string;
  readonly requests: bigint;
  readonly inputTokens: bigint;
  readonly outputTokens: bigint;
  readonly cost: bigint;
  readonly discount: bigint;
  readonly margin: bigint;
  readonly charged: bigint;
}

export interface DaySum {
  readonly day: string;
  readonly charged: bigint;
}

export interface MonthStatement {
  readonly period: Period;
  /** `final`: the month is closed, and nothing can be booked in it any more. */
  readonly status: 'final' | 'provisional';
  readonly lines: readonly StatementLine[];
  /** Every day of the month, and those that are of it in another time zone; none without a call. */
  readonly days: readonly DaySum[];
}

export function monthStatement({
  lines,
  days,
  ...month
}: Pick<MonthStatement, 'period' | 'status'> & {
  /** Answers to `monthLines` and `monthDays`. */
  readonly lines: readonly AnswerRow[];
  readonly days: readonly AnswerRow[];
}): MonthStatement {
  return {
    ...month,
    lines: lines.map(lineOf),
    days: days.length === 0 ? [] : everyDay(month.period, days),
  };
}

function everyDay(period: Period, answers: readonly AnswerRow[]): readonly DaySum[] {
  const sums = new Map(answers.map(([day = '', charged]) => [day, BigInt(charged ?? 0)]));
  const [year, month] = period.split('-').map(Number);
  const length = new Date(Date.UTC(year ?? 0, month ?? 0, 0)).getUTCDate();
  const ofMonth = Array.from(
    { length },
    (_, index) => `${period}-${String(index + 1).padStart(2, '0')}`,
  );
  return [...new Set([...ofMonth, ...sums.keys()])]
    .toSorted()
    .map((day) => ({ day, charged: sums.get(day) ?? 0n }));
}

const TEXTS = 8;

function lineOf(row: AnswerRow): StatementLine {
  const [booked, usage, tenant, costCenter, team, project, provider, model] = row;
  const [requests = 0n, input = 0n, output = 0n, cost = 0n, discount = 0n, margin = 0n, due = 0n] =
    row.slice(TEXTS).map((value) => BigInt(value?.split('.')[0] ?? 0));
  return {
    bookedPeriod: booked ?? '',
    usagePeriod: usage ?? '',
    tenantId: tenant ?? '',
    costCenter: costCenter ?? '',
    teamId: team ?? '',
    projectId: project ?? '',
    provider: provider ?? '',
    model: model ?? '',
    requests,
    inputTokens: input,
    outputTokens: output,
    cost,
    discount,
    margin,
    charged: due,
  };
}

export type Amounts = Pick<
  StatementLine,
  'requests' | 'inputTokens' | 'outputTokens' | 'cost' | 'discount' | 'margin' | 'charged'
>;

export function sumOf(lines: readonly StatementLine[]): Amounts {
  const sum = (amount: keyof Amounts) => lines.reduce((total, line) => total + line[amount], 0n);
  return {
    requests: sum('requests'),
    inputTokens: sum('inputTokens'),
    outputTokens: sum('outputTokens'),
    cost: sum('cost'),
    discount: sum('discount'),
    margin: sum('margin'),
    charged: sum('charged'),
  };
}

/** Lines by a name, the dearest first. */
export function groupLines(
  lines: readonly StatementLine[],
  nameOf: (line: StatementLine) => string,
): readonly {
  readonly name: string;
  readonly lines: readonly StatementLine[];
  readonly sum: Amounts;
}[] {
  const groups = Map.groupBy(lines, nameOf);
  return [...groups]
    .map(([name, members]) => ({ name, lines: members, sum: sumOf(members) }))
    .toSorted((a, b) =>
      a.sum.charged === b.sum.charged ? 0 : a.sum.charged < b.sum.charged ? 1 : -1,
    );
}

/** Columns of the files, in order: amounts as whole nano-dollars, and what is charged as dollars too. */
export const STATEMENT_COLUMNS = [
  { name: 'booked_period', type: 'string', of: (line: StatementLine) => line.bookedPeriod },
  { name: 'usage_period', type: 'string', of: (line: StatementLine) => line.usagePeriod },
  { name: 'tenant_id', type: 'string', of: (line: StatementLine) => line.tenantId },
  { name: 'cost_center', type: 'string', of: (line: StatementLine) => line.costCenter },
  { name: 'team_id', type: 'string', of: (line: StatementLine) => line.teamId },
  { name: 'project_id', type: 'string', of: (line: StatementLine) => line.projectId },
  { name: 'provider', type: 'string', of: (line: StatementLine) => line.provider },
  { name: 'model', type: 'string', of: (line: StatementLine) => line.model },
  { name: 'requests', type: 'bigint', of: (line: StatementLine) => line.requests },
  { name: 'input_tokens', type: 'bigint', of: (line: StatementLine) => line.inputTokens },
  { name: 'output_tokens', type: 'bigint', of: (line: StatementLine) => line.outputTokens },
  { name: 'cost_nano_usd', type: 'bigint', of: (line: StatementLine) => line.cost },
  { name: 'discount_nano_usd', type: 'bigint', of: (line: StatementLine) => line.discount },
  { name: 'margin_nano_usd', type: 'bigint', of: (line: StatementLine) => line.margin },
  { name: 'charged_nano_usd', type: 'bigint', of: (line: StatementLine) => line.charged },
  { name: 'charged_usd', type: 'string', of: (line: StatementLine) => usdText(line.charged) },
] as const;
