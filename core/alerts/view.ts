/** What detectors look at: the rollups of one subject and of what it is compared with, at one moment. All of it is given. */
import { EMPTY, type Rollup } from '../rollups/amounts.ts';
import { GRANULARITIES, windowStart } from '../rollups/windows.ts';
import type { Usual } from './baseline.ts';
import type { Labels } from './finding.ts';
import type { Overrides } from './thresholds.ts';

/** Five-minute windows, the running one first; those without events are empty. */
export type Recent = readonly Rollup[];

/** The running window and three before it. */
export const RECENT_WINDOWS = 4;

interface View {
  readonly labels: Labels;
  readonly overrides: Overrides;
  /** Share of the running window that is over, above 0. */
  readonly elapsed: number;
  readonly recent: Recent;
  /** The window before the running one is of the same hour, so that the same is usual for both. */
  readonly isHourBegun: boolean;
  readonly usual: Usual | undefined;
}

/** A tenant or a provider pool: what all its calls share. */
export interface WholeView extends View {
  /** The provider's own limits per minute, of a pool. */
  readonly perMinute?: PerMinute | undefined;
}

export interface PerMinute {
  readonly requests?: number | undefined;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly tokens?: number | undefined;
}

export interface TeamView extends View {
  readonly tenant: Recent;
  readonly features: ReadonlyMap<string, Recent>;
  readonly models: ReadonlyMap<string, Recent>;
  /** Features with limits of their own. */
  readonly dedicated: ReadonlySet<string>;
}

export function momentOfView(nowMs: number): Pick<TeamView, 'elapsed' | 'isHourBegun'> {
  const { lengthMs } = GRANULARITIES.fiveMinutes;
  const startMs = windowStart('fiveMinutes', nowMs);
  return {
    elapsed: Math.max(LEAST_ELAPSED, (nowMs - startMs) / lengthMs),
    isHourBegun: startMs !== windowStart('hour', nowMs),
  };
}

/** Calls arrive when they end; a window's first seconds say nothing. */
const LEAST_ELAPSED = 0.1;

/** From here on the running window says what a whole one would. */
export const MOST_OF_A_WINDOW = 0.6;

export function windowAt(recent: Recent | undefined, index: number): Rollup {
  return recent?.[index] ?? EMPTY;
}
