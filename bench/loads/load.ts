import type { CpuShare } from '../cpu-share.ts';
import type { LoadClient } from '../load-client.ts';
import type { Target } from '../targets/targets.ts';

/** Times are in milliseconds; CPU is that of one call. What is not known or not measured is absent. */
export type Figure =
  | 'pacedFirstOver'
  | 'pacedOverP50'
  | 'pacedOverP99'
  | 'pacedTransitP50'
  | 'pacedCpu'
  | 'pacedMergedPercent'
  | 'writesPerCall'
  | 'unitsPerCall'
  | 'readsPerCall'
  | 'mostStreams'
  | 'saturatedWrites'
  | 'saturatedUnits'
  | 'streamsPerSecond'
  | 'streamCpu'
  | 'streamRssMb'
  | 'jsonOverP50'
  | 'jsonOverP99'
  | 'jsonPacedCpu'
  | 'jsonPerSecond'
  | 'jsonCpu'
  | 'largeOverP50'
  | 'largeCpu'
  | 'strangerOverP50'
  | 'knownOverP50'
  | 'strangerTrips'
  | 'knownTrips'
  | 'roundTrip'
  | 'leftMax'
  | 'leftSettled'
  | 'leftHolds'
  | 'share256First'
  | 'share256P50'
  | 'share256P99'
  | 'share512P50'
  | 'share512P99'
  | 'share1769P50'
  | 'share1769P99';
export type Figures = { readonly [F in Figure]?: number | undefined };

/** How much of each load a round holds. */
export interface Plan {
  readonly rounds: number;
  /** How long each load on time runs before it counts. */
  readonly leadInMs: number;
  readonly pacedCalls: number;
  readonly jsonCalls: number;
  readonly streamMs: number;
  readonly jsonMs: number;
  readonly largeCalls: number;
  readonly shareCalls: number;
  readonly departures: number;
  /** How long each rate of streams is tried. */
  readonly capacityMs: number;
  /** The longest that one target is warmed up with one kind of calls. */
  readonly warmUpMs: number;
}

export interface Runner {
  readonly target: Target;
  readonly client: LoadClient;
}

export interface Context {
  readonly plan: Plan;
  readonly providerUrl: string;
  /** Absent: CPU shares cannot be set here. */
  readonly cpuShare?: CpuShare | undefined;
}

/** One measurement of one target. Nothing where it has nothing to say about the target. */
export type Load = (runner: Runner, context: Context) => Promise<Figures>;

export const RATES = { streamsPerSecond: 20, jsonPerSecond: 50, callers: 32 } as const;

/** Each call of `npm start` takes a process, and more of them than this is another measurement. */
const CALLERS_OF_PROCESSES = 8;

export function callersOf({ name }: Target): number {
  return name === 'runtimeApi' ? CALLERS_OF_PROCESSES : RATES.callers;
}
