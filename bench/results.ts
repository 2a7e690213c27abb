/** Everything measured in a run, and figures over its rounds. */
import type { ColdStart } from './cold-start.ts';
import type { Figure, Plan } from './loads/load.ts';
import type { Round } from './measure.ts';
import { type Summary, summarize } from './statistics.ts';
import type { TargetName } from './targets/targets.ts';

export interface Results {
  readonly rounds: readonly Round[];
  readonly coldStart: ColdStart;
  readonly plan: Plan & { readonly coldStarts: number };
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
