/**
 * Reaping: what becomes of a hold whose process died. A call is sent to its provider only after all its
 * holds are there, its lead hold is settled last and released first. So, once a hold has expired:
 *
 * - a lead that is still there may have been sent: it is posted at its full amount;
 * - a sibling whose lead is there, or was posted, likewise;
 * - a sibling whose lead is gone was never sent, or its lead's process died while giving back: released.
 *
 * Posting is the safe side; what was posted is kept elsewhere, to be replaced by the truth (core/limits/posted.ts).
 * Decides from items alone; reads and writes nothing.
 */
import {
  type Account,
  ATTR,
  COUNTER,
  type Counter,
  counterName,
  encodeMark,
  type Hold,
} from './account.ts';
import type { AccountWrite } from './account-write.ts';
import { GRACE_SECONDS, staleMarks } from './reserve.ts';
import type { Actual } from './settle.ts';

export interface OpenHold {
  readonly id: string;
  readonly hold: Hold;
}

/** Nobody's call is closed while it may still run. */
export function expiredHolds(account: Account, nowSeconds: number): OpenHold[] {
  return [...account.holds]
    .map(([id, hold]) => ({ id, hold }))
    .filter(({ hold }) => hold.expiresAtSeconds + GRACE_SECONDS <= nowSeconds);
}

/**
 * Keeps a hold from being made any more: its reserve got no answer, and may still be on its way. The mark
 * stands until the hold would have expired.
 */
export function planVoid(id: string, expiresAtSeconds: number): AccountWrite {
  return {
    conditions: [
      { kind: 'present', path: [ATTR.status] },
      { kind: 'absent', path: [ATTR.holds, id] },
      { kind: 'absent', path: [ATTR.voided, id] },
    ],
    set: [[[ATTR.voided, id], encodeMark(expiresAtSeconds)]],
    add: [],
    remove: [],
  };
}

/** Gives a hold back that a copy of a reserve made, and keeps the other copies from making it again. */
export function planUndo(open: OpenHold): AccountWrite {
  const mark = encodeMark(open.hold.expiresAtSeconds);
  return { ...planRelease(open), set: [[[ATTR.voided, open.id], mark]] };
}

/** Gives the whole hold back; what rate windows still count of it passes with them. */
export function planRelease({ id, hold }: OpenHold): AccountWrite {
  return {
    conditions: [{ kind: 'present', path: [ATTR.holds, id] }],
    set: [],
    add: committedSums(hold, negated(hold)),
    remove: [[ATTR.holds, id]],
  };
}

/** Forgets marks under whose name nobody makes a hold any more; undefined when there are none. */
export function planForget(account: Account, nowSeconds: number): AccountWrite | undefined {
  const remove = staleMarks(account, nowSeconds).slice(0, MAX_FORGOTTEN);
  if (remove.length === 0) return undefined;
  return { conditions: [{ kind: 'present', path: [ATTR.status] }], set: [], add: [], remove };
}

const MAX_FORGOTTEN = 50;

function negated({ nanoUsd, inputTokens, outputTokens }: Actual): Actual {
  return { nanoUsd: -nanoUsd, inputTokens: -inputTokens, outputTokens: -outputTokens };
}

export function committedSums({ day, countsDay }: Hold, by: Actual): [string, number][] {
  const month = Math.floor(day / 100);
  const tokens = by.inputTokens + by.outputTokens;
  const sums: [string, number][] = [
    [COUNTER.tokensPerMonth + month, tokens],
    [COUNTER.nanoUsdPerMonth + month, by.nanoUsd],
  ];
  if (countsDay) {
    sums.push([COUNTER.tokensPerDay + day, tokens], [COUNTER.nanoUsdPerDay + day, by.nanoUsd]);
  }
  return sums.filter(([, amount]) => amount !== 0);
}

export function settledSums({ day }: Hold, by: Actual, requests: number): [string, number][] {
  const month = Math.floor(day / 100);
  const sums: [Counter, number][] = [
    ['settledRequests', requests],
    ['settledInputTokens', by.inputTokens],
    ['settledOutputTokens', by.outputTokens],
    ['settledNanoUsd', by.nanoUsd],
  ];
  return sums
    .filter(([, amount]) => amount !== 0)
    .map(([counter, amount]) => [counterName(counter, month), amount]);
}
