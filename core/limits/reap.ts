/**
 * Reaping: what becomes of a hold whose process died. A call is sent to its provider only after all its
 * holds are there, its lead hold is settled last and released first. So, once a hold has expired:
 *
 * - a lead that is still there may have been sent: it is posted at its full amount;
 * - a sibling whose lead is there, or was posted, likewise;
 * - a sibling whose lead is gone was never sent, or its lead's process died while giving back: released.
 *
 * Posting is the safe side. What was posted stays in `x` for a while, so that a settlement that comes late
 * can replace it by the truth. Decides from items alone; reads and writes nothing.
 */
import {
  type Account,
  ATTR,
  COUNTER,
  type Counter,
  counterName,
  encodeHold,
  encodeMark,
  type Hold,
} from './account.ts';
import type { AccountWrite } from './account-write.ts';
import { GRACE_SECONDS, staleMarks } from './reserve.ts';
import type { Actual } from './settle.ts';

/** How long a posted hold waits for a late settlement. */
const POSTED_SECONDS = 7 * 86_400;

export interface OpenHold {
  readonly id: string;
  readonly hold: Hold;
}

/** Nobody's call is closed while it may still run. */
export function expiredHolds(account: Account, nowSeconds: number): OpenHold[] {
  return listed(account.holds).filter(
    ({ hold }) => hold.expiresAtSeconds + GRACE_SECONDS <= nowSeconds,
  );
}

export type Fate = 'post' | 'release';

/** `lead` is the lead's account as read after the hold had expired; absent where there is none. */
export function fateOf({ id, hold }: OpenHold, lead: Account | undefined): Fate {
  if (hold.owner.kind === 'lead') return 'post';
  return lead?.holds.has(id) || lead?.posted.has(id) ? 'post' : 'release';
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

/** Counts the whole hold as spent, in the month of its reserve. */
export function planPost({ id, hold }: OpenHold): AccountWrite {
  const month = Math.floor(hold.day / 100);
  return {
    // Closes the race with a settlement that is only late, and with another reaper.
    conditions: [{ kind: 'present', path: [ATTR.holds, id] }],
    set: [[[ATTR.posted, id], encodeHold(hold)]],
    add: settledSums(month, hold, 1),
    remove: [[ATTR.holds, id]],
  };
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

/** Replaces what was posted by what was really used. */
export function planCorrection({ id, hold }: OpenHold, actual: Actual): AccountWrite {
  const difference = {
    nanoUsd: actual.nanoUsd - hold.nanoUsd,
    inputTokens: actual.inputTokens - hold.inputTokens,
    outputTokens: actual.outputTokens - hold.outputTokens,
  };
  const month = Math.floor(hold.day / 100);
  return {
    conditions: [{ kind: 'present', path: [ATTR.posted, id] }],
    set: [],
    add: [...committedSums(hold, difference), ...settledSums(month, difference, 0)],
    remove: [[ATTR.posted, id]],
  };
}

/** Forgets posted holds that no settlement will correct any more, and marks; undefined when there are none. */
export function planForget(account: Account, nowSeconds: number): AccountWrite | undefined {
  const old = listed(account.posted)
    .filter(({ hold }) => hold.expiresAtSeconds + POSTED_SECONDS < nowSeconds)
    .map(({ id }) => [ATTR.posted, id] as const);
  const remove = [...old, ...staleMarks(account, nowSeconds)].slice(0, 50);
  if (remove.length === 0) return undefined;
  return { conditions: [{ kind: 'present', path: [ATTR.status] }], set: [], add: [], remove };
}

function listed(holds: ReadonlyMap<string, Hold>): OpenHold[] {
  return [...holds].map(([id, hold]) => ({ id, hold }));
}

function negated({ nanoUsd, inputTokens, outputTokens }: Actual): Actual {
  return { nanoUsd: -nanoUsd, inputTokens: -inputTokens, outputTokens: -outputTokens };
}

function committedSums({ day, countsDay }: Hold, by: Actual): [string, number][] {
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

function settledSums(month: number, by: Actual, requests: number): [string, number][] {
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
