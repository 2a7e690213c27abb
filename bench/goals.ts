/**
 * What is asked of the gateway. A `floor` that is a number is what a throw-away gateway of 160 lines reached that makes the same calls to
 * AWS and nothing else; one that is a function comes from the same run, and its row says what it is. "Ours" is the gateway from its
 * sources before the table stub, unless the title says otherwise.
 */
import type { Compute } from '../scripts/cost/bill.ts';
import { type Usd, usdAMillion } from './bill.ts';
import type { Figure } from './loads/load.ts';
import { medianOf, type Results, ratio } from './results.ts';
import type { TargetName } from './targets/targets.ts';

export interface Goal {
  readonly title: string;
  /** `x`: a ratio of two figures of this run. */
  readonly unit: 'x' | 'ms' | 'µs' | 'MB' | 'kB' | '' | '%' | '$';
  /** The value may be this, or less; with `atLeast`, this or more. Absent: the row tells what stands beside a goal, and nothing is asked of it. */
  readonly bar?: number;
  readonly atLeast?: boolean;
  readonly stretch?: number;
  readonly floor: number | Measured;
  /** What two runs of the same code differ by: above the bar by less is not a miss. */
  readonly noise?: number;
  readonly measured: Measured;
}

type Measured = (results: Results) => number | undefined;

/** Medians and CPU agree within this between runs of the same code; nearly slowest calls do not. */
const STEADY = 1.1;
const NEARLY_SLOWEST = 1.5;
/** A client that is busy for ten milliseconds reads two tokens at once, whoever sent them. */
const MERGED_BY_CHANCE_PERCENT = 1;

/** The other gateway as it is shipped, which is what the goals were set by; and on the Node that we run on, so that ours is not in the ratio. */
const PEERS = [
  ['portkeyImage', "Portkey on its image's Node"],
  ['portkey', 'Portkey on our Node'],
] as const;

export const GOALS: readonly Goal[] = [
  ...peerGoals('1. CPU of a saturated stream', [0.4, 0.28, 0.25], 'streamCpu'),
  ...peerGoals('2. CPU of a saturated whole answer', [0.35, 0.22, 0.18], 'jsonCpu'),
  ratioGoal('3. `over` p50 of streams, bare pipe', [2, 1.5, 1.45], ['barePipe', 'pacedOverP50']),
  ...peerGoals('3. `over` p50 of streams', [0.06, 0.04, 0.035], 'pacedOverP50'),
  ratioGoal('4. `over` p99 of streams, bare pipe', [2.5, 1.8, 1.7], ['barePipe', 'pacedOverP99']),
  ...peerGoals('4. `over` p99 of streams', [0.2, 0.12, 0.09], 'pacedOverP99'),
  {
    ...{ title: '5. `over` p50 above a round trip of 4 ms, tenant not seen for 30 s', unit: 'ms' },
    ...{ bar: 2, stretch: 1, floor: 1, noise: STEADY },
    measured: (results) =>
      less(medianOf(results, 'stub4', 'strangerOverP50'), medianOf(results, 'stub4', 'roundTrip')),
  },
  {
    ...{
      title: '5. `over` p50 at 4 ms, tenant with known headroom; floor: the bare pipe',
      unit: 'ms',
    },
    ...{ bar: 2, stretch: 1, floor: pipe('pacedOverP50'), noise: STEADY },
    measured: (results) => medianOf(results, 'stub4', 'knownOverP50'),
  },
  {
    ...{ title: '5. the same on managed instances', unit: 'ms' },
    ...{ bar: 2, stretch: 1, floor: pipe('pacedOverP50'), noise: STEADY },
    measured: (results) => medianOf(results, 'managed', 'knownOverP50'),
  },
  ratioGoal('6. token transit p50, bare pipe', [1.3, 1.15, 1.15], ['barePipe', 'pacedTransitP50']),
  {
    ...{ title: '6. events lost or made up, in every stream of the run', unit: '' },
    ...{ bar: 0, floor: 0 },
    measured: noneOrNoReport,
  },
  {
    ...{
      title: '6. tokens that came together with the one before; floor: the bare pipe',
      unit: '%',
    },
    ...{ bar: MERGED_BY_CHANCE_PERCENT, floor: pipe('pacedMergedPercent') },
    measured: (results) => medianOf(results, 'stub0', 'pacedMergedPercent'),
  },
  atLeastGoal(
    '7. streams a second with `over` p99 <= 50 ms, bare pipe',
    [0.6, 0.75, 0.75],
    'barePipe',
  ),
  ...PEERS.map(([name, label]) =>
    atLeastGoal(`7. streams a second with \`over\` p99 <= 50 ms, ${label}`, [5, 8, 6], name),
  ),
  {
    ...{ title: '8. CPU of a write, one at a time, AWS SDK = 1', unit: 'x' },
    ...{ bar: 0.25, stretch: 0.18, floor: 0.14, noise: STEADY },
    measured: ({ awsClient }) => awsClient.one,
  },
  {
    ...{ title: '8. CPU of a write, sixteen at a time, AWS SDK = 1', unit: 'x' },
    ...{ bar: 0.15, stretch: 0.1, floor: 0.08, noise: STEADY },
    measured: ({ awsClient }) => awsClient.sixteen,
  },
  {
    ...{ title: '9. proxy bundle, loaded before the policy is read', unit: 'kB' },
    ...{ bar: 150, stretch: 80, floor: 20 },
    measured: ({ coldStart }) => coldStart.eagerBytes / 1e3,
  },
  {
    ...{ title: '9. proxy module load, until it reads the policy', unit: 'ms' },
    ...{ bar: 30, stretch: 22, floor: 18, noise: STEADY },
    measured: ({ coldStart }) => coldStart.askedMs.median,
  },
  {
    ...{ title: '9. the same / with the SDK, undici and zod', unit: 'x' },
    ...{ bar: 0.25, floor: 0.15, noise: STEADY },
    measured: ({ coldStart }) => ratio(coldStart.askedMs.median, coldStart.fullStackLoadMs.median),
  },
  {
    ...{ title: '10. `over` p50 at the CPU of 256 MB, 4 ms', unit: 'ms' },
    ...{ bar: 8, stretch: 6, floor: 5.3, noise: STEADY },
    measured: (results) => medianOf(results, 'stub4', 'share256P50'),
  },
  {
    ...{ title: '10. `over` p99 at the CPU of 256 MB, 4 ms', unit: 'ms' },
    ...{ bar: 25, stretch: 12, floor: 7, noise: NEARLY_SLOWEST },
    measured: (results) => medianOf(results, 'stub4', 'share256P99'),
  },
  {
    ...{ title: '10. the same / with the AWS SDK', unit: 'x' },
    ...{ bar: 0.4, floor: 0.1, noise: NEARLY_SLOWEST },
    measured: (results) =>
      ratio(
        medianOf(results, 'stub4', 'share256P99'),
        medianOf(results, 'stub4Sdk', 'share256P99'),
      ),
  },
  tripsGoal('11. round trips before dispatch, tenant not seen for 30 s', 1, [
    'stub4',
    'strangerTrips',
  ]),
  tripsGoal('11. round trips before dispatch, known tenant', 0, ['stub4', 'knownTrips']),
  tripsGoal('11. the same on managed instances', 0, ['managed', 'knownTrips']),
  {
    ...{ title: '12. writes of a call to the limited account and the key', unit: '' },
    ...{ bar: 2, stretch: 1.1, floor: 2 },
    measured: (results) => ratio(medianOf(results, 'stub0', 'writesPerCall'), ACCOUNTS),
  },
  {
    ...{ title: '12. the same with leases, above 50 calls a second', unit: '' },
    ...{ bar: 1.2, stretch: 1.1, floor: 2 },
    measured: (results) => ratio(medianOf(results, 'managed', 'saturatedWrites'), ACCOUNTS),
  },
  ...PEERS.map(
    ([name, label]): Goal => ({
      ...{ title: `14. peak RSS of the bundle, saturated, ${label} = 1`, unit: 'x' },
      ...{ bar: 0.7, stretch: 0.55, floor: 0.53, noise: STEADY },
      measured: (results) =>
        ratio(medianOf(results, 'managed', 'streamRssMb'), medianOf(results, name, 'streamRssMb')),
    }),
  ),
  {
    ...{ title: '14. peak RSS of the bundle, saturated', unit: 'MB' },
    ...{ bar: 160, stretch: 117, floor: 117, noise: STEADY },
    measured: (results) => medianOf(results, 'managed', 'streamRssMb'),
  },
  {
    ...{ title: '15. prompt of 400 kB: added p50', unit: 'ms' },
    ...{ bar: 8, stretch: 5, floor: 6.3, noise: STEADY },
    measured: (results) =>
      less(medianOf(results, 'stub0', 'largeOverP50'), medianOf(results, 'direct', 'largeOverP50')),
  },
  ...peerGoals('15. prompt of 400 kB: CPU', [0.6, 0.4, 0.57], 'largeCpu'),
  {
    ...{ title: '16. bound of a prompt of 400 kB, CPU', unit: 'µs' },
    ...{ bar: 10, floor: 5.4, noise: STEADY },
    measured: ({ estimate }) => estimate.boundUs,
  },
  {
    ...{ title: '16. calls held at under 90 % of their tokens; floor: bytes / 4', unit: '%' },
    ...{ bar: 1, floor: ({ estimate }) => estimate.quarterUnderPercent },
    measured: ({ estimate }) => estimate.underPercent,
  },
  {
    ...{ title: '17. errors, truncated streams, in every load of the run', unit: '' },
    ...{ bar: 0, floor: 0 },
    measured: noneOrNoReport,
  },
  {
    ...{ title: '17. a caller leaves: the upstream ends at the latest after', unit: 'ms' },
    ...{ bar: 100, floor: 0 },
    measured: (results) => medianOf(results, 'stub0', 'leftMax'),
  },
  {
    ...{ title: '17. a caller leaves: calls without a usage event', unit: '%' },
    ...{ bar: 0, floor: 0 },
    measured: (results) => {
      const settled = medianOf(results, 'stub0', 'leftSettled');
      return settled === undefined ? undefined : 100 * (1 - settled);
    },
  },
  {
    ...{ title: '17. a caller leaves: holds that stay open', unit: '' },
    ...{ bar: 0, floor: 0 },
    measured: (results) => medianOf(results, 'stub0', 'leftHolds'),
  },
  {
    ...{ title: `18. streams of \`npm start\` that fail, Node ${process.versions.node}`, unit: '' },
    ...{ bar: 0, floor: 0 },
    measured: (results) => medianOf(results, 'runtimeApi', 'pacedOverP50') && 0,
  },
  {
    ...{
      title: '19. a million streams of 4.8 s on Lambda, by the cost law; floor: without writes',
      unit: '$',
    },
    ...{ bar: 30, stretch: 24, ...usd('law', 'lambda', 'stub0') },
  },
  {
    ...{ title: '19. the same with all that `npm run cost` counts', unit: '$' },
    ...usd('bill', 'lambda', 'stub0'),
  },
  {
    ...{ title: '19. the same on managed instances, by the cost law', unit: '$' },
    ...{ bar: 14, stretch: 13, ...usd('law', 'managed-instances', 'managed') },
  },
  {
    ...{ title: '19. the same with NAT gateways and three instances at least', unit: '$' },
    ...usd('bill', 'managed-instances', 'managed'),
  },
];

/** Each call reserves and settles in these: the key's own and the team's. */
const ACCOUNTS = 2;

export type Verdict = 'met' | 'noise' | 'missed' | 'unknown' | 'told';

export function judge({ bar, atLeast, noise = 1 }: Goal, value: number | undefined): Verdict {
  if (value === undefined || Number.isNaN(value)) return 'unknown';
  if (bar === undefined) return 'told';
  const reaches = atLeast ? value >= bar : value <= bar;
  if (reaches) return 'met';
  const isNoise = atLeast ? value >= bar / noise : value <= bar * noise;
  return isNoise ? 'noise' : 'missed';
}

type Peer = readonly [name: TargetName, figure: Figure];

function ratioGoal(
  title: string,
  [bar, stretch, floor]: readonly [number, number, number],
  [peer, figure]: Peer,
): Goal {
  return {
    ...{ title: `${title} = 1`, unit: 'x', bar, stretch, floor },
    noise: figure.endsWith('P99') ? NEARLY_SLOWEST : STEADY,
    measured: (results) =>
      ratio(medianOf(results, 'stub0', figure), medianOf(results, peer, figure)),
  };
}

function peerGoals(
  title: string,
  bars: readonly [number, number, number],
  figure: Figure,
): readonly Goal[] {
  return PEERS.map(([name, label]) => ratioGoal(`${title}, ${label}`, bars, [name, figure]));
}

/** Twice the noise of a figure: both are the highest of a ladder's rungs. */
function atLeastGoal(
  title: string,
  [bar, stretch, floor]: readonly [number, number, number],
  peer: TargetName,
): Goal {
  return {
    ...{
      title: `${title} = 1`,
      unit: 'x',
      bar,
      stretch,
      floor,
      atLeast: true,
      noise: NEARLY_SLOWEST,
    },
    measured: (results) =>
      ratio(medianOf(results, 'stub0', 'mostStreams'), medianOf(results, peer, 'mostStreams')),
  };
}

function pipe(figure: Figure): Measured {
  return (results) => medianOf(results, 'barePipe', figure);
}

/** An answer that is not the provider's own, to the event, ends the run before there is a report. */
function noneOrNoReport(): number {
  return 0;
}

/** With what this run's streams on time write and read; the floor: with no writes. */
function usd(by: keyof Usd, kind: Compute['kind'], name: TargetName) {
  return {
    floor: () => usdAMillion(kind, { writes: 0, reads: 0 })?.[by],
    measured(results: Results) {
      const writes = medianOf(results, name, 'unitsPerCall');
      const reads = medianOf(results, name, 'readsPerCall');
      if (writes === undefined || reads === undefined) return undefined;
      return usdAMillion(kind, { writes, reads })?.[by];
    },
  };
}

function tripsGoal(title: string, bar: number, [name, figure]: Peer): Goal {
  return { title, unit: '', bar, floor: 1, measured: (results) => medianOf(results, name, figure) };
}

function less(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b;
}
