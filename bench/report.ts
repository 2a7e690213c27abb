/** The tables: what was measured, as ratios to the bare pipe, and beside the goals. */
import { cpus } from 'node:os';
import type { ColdStart } from './cold-start.ts';
import { type Figure, type Plan, RATES, type Round } from './measure.ts';
import { type Summary, summarize } from './statistics.ts';
import { TARGET_NAMES, type TargetName } from './targets.ts';

export interface Results {
  readonly rounds: readonly Round[];
  readonly coldStart: ColdStart;
  readonly plan: Plan & { readonly coldStarts: number };
  readonly takenAt: Date;
}

/** Markdown, and whether any goal was missed. */
export function report(results: Results): { readonly text: string; readonly missed: boolean } {
  const { rounds, coldStart } = results;
  const verdicts = GOALS.map((goal) => ({ goal, value: goal.measured(results) }));
  const tables = [
    heading(results),
    addedTable(rounds),
    ratioTable(rounds),
    coldStartTable(coldStart),
    goalTable(verdicts),
  ];
  return { text: tables.join('\n\n'), missed: !verdicts.every(isMet) };
}

const LABELS: Readonly<Record<TargetName, string>> = {
  direct: 'direct',
  directAgain: 'direct, again (the noise)',
  barePipe: 'bare pipe',
  inProcess: 'gateway, accounts in memory',
  inProcessDynamo: 'gateway, local DynamoDB',
  runtimeApi: 'gateway, `npm start`',
};

interface Column {
  readonly title: string;
  readonly figure: Figure;
  /** The direct call's figure is taken off, round by round. */
  readonly isAdded?: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: 'added TTFT p50, ms', figure: 'ttftMsP50', isAdded: true },
  { title: 'added TTFT p99, ms', figure: 'ttftMsP99', isAdded: true },
  { title: 'added total p50, ms', figure: 'totalMsP50', isAdded: true },
  { title: 'CPU 50 paced, ms', figure: 'cpuMsPaced50' },
  { title: 'CPU 300 paced, ms', figure: 'cpuMsPaced300' },
  { title: 'CPU 50 burst, ms', figure: 'cpuMsBurst50' },
  { title: 'calls/s', figure: 'callsPerSecond' },
  { title: 'peak RSS, MB', figure: 'rssMbPeak' },
];

function heading({ plan, takenAt, rounds }: Results): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} x ${cpu?.model.trim() ?? 'unknown CPU'}, ${process.platform} ${process.arch}`;
  const own = (figure: Figure) => show(figureOf(rounds, 'direct', { figure })?.median);
  return `Taken ${takenAt.toISOString().slice(0, 10)} on ${machine}, Node ${process.versions.node}: ${plan.rounds} rounds of ${plan.pacedCalls} paced
streams of 50 events (${RATES.pacedPerSecond} a second), ${plan.longCalls} of 300 events (${RATES.longPerSecond} a second) and ${plan.burstMs} ms of ${RATES.burstConcurrency} callers at once.
The direct call itself: TTFT ${own('ttftMsP50')} ms p50 and ${own('ttftMsP99')} ms p99, total ${own('totalMsP50')} ms.`;
}

/** Median over the rounds, and the lowest and the highest round. */
function addedTable(rounds: readonly Round[]): string {
  return table(
    ['', ...COLUMNS.map(({ title }) => title)],
    TARGET_NAMES.map((name) => [
      LABELS[name],
      ...COLUMNS.map((column) => {
        if (name === 'direct' && column.isAdded === true) return '0';
        return withSpread(figureOf(rounds, name, column));
      }),
    ]),
  );
}

const RATIO_TARGETS = ['barePipe', 'inProcess', 'inProcessDynamo', 'runtimeApi'] as const;

function ratioTable(rounds: readonly Round[]): string {
  return table(
    ['as ratio to the bare pipe', ...COLUMNS.map(({ title }) => title.replace(/, m?[sB]+$/i, ''))],
    RATIO_TARGETS.map((name) => [
      LABELS[name],
      ...COLUMNS.map((column) => {
        const own = figureOf(rounds, name, column)?.median;
        const floor = figureOf(rounds, 'barePipe', column)?.median;
        // A floor within the noise around zero gives no ratio.
        if (own === undefined || floor === undefined || floor <= 0) return '-';
        return `${show(own / floor)}x`;
      }),
    ]),
  );
}

function coldStartTable({ bytes, gzipBytes, loadMs, emptyLoadMs }: ColdStart): string {
  return table(
    ['cold start', 'size, kB', 'gzip, kB', 'module load, ms'],
    [
      ['proxy bundle', show(bytes / 1e3), show(gzipBytes / 1e3), withSpread(loadMs)],
      ['empty module', '0', '0', withSpread(emptyLoadMs)],
    ],
  );
}

interface Goal {
  readonly title: string;
  readonly unit: string;
  /** The value must be below. */
  readonly bar: number;
  readonly measured: (results: Results) => number | undefined;
}

const GOALS: readonly Goal[] = [
  {
    title: 'in-process, DynamoDB aside: added TTFT p50',
    unit: 'ms',
    bar: 2,
    measured: ({ rounds }) =>
      figureOf(rounds, 'inProcess', { figure: 'ttftMsP50', isAdded: true })?.median,
  },
  {
    title: 'proxy bundle',
    unit: 'kB',
    bar: 300,
    measured: ({ coldStart }) => coldStart.bytes / 1e3,
  },
  {
    title: 'proxy module load',
    unit: 'ms',
    bar: 50,
    measured: ({ coldStart }) => coldStart.loadMs.median,
  },
];

interface Verdict {
  readonly goal: Goal;
  readonly value: number | undefined;
}

function isMet({ goal, value }: Verdict): boolean {
  return value !== undefined && value < goal.bar;
}

function goalTable(verdicts: readonly Verdict[]): string {
  return table(
    ['goal', 'bar', 'measured', 'of the bar', ''],
    verdicts.map((verdict) => {
      const { goal, value } = verdict;
      const { title, unit, bar } = goal;
      const share = value === undefined ? '-' : `${show(value / bar)}x`;
      return [
        title,
        `< ${bar} ${unit}`,
        value === undefined ? '-' : `${show(value)} ${unit}`,
        share,
        isMet(verdict) ? 'pass' : 'FAIL',
      ];
    }),
  );
}

function figureOf(
  rounds: readonly Round[],
  name: TargetName,
  { figure, isAdded }: Pick<Column, 'figure' | 'isAdded'>,
): Summary | undefined {
  return summarize(
    rounds.map((round) => {
      const value = round.get(name)?.[figure];
      const base = isAdded === true ? round.get('direct')?.[figure] : 0;
      return value === undefined || base === undefined ? undefined : value - base;
    }),
  );
}

function withSpread(summary: Summary | undefined): string {
  if (summary === undefined) return '-';
  const { median, min, max } = summary;
  return min === max ? show(median) : `${show(median)} (${show(min)} to ${show(max)})`;
}

/** Two significant places below ten, none above a hundred. */
function show(value: number | undefined): string {
  if (value === undefined) return '-';
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
