/** The tables: what was measured, and beside the goals. */
import { cpus } from 'node:os';
import { GOALS, type Goal, judge, type Verdict } from './goals.ts';
import { type Figure, RATES } from './loads/load.ts';
import type { Round } from './measure.ts';
import { figureOf, medianOf, type Results, ratio } from './results.ts';
import type { Summary } from './statistics.ts';
import { TARGET_NAMES, type TargetName } from './targets/targets.ts';

/** Markdown, and whether any goal was missed. What could not be measured here is not missed. */
export function report(results: Results): { readonly text: string; readonly missed: boolean } {
  const { rounds } = results;
  const verdicts = GOALS.map((goal) => {
    const value = goal.measured(results);
    const floor = typeof goal.floor === 'function' ? goal.floor(results) : goal.floor;
    return { goal, floor, value, verdict: judge(goal, value) };
  });
  const tables = [
    heading(results),
    goalTable(verdicts),
    figuresTable(rounds, PACED),
    figuresTable(rounds, SATURATED),
    figuresTable(rounds, TABLES),
    figuresTable(rounds, SHARES),
    ratioTable(results),
    coldStartTable(results),
    estimateTable(results),
  ];
  return {
    text: tables.filter((text) => text !== '').join('\n\n'),
    missed: verdicts.some(({ verdict }) => verdict === 'missed'),
  };
}

const LABELS: Readonly<Record<TargetName, string>> = {
  direct: 'direct',
  directAgain: 'direct, again (the noise)',
  barePipe: 'bare pipe',
  nginx: 'nginx',
  portkeyImage: "Portkey 1.15.2, its image's Node 20",
  portkey: 'Portkey 1.15.2, our Node',
  memory: 'ours, accounts in memory',
  stub0: 'ours, table at 0 ms',
  stub4: 'ours, table at 4 ms',
  stub4Sdk: 'ours with the AWS SDK, 4 ms',
  dynoxide: 'ours, local DynamoDB',
  managed: 'ours, managed instance, 4 ms',
  runtimeApi: 'ours, `npm start`',
};

interface Columns {
  readonly title: string;
  readonly columns: readonly (readonly [title: string, figure: Figure])[];
}

const PACED: Columns = {
  title: 'on time',
  columns: [
    ['stream: over p50, ms', 'pacedOverP50'],
    ['over p99, ms', 'pacedOverP99'],
    ['first call after silence: over, ms', 'pacedFirstOver'],
    ['token transit p50, ms', 'pacedTransitP50'],
    ['tokens that came together, %', 'pacedMergedPercent'],
    ['streams/s with over p99 <= 50 ms', 'mostStreams'],
    ['CPU, ms', 'pacedCpu'],
    ['whole answer: over p50, ms', 'jsonOverP50'],
    ['over p99, ms', 'jsonOverP99'],
    ['CPU, ms', 'jsonPacedCpu'],
    ['400 kB prompt: over p50, ms', 'largeOverP50'],
    ['CPU, ms', 'largeCpu'],
  ],
};

const SATURATED: Columns = {
  title: 'without a pause',
  columns: [
    ['streams/s', 'streamsPerSecond'],
    ['CPU a stream, ms', 'streamCpu'],
    ['peak RSS, MB', 'streamRssMb'],
    ['whole answers/s', 'jsonPerSecond'],
    ['CPU a whole answer, ms', 'jsonCpu'],
  ],
};

const TABLES: Columns = {
  title: 'table',
  columns: [
    ['a round trip, ms', 'roundTrip'],
    ['tenant not seen for 30 s: over p50, ms', 'strangerOverP50'],
    ['round trips before dispatch', 'strangerTrips'],
    ['known tenant: over p50, ms', 'knownOverP50'],
    ['round trips before dispatch', 'knownTrips'],
    ['writes a call', 'writesPerCall'],
    ['write units a call', 'unitsPerCall'],
    ['reads a call', 'readsPerCall'],
    ['writes a call, saturated', 'saturatedWrites'],
    ['write units', 'saturatedUnits'],
    ['caller leaves: upstream ends after, ms', 'leftMax'],
    ['usage events a call', 'leftSettled'],
    ['holds left', 'leftHolds'],
  ],
};

const SHARES: Columns = {
  title: 'CPU share of a memory size',
  columns: [
    ['256 MB: over p50, ms', 'share256P50'],
    ['p99', 'share256P99'],
    ['first call after silence', 'share256First'],
    ['512 MB: p50', 'share512P50'],
    ['p99', 'share512P99'],
    ['1,769 MB: p50', 'share1769P50'],
    ['p99', 'share1769P99'],
  ],
};

function heading({ plan, takenAt, loadAverage }: Results): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} x ${cpu?.model.trim() ?? 'unknown CPU'}, ${process.platform} ${process.arch}`;
  const [before, after] = loadAverage.map((load) => load.toFixed(1));
  return `Taken ${takenAt.toISOString().slice(0, 10)} on ${machine}, Node ${process.versions.node}, load average ${before} before and ${after} after:
${plan.rounds} rounds of ${plan.pacedCalls} streams on time (${RATES.streamsPerSecond} a second), ${plan.jsonCalls} whole answers on time (${RATES.jsonPerSecond} a second), ${plan.streamMs} ms of streams
and ${plan.jsonMs} ms of whole answers without a pause (${RATES.callers} callers), ${plan.largeCalls} prompts of 400 kB, ${plan.shareCalls} calls at each CPU share;
all but those without a pause after ${plan.leadInMs} ms of the same that do not count.`;
}

/** Rows and columns in which something was measured. */
function figuresTable(rounds: readonly Round[], { title, columns }: Columns): string {
  const names = TARGET_NAMES.filter((name) =>
    columns.some(([, figure]) => figureOf(rounds, name, figure) !== undefined),
  );
  if (names.length === 0) return '';
  return table(
    [title, ...columns.map(([head]) => head)],
    names.map((name) => [
      LABELS[name],
      ...columns.map(([, figure]) => withSpread(figureOf(rounds, name, figure))),
    ]),
  );
}

const RATIO_TARGETS = [
  ...([
    'nginx',
    'portkeyImage',
    'portkey',
    'memory',
    'stub0',
    'stub4',
    'managed',
    'runtimeApi',
  ] as const),
] as const;
const RATIO_COLUMNS: Columns['columns'] = [
  ['over p50', 'pacedOverP50'],
  ['over p99', 'pacedOverP99'],
  ['token transit', 'pacedTransitP50'],
  ['CPU, on time', 'pacedCpu'],
  ['CPU, saturated', 'streamCpu'],
  ['CPU, whole answer', 'jsonCpu'],
  ['CPU, 400 kB', 'largeCpu'],
  ['peak RSS', 'streamRssMb'],
];

function ratioTable(results: Results): string {
  return table(
    ['bare pipe = 1', ...RATIO_COLUMNS.map(([head]) => head)],
    RATIO_TARGETS.filter((name) => results.rounds.some((round) => round.has(name))).map((name) => [
      LABELS[name],
      ...RATIO_COLUMNS.map(([, figure]) => {
        const own = ratio(medianOf(results, name, figure), medianOf(results, 'barePipe', figure));
        return own === undefined ? '-' : `${show(own)}x`;
      }),
    ]),
  );
}

function coldStartTable({ coldStart }: Results): string {
  const { bytes, eagerBytes, eagerGzipBytes, loadMs, askedMs, emptyLoadMs } = coldStart;
  const { fullStackBytes, fullStackLoadMs } = coldStart;
  const sizes = [bytes, eagerBytes, eagerGzipBytes].map((size) => show(size / 1e3));
  const reference = show(fullStackBytes / 1e3);
  return table(
    [
      ...['cold start', 'size, kB', 'before the policy is read, kB', 'gzip, kB'],
      ...['until the policy is read, ms', 'module load, ms'],
    ],
    [
      ['proxy bundle', ...sizes, withSpread(askedMs), withSpread(loadMs)],
      ['the SDK, undici and zod', reference, reference, '-', '-', withSpread(fullStackLoadMs)],
      ['empty module', '0', '0', '0', '-', withSpread(emptyLoadMs)],
    ],
  );
}

function estimateTable({ estimate }: Results): string {
  return table(
    ['bound of a prompt / its tokens', 'prompts', 'ratio'],
    estimate.texts.map(({ kind, calls, ratio: each }) => [kind, String(calls), withSpread(each)]),
  );
}

const SAID: Readonly<Record<Verdict, string>> = {
  met: 'met',
  noise: 'within the noise',
  missed: '**MISSED**',
  unknown: 'not measured',
  told: '',
};

function goalTable(
  verdicts: readonly {
    readonly goal: Goal;
    readonly floor: number | undefined;
    readonly value: number | undefined;
    readonly verdict: Verdict;
  }[],
): string {
  return table(
    ['goal', 'bar', 'stretch', 'floor', 'ours', ''],
    verdicts.map(({ goal, floor, value, verdict }) => {
      const shown = (number: number | undefined) =>
        number === undefined ? '-' : `${show(number)}${goal.unit === 'x' ? 'x' : ` ${goal.unit}`}`;
      const { title, bar, atLeast, stretch } = goal;
      const asked = `${atLeast ? '>= ' : ''}${shown(bar)}`;
      const cells = [title, asked, shown(stretch), shown(floor), shown(value), SAID[verdict]];
      return cells.map((cell) => cell.trim());
    }),
  );
}

function withSpread(summary: Summary | undefined): string {
  if (summary === undefined) return '-';
  const { median, min, max } = summary;
  return min === max ? show(median) : `${show(median)} (${show(min)} to ${show(max)})`;
}

/** Two places below ten, none above a hundred. */
export function show(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
