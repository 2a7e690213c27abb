/** The one write of a lease: settles calls, gives back what was not used and takes more room, in any combination. */
import { type Account, ATTR, encodeHold, encodeMark, type Hold } from './account.ts';
import type { AccountWrite, Condition } from './account-write.ts';
import type { Moment } from './denial.ts';
import { DIMENSION_NAMES, type Dimension } from './dimensions.ts';
import { leasable, minus, NO_ROOM, plus, type Room, roomIn, roomOf } from './lease-room.ts';
import {
  counterFor,
  countsDay,
  keepsCounter,
  LATEST,
  roomFor,
  staleEntries,
  usesWindow,
} from './reserve.ts';
import { type LimitPlan, limitsAt, planVersionOf } from './schedule.ts';
import { type Actual, changes, sums } from './settle.ts';

/** A lease as its account has it. */
export interface LeaseInAccount {
  readonly name: string;
  readonly plan: LimitPlan;
  /** The day that its calls are charged to. */
  readonly day: number;
  /** Absent before the lease is made. */
  readonly hold: Hold | undefined;
  readonly seen: Account;
  /** There are copies of the write that makes it, so that it must not be made again. */
  readonly isDoubtful: boolean;
}

/** Room that is given back: unused, or by a call, in exchange for what that call really used. */
export interface Closing {
  readonly room: Room;
  /** Where it was counted. */
  readonly at: Moment;
  readonly settled?: { readonly holdId: string; readonly actual: Actual };
}

export interface Taking {
  readonly room: Room;
  readonly at: Moment;
}

export interface LeaseChange {
  readonly closings: readonly Closing[];
  readonly taking: Taking | undefined;
  /** Calls settled before, whose leads may still be open. */
  readonly unconfirmed: readonly string[];
  /** No call under the lease is open for longer. */
  readonly expiresAtSeconds: number;
  /** Number of this write. */
  readonly writes: number;
  readonly isOver: boolean;
}

export interface LeaseWrite extends LeaseChange {
  /** As the write leaves it; absent where the lease is over. */
  readonly hold: Hold | undefined;
  readonly write: AccountWrite;
}

export function planLease(lease: LeaseInAccount, change: LeaseChange, now: Moment): LeaseWrite {
  const { name, seen, isDoubtful } = lease;
  const { taking, isOver } = change;
  const hold = isOver ? undefined : holdAfter(lease, change);
  const path = [ATTR.holds, name] as const;
  const add = counted(lease, change, now);
  const windows = taking === undefined ? [] : windowsOf(lease.plan, taking.at);
  const mark = encodeMark(change.expiresAtSeconds);
  const remove = staleEntries(seen, now).filter(([first]) => !add.has(first));
  const write = {
    conditions: [
      ...ownership(lease),
      ...(taking === undefined ? [] : plenty(lease, taking)),
      // Closes the race between clocks that disagree: windows only move forward.
      ...windows.map(([of, value]): Condition => ({ kind: 'at-most', path: [of], value })),
    ],
    set: [
      ...(hold === undefined ? [] : [[path, encodeHold(hold)] as const]),
      ...(isOver && isDoubtful ? [[[ATTR.voided, name], mark] as const] : []),
      ...windows.map(([of, value]) => [[of], value] as const),
    ],
    add: [...add].filter(([, amount]) => amount !== 0),
    remove: isOver ? [path, ...remove] : remove,
  };
  return { ...change, hold, write };
}

function holdAfter({ plan, day, hold }: LeaseInAccount, change: LeaseChange): Hold {
  const { closings, taking, unconfirmed, writes, expiresAtSeconds } = change;
  const before = roomOf(hold ?? NO_ROOM);
  const taken = taking === undefined ? before : plus(before, taking.room);
  const left = closings.reduce((room, closing) => minus(room, closing.room), taken);
  const settled = closings.flatMap((closing) => closing.settled?.holdId ?? []);
  return {
    nanoUsd: left.nanoUsd,
    inputTokens: left.inputTokens,
    outputTokens: left.outputTokens,
    expiresAtSeconds,
    day,
    countsDay: countsDay(plan),
    owner: { kind: 'lease', writes, settled: [...unconfirmed, ...settled] },
  };
}

/** The change of each counter. */
function counted(
  { plan }: LeaseInAccount,
  { closings, taking }: LeaseChange,
  now: Moment,
): Map<string, number> {
  const add = new Map<string, number>();
  const count = (name: string, amount: number) => add.set(name, (add.get(name) ?? 0) + amount);
  for (const { room, at, settled } of closings) {
    const used = settled === undefined ? NO_ROOM : roomOf(settled.actual);
    const by = (dimension: Dimension) => roomIn(dimension, used) - roomIn(dimension, room);
    for (const [name, amount] of changes({ at, plan }, by, now)) count(name, amount);
    if (settled !== undefined)
      for (const [name, amount] of sums(at.month, settled.actual)) count(name, amount);
  }
  if (taking !== undefined)
    for (const dimension of DIMENSION_NAMES) {
      const counter = counterFor(dimension, taking.at);
      if (counter !== undefined && keepsCounter(dimension, plan))
        count(counter, roomIn(dimension, taking.room));
    }
  return add;
}

/** Closes the race with the reaper, and with late copies of this lease's own writes: each happens once and in order. */
function ownership({ name, hold }: LeaseInAccount): Condition[] {
  const path = [ATTR.holds, name] as const;
  if (hold !== undefined) return [{ kind: 'equals', path, value: encodeHold(hold) }];
  return [
    { kind: 'present', path: [ATTR.status] },
    { kind: 'absent', path },
    { kind: 'absent', path: [ATTR.voided, name] },
  ];
}

/** Closes the races with everybody else who takes room, with a revocation and with changed limits. */
function plenty({ plan, seen }: LeaseInAccount, { room, at }: Taking): Condition[] {
  const limits = limitsAt(plan, at.nowMs);
  return [
    { kind: 'equals', path: [ATTR.status], value: 'active' },
    { kind: 'equals', path: [ATTR.limitsVersion], value: planVersionOf(plan) },
    ...DIMENSION_NAMES.flatMap((dimension) => {
      const limit = limits[dimension];
      if (limit === undefined) return [];
      return [roomFor(dimension, leasable(limit), { amount: roomIn(dimension, room), at, seen })];
    }),
  ];
}

function windowsOf(plan: LimitPlan, at: Moment): [string, number][] {
  return LATEST.flatMap(([kind, attribute]): [string, number][] =>
    usesWindow(plan, kind) ? [[attribute, at[kind]]] : [],
  );
}
