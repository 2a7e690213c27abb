/**
 * What was refused a moment ago and cannot fit yet, so that a caller who asks again and again costs few
 * writes (a refused write is as dear as a good one). Only refusals that time alone undoes are remembered:
 * what is spent stays spent, and requests stay counted. A raised limit is seen within a second.
 */
import type { EpochMs } from '../clock.ts';
import type { Denial } from './denial.ts';
import { DIMENSIONS } from './dimensions.ts';
import { amountOf, type Demand } from './reserve.ts';

export interface DeniedMemory {
  /** The refusal that still holds for this demand, if any. */
  recall(accountKey: string, demand: Demand, nowMs: EpochMs): Denial | undefined;
  remember(accountKey: string, denial: Denial, nowMs: EpochMs): void;
}

const LONGEST_MS = 1_000;
const MAX_ACCOUNTS = 10_000;

export function createDeniedMemory(): DeniedMemory {
  const refusals = new Map<
    string,
    { readonly denial: Denial; readonly sinceMs: EpochMs; readonly untilMs: EpochMs }
  >();
  return {
    recall(accountKey, demand, nowMs) {
      const known = refusals.get(accountKey);
      if (known === undefined) return undefined;
      if (nowMs >= known.untilMs || nowMs < known.sinceMs) {
        refusals.delete(accountKey);
        return undefined;
      }
      const { denial, sinceMs } = known;
      if (amountOf(denial.dimension, demand) < denial.needed) return undefined;
      if (denial.retryAfterMs === undefined) return denial;
      return { ...denial, retryAfterMs: Math.max(1, denial.retryAfterMs - (nowMs - sinceMs)) };
    },
    remember(accountKey, denial, nowMs) {
      if (!staysRefused(denial)) return;
      if (refusals.size >= MAX_ACCOUNTS) refusals.clear();
      const untilMs = nowMs + Math.min(LONGEST_MS, denial.retryAfterMs ?? LONGEST_MS);
      refusals.set(accountKey, { denial, sinceMs: nowMs, untilMs });
    },
  };
}

/** Tokens of a window come back when a call settles below its hold, and open calls end; those are asked again. */
function staysRefused({ reason, dimension }: Denial): boolean {
  if (reason === 'spent' || reason === 'too-large') return true;
  return reason === 'window' && DIMENSIONS[dimension].counts === 'requests';
}
