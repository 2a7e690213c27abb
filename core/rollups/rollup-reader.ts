/** The port to the sums that the usage monitor keeps. */
import type { EpochMs } from '../clock.ts';
import type { Rollup } from './amounts.ts';
import type { Subject } from './subjects.ts';
import type { Granularity } from './windows.ts';

export interface RollupRange {
  readonly granularity: Granularity;
  /** Begins of the first and the last window. */
  readonly fromMs: EpochMs;
  readonly toMs: EpochMs;
}

export interface StoredRollup {
  readonly member: string;
  readonly startMs: EpochMs;
  readonly rollup: Rollup;
}

export interface RollupReader {
  /** All members of the subject's collection, by begin of window; windows without events are left out. */
  readCollection(subject: Subject, range: RollupRange): Promise<readonly StoredRollup[]>;
}
