/**
 * What is asked of the gateway. `floor` is what a throw-away gateway of 160 lines reached that makes the same calls to AWS and
 * nothing else. "Ours" is the gateway from its sources before the table stub, unless the title says otherwise.
 */
import type { Figure } from './loads/load.ts';
import { medianOf, type Results, ratio } from './results.ts';
import type { TargetName } from './targets/targets.ts';

export interface Goal {
  readonly title: string;
  /** `x`: a ratio of two figures of this run. */
  readonly unit: 'x' | 'ms' | 'MB' | 'kB' | '' | '%';
  /** The value may be this, or less. */
  readonly bar: number;
  readonly stretch?: number;
  readonly floor?: number;
  /** What two runs of the same code differ by: above the bar by less is not a miss. */
  readonly noise?: number;
  readonly measured: (results: Results) => number | undefined;
}

/** Medians and CPU agree within this between runs of the same code; nearly slowest calls do not. */
const STEADY = 1.1;
const NEARLY_SLOWEST = 1.5;

export const GOALS: readonly Goal[] = [
  ratioGoal('1. CPU of a saturated stream, Portkey', [0.4, 0.28, 0.25], ['portkey', 'streamCpu']),
  ratioGoal(
    '2. CPU of a saturated whole answer, Portkey',
    [0.35, 0.22, 0.18],
    ['portkey', 'jsonCpu'],
  ),
  ratioGoal('3. `over` p50 of streams, bare pipe', [2, 1.5, 1.45], ['barePipe', 'pacedOverP50']),
  ratioGoal('3. `over` p50 of streams, Portkey', [0.06, 0.04, 0.035], ['portkey', 'pacedOverP50']),
  ratioGoal('4. `over` p99 of streams, bare pipe', [2.5, 1.8, 1.7], ['barePipe', 'pacedOverP99']),
  ratioGoal('4. `over` p99 of streams, Portkey', [0.2, 0.12, 0.09], ['portkey', 'pacedOverP99']),
  {
    ...{ title: '5. `over` p50 above a round trip of 4 ms, unknown tenant', unit: 'ms' },
    ...{ bar: 2, stretch: 1, floor: 1, noise: STEADY },
    measured: (results) =>
      less(medianOf(results, 'stub4', 'strangerOverP50'), medianOf(results, 'stub4', 'roundTrip')),
  },
  {
    ...{ title: '5. `over` p50 at 4 ms, tenant with known headroom', unit: 'ms' },
    ...{ bar: 2, stretch: 1, noise: STEADY },
    measured: (results) => medianOf(results, 'stub4', 'knownOverP50'),
  },
  {
    ...{ title: '5. the same on managed instances', unit: 'ms' },
    ...{ bar: 2, stretch: 1, noise: STEADY },
    measured: (results) => medianOf(results, 'managed', 'knownOverP50'),
  },
  ratioGoal('6. token transit p50, bare pipe', [1.3, 1.15, 1.15], ['barePipe', 'pacedTransitP50']),
  {
    ...{ title: '9. proxy bundle, what a start loads of it', unit: 'kB' },
    ...{ bar: 150, stretch: 80, floor: 20 },
    measured: ({ coldStart }) => coldStart.eagerBytes / 1e3,
  },
  {
    ...{ title: '9. proxy module load, until it reads the policy', unit: 'ms' },
    ...{ bar: 30, stretch: 22, floor: 18, noise: STEADY },
    measured: ({ coldStart }) => coldStart.askedMs.median,
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
  tripsGoal('11. round trips before dispatch, unknown tenant', 1, ['stub4', 'strangerTrips']),
  tripsGoal('11. round trips before dispatch, known tenant', 0, ['stub4', 'knownTrips']),
  tripsGoal('11. the same on managed instances', 0, ['managed', 'knownTrips']),
  {
    ...{ title: '12. writes of a call to the limited account and the key', unit: '' },
    ...{ bar: 2, stretch: 1.1, floor: 2 },
    measured: (results) => ratio(medianOf(results, 'stub0', 'writesPerCall'), ACCOUNTS),
  },
  {
    ...{ title: '14. peak RSS of the bundle, saturated, Portkey', unit: 'x' },
    ...{ bar: 0.7, stretch: 0.55, floor: 0.53, noise: STEADY },
    measured: (results) =>
      ratio(
        medianOf(results, 'managed', 'streamRssMb'),
        medianOf(results, 'portkey', 'streamRssMb'),
      ),
  },
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
  ratioGoal('15. prompt of 400 kB: CPU, Portkey', [0.6, 0.4, 0.57], ['portkey', 'largeCpu']),
  {
    ...{ title: '17. a caller leaves: the upstream ends at the latest after', unit: 'ms' },
    ...{ bar: 100 },
    measured: (results) => medianOf(results, 'stub0', 'leftMax'),
  },
  {
    ...{ title: '17. a caller leaves: calls without a usage event', unit: '%' },
    ...{ bar: 0 },
    measured: (results) => {
      const settled = medianOf(results, 'stub0', 'leftSettled');
      return settled === undefined ? undefined : 100 * (1 - settled);
    },
  },
  {
    ...{ title: '17. a caller leaves: holds that stay open', unit: '' },
    ...{ bar: 0 },
    measured: (results) => medianOf(results, 'stub0', 'leftHolds'),
  },
];

/** Each call reserves and settles in these: the key's own and the team's. */
const ACCOUNTS = 2;

export type Verdict = 'met' | 'noise' | 'missed' | 'unknown';

export function judge({ bar, noise = 1 }: Goal, value: number | undefined): Verdict {
  if (value === undefined || Number.isNaN(value)) return 'unknown';
  if (value <= bar) return 'met';
  return value <= bar * noise ? 'noise' : 'missed';
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

function tripsGoal(title: string, bar: number, [name, figure]: Peer): Goal {
  return { title, unit: '', bar, measured: (results) => medianOf(results, name, figure) };
}

function less(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b;
}
