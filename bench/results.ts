/** Everything measured in a run, and figures over its rounds. */
import * as z from 'zod';
import type { ColdStart } from './cold-start.ts';
import type { Figure, Plan } from './loads/load.ts';
import type { Round } from './measure.ts';
import { type Summary, summarize } from './statistics.ts';
import type { TargetName } from './targets/targets.ts';

/** CPU of a write through the proxy's own client, that through the SDK being 1: one at a time, and sixteen. */
export const awsClientSchema = z.object({ one: z.number(), sixteen: z.number() });

/** Of the bound of a call (bench/estimate.ts). */
export const estimateSchema = z.object({
  /** For a prompt of 400 kB. */
  boundUs: z.number(),
  /** Of all calls, the share whose bound is under nine tenths of the truth. */
  underPercent: z.number(),
  /** The same of a bound of a quarter of the bytes, with which many gateways estimate. */
  quarterUnderPercent: z.number(),
  /** The bound over the truth. */
  texts: z.array(
    z.object({
      kind: z.string(),
      calls: z.number(),
      ratio: z.object({ median: z.number(), min: z.number(), max: z.number() }),
    }),
  ),
});
export type Estimate = z.infer<typeof estimateSchema>;

export interface Results {
  readonly rounds: readonly Round[];
  readonly coldStart: ColdStart;
  readonly awsClient: z.infer<typeof awsClientSchema>;
  readonly estimate: Estimate;
  readonly plan: Plan & {
    readonly coldStarts: number;
    /** Writes in each round of the comparison with the SDK. */
    readonly clientCalls: number;
  };
  readonly takenAt: Date;
  /** Of the last minute, before the run and after it: what else the machine did. */
  readonly loadAverage: readonly [number, number];
}

/** Median over the rounds, and the lowest and the highest round. */
export function figureOf(
  rounds: readonly Round[],
  name: TargetName,
  figure: Figure,
): Summary | undefined {
  return summarize(rounds.map((round) => round.get(name)?.[figure]));
}

export function medianOf({ rounds }: Results, name: TargetName, figure: Figure) {
  return figureOf(rounds, name, figure)?.median;
}

/** Of the medians, both from this run. Undefined where one is unknown. */
export function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined || b <= 0 ? undefined : a / b;
}
