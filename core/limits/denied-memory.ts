/**
 * What was refused a moment ago and cannot fit yet, so that a caller who asks again and again costs few
 * writes (a refused write is as dear as a good one). Only refusals that time alone undoes are remembered:
 * what is spent stays spent, and requests stay counted. A raised limit is seen within a second.
 */
import type { EpochMs } from '../clock.ts';
import { accountKey } from '../tenancy/scopes.ts';
import type { Refusal, ReserveCall } from './accounts.ts';
import type { Denial, Moment } from './denial.ts';
import { DIMENSIONS } from './dimensions.ts';
import { amountOf, type Demand } from './reserve.ts';

export interface DeniedMemory {
  /** The refusal that still holds for this demand, if any. */
  recall(accountKey: string, demand: Demand, at: Moment): Denial | undefined;
  remember(accountKey: string, denial: Denial, at: Moment): void;
}

const LONGEST_MS = 1_000;
const MAX_ACCOUNTS = 10_000;

export function createDeniedMemory(): DeniedMemory {
  const refusals = new Map<
    string,
    { readonly denial: Denial; readonly since: Moment; readonly untilMs: EpochMs }
  >();
  return {
    recall(accountKey, demand, at) {
      const known = refusals.get(accountKey);
      if (known === undefined) return undefined;
      const { denial, since, untilMs } = known;
      // A new day or month has room of its own.
      if (at.nowMs >= untilMs || at.nowMs < since.nowMs || at.day !== since.day) {
        refusals.delete(accountKey);
        return undefined;
      }
      if (amountOf(denial.dimension, demand) < denial.needed) return undefined;
      if (denial.retryAfterMs === undefined) return denial;
      return {
        ...denial,
        retryAfterMs: Math.max(1, denial.retryAfterMs - (at.nowMs - since.nowMs)),
      };
    },
    remember(accountKey, denial, since) {
      if (!staysRefused(denial)) return;
      if (refusals.size >= MAX_ACCOUNTS) refusals.clear();
      const untilMs = since.nowMs + Math.min(LONGEST_MS, denial.retryAfterMs ?? LONGEST_MS);
      refusals.set(accountKey, { denial, since, untilMs });
    },
  };
}

/** Tokens of a window come back when a call settles below its hold, and open calls end; those are asked again. */
function staysRefused({ reason, dimension }: Denial): boolean {
  if (reason === 'spent' || reason === 'too-large') return true;
  return reason === 'window' && DIMENSIONS[dimension].counts === 'requests';
}

/** The first refusal that is remembered of any of the call's scopes. */
export function recallRefusal(
  memory: DeniedMemory,
  { scopes, demand, timeZone }: ReserveCall,
  at: Moment,
): Refusal | undefined {
  for (const { scope } of scopes) {
    const denial = memory.recall(accountKey(scope), demand, at);
    if (denial !== undefined) return { kind: 'refused', scope, denial, timeZone };
  }
  return undefined;
}
