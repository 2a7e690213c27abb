/**
 * A lease: room that one worker takes from an account for many calls at once, gives to them from memory, and settles for them
 * together. In the account it is one hold, whose amount covers the calls that are open under it and the portion that is
 * free. Only its worker writes it, each time on the condition that its text is the one last known, so every write
 * happens once and in order, whatever happens to answers (ADR 0016). Decides what to write and what an answer
 * means; reads no clock and writes nothing.
 */
import type { EpochMs } from '../clock.ts';
import { type Account, encodeHold, type Hold, parseAccount } from './account.ts';
import type { WriteResult } from './account-store.ts';
import type { Moment } from './denial.ts';
import { DIMENSION_NAMES } from './dimensions.ts';
import {
  excess,
  fits,
  isNothing,
  larger,
  minus,
  NO_ROOM,
  plus,
  type Room,
  roomOf,
  roomToLease,
  scaled,
} from './lease-room.ts';
import { type Closing, type LeaseWrite, planLease, type Taking } from './lease-write.ts';
import { adoptWindows, type ReserveRequest, usesWindow } from './reserve.ts';
import { type LimitPlan, limitsAt, planVersionOf } from './schedule.ts';
import type { Actual } from './settle.ts';

interface LeaseOrigin {
  /** Eight base-62 characters, never used again. */
  readonly name: string;
  /** The account, one of its scope's shards. */
  readonly key: string;
  readonly plan: LimitPlan;
  /** The day that its calls are charged to. */
  readonly day: number;
  readonly timeZone: string;
  /** How long a call's hold outlives its reserve. */
  readonly holdSeconds: number;
  readonly seen: Account;
}

export interface Lease extends Readonly<Omit<LeaseOrigin, 'seen'>> {
  seen: Account;
  /** As last known in the account. */
  hold: Hold | undefined;
  portion: Portion | undefined;
  /** Since `measuredAtMs`, calls that had to ask the account themselves among it. */
  used: Room;
  measuredAtMs: EpochMs;
  /** Calls that asked the account themselves since the round began. */
  asked: number;
  /** What the portion is to have room for. */
  wanted: Room;
  /** Waits for the next write. */
  queue: readonly (Closing | Settlement)[];
  /** Calls that have a part. */
  open: number;
  /** Calls whose leads are closed, so that nobody will ask what became of them here. */
  readonly confirmed: Set<string>;
  /** By the text that they leave: writes that may have been applied, or may be yet. */
  readonly sent: Map<string, LeaseWrite>;
  writes: number;
  /** Later than any call under it expires. */
  expiresAtSeconds: number;
  /** The write that made it may have copies. */
  isDoubtful: boolean;
  isOver: boolean;
  /** Runs while there is something to write. */
  rounds: Promise<void> | undefined;
  /** The next write need not wait any longer. */
  endRound: () => void;
}

/** Room that is free for calls, counted in the windows of `at`. */
interface Portion {
  readonly at: Moment;
  readonly untilMs: number;
  free: Room;
}

/** One call's room under a lease. */
interface LeasePart {
  readonly lease: Lease;
  /** In the windows in which the lease took the room. */
  readonly request: ReserveRequest;
}

interface Settlement extends Closing {
  readonly request: ReserveRequest;
  readonly settled: { readonly holdId: string; readonly actual: Actual };
  readonly done: PromiseWithResolvers<void>;
}

/** A portion is used for so long after it was taken; a worker that calls renews it twice a second. */
const LIFE_MS = 5_000;
/** The next portion has room for so many times what the last measured time used. */
const AHEAD = 2;
/** What is used is measured over no less; most rounds are longer, and those that are full are not. */
const MEASURED_MS = 200;
/** A lead stays open until its part is settled, and every write to its account pays for it: no more wait for a round to end. */
const FULL = 8;
/** So many calls without a part say that the portion is too small. */
const SHORT_OF_ROOM = 4;

/** Not in the account yet; `used` is the measure of its first portion. */
export function newLease(origin: LeaseOrigin, used: Room): Lease {
  return {
    ...origin,
    hold: undefined,
    portion: undefined,
    used,
    measuredAtMs: 0,
    asked: 0,
    wanted: NO_ROOM,
    queue: [],
    open: 0,
    confirmed: new Set(),
    sent: new Map(),
    writes: 0,
    expiresAtSeconds: 0,
    isDoubtful: false,
    isOver: false,
    rounds: undefined,
    endRound: () => undefined,
  };
}

/** Undefined where the portion has no room for the call. */
export function takePart(lease: Lease, request: ReserveRequest): LeasePart | undefined {
  const { portion, hold, plan } = lease;
  const room = roomOf(request.demand);
  if (portion === undefined || hold === undefined || !isUsable(plan, portion, request.at))
    return undefined;
  if (!fits(room, portion.free) || request.expiresAtSeconds > hold.expiresAtSeconds)
    return undefined;
  portion.free = minus(portion.free, room);
  lease.used = plus(lease.used, room);
  lease.open += 1;
  const { second, minute } = portion.at;
  return { lease, request: { ...request, at: { ...request.at, second, minute } } };
}

/** Resolves when the account has it. */
export function settlePart({ lease, request }: LeasePart, actual: Actual): Promise<void> {
  const { holdId, at, demand } = request;
  const done = Promise.withResolvers<void>();
  const settlement = { room: roomOf(demand), at, request, settled: { holdId, actual }, done };
  lease.open -= 1;
  lease.queue = [...lease.queue, settlement];
  return done.promise;
}

/** The call was not sent, and nothing of it is open elsewhere. */
export function givePartBack({ lease, request: { at, demand } }: LeasePart): void {
  lease.open -= 1;
  lease.queue = [...lease.queue, { room: roomOf(demand), at }];
}

/** The account granted room to a call that found none here. */
export function noteAsked(lease: Lease, { demand }: ReserveRequest): void {
  lease.used = plus(lease.used, roomOf(demand));
  lease.asked += 1;
}

/** The next round is worth its write now. */
export function isFull(lease: Lease): boolean {
  return waitingIn(lease).length >= FULL || lease.asked >= SHORT_OF_ROOM;
}

/** What was used is the measure of the next portion, which only grows until the time was long enough; what nobody uses goes back. */
export function beginRound(lease: Lease, now: Moment): void {
  const { portion, plan, used } = lease;
  const wanted = scaled(used, AHEAD);
  lease.asked = 0;
  if (now.nowMs < lease.measuredAtMs + MEASURED_MS) lease.wanted = larger(lease.wanted, wanted);
  else {
    lease.wanted = wanted;
    lease.used = NO_ROOM;
    lease.measuredAtMs = now.nowMs;
  }
  const isStale = portion !== undefined && !isUsable(plan, portion, now);
  if (isStale || isNothing(lease.wanted)) returnPortion(lease);
}

/** The next write, undefined when there is none. `mayTake` is false when the account has refused to give more. */
export function nextWrite(lease: Lease, now: Moment, mayTake: boolean): LeaseWrite | undefined {
  const { hold, sent, open, confirmed } = lease;
  const taking = mayTake && !lease.isOver ? takingAt(lease, now) : undefined;
  const isUnmade = hold === undefined && sent.size === 0 && taking === undefined;
  if (isUnmade) lease.isOver = true;
  if (lease.isOver) return undefined;
  const unconfirmed = settledIn(hold).filter((id) => !confirmed.has(id));
  const isLast = taking === undefined && lease.portion === undefined && open === 0;
  const isOver = isLast && unconfirmed.length === 0 && !lease.queue.some(isSettlement);
  const closings = lease.queue;
  // A write that may still arrive is made void by any other.
  if (closings.length === 0 && taking === undefined && !isOver && sent.size === 0) return undefined;
  lease.writes += 1;
  if (taking !== undefined) lease.expiresAtSeconds = expiryAfter(lease, taking);
  const { writes, expiresAtSeconds } = lease;
  const change = { closings, taking, unconfirmed, expiresAtSeconds, writes, isOver };
  const write = planLease(lease, change, now);
  sent.set(textOf(write.hold), write);
  return write;
}

/** False when the write must be planned again from what the account says. `isDoubtful`: it may yet arrive, or again. */
export function answered(
  lease: Lease,
  write: LeaseWrite,
  { kind, item, isDoubtful }: WriteResult & { readonly isDoubtful: boolean },
): boolean {
  if (item !== undefined) lease.seen = parseAccount(item);
  const found = item === undefined ? undefined : lease.seen.holds.get(lease.name);
  const known = kind === 'applied' ? write : lease.sent.get(textOf(found));
  if (known !== undefined) {
    land(lease, known);
    return known === write;
  }
  if (textOf(found) === textOf(lease.hold)) {
    if (!isDoubtful) lease.sent.delete(textOf(write.hold));
    return false;
  }
  // The reaper was here: calls that it has posted are out of the lease, or all of the lease is gone.
  const before = settledIn(lease.hold);
  for (const id of settledIn(found)) if (!before.includes(id)) lease.confirmed.add(id);
  lease.sent.clear();
  lease.hold = found;
  lease.isOver = found === undefined;
  return false;
}

/** Settlements that wait for a write. */
export function waitingIn({ queue }: Lease): Settlement[] {
  return queue.filter(isSettlement);
}

/** Nothing is to be done until a call ends, or asks the account itself. */
export function isQuiet({ isOver, queue, portion, sent, open, hold, confirmed }: Lease): boolean {
  const isWaited = open > 0 || settledIn(hold).some((id) => !confirmed.has(id));
  return isOver || (isWaited && queue.length === 0 && portion === undefined && sent.size === 0);
}

/** More room, in the portion's windows or in those of now. */
function takingAt(lease: Lease, now: Moment): Taking | undefined {
  const { seen, plan, wanted, day } = lease;
  if (isNothing(wanted)) return undefined;
  const at = adoptWindows(seen, now);
  if (lease.portion !== undefined && isAfter(plan, at, lease.portion.at)) returnPortion(lease);
  const isCurrent =
    at.day === day && seen.latestDay <= day && seen.limitsVersion === planVersionOf(plan);
  const room = isCurrent ? roomToLease(wanted, { account: seen, plan, at }) : undefined;
  if (room === undefined) {
    returnPortion(lease);
    return undefined;
  }
  const more = excess(room, lease.portion?.free ?? NO_ROOM);
  return isNothing(more) ? undefined : { room: more, at };
}

function returnPortion(lease: Lease): void {
  const { portion, queue } = lease;
  if (portion !== undefined && !isNothing(portion.free))
    lease.queue = [...queue, { room: portion.free, at: portion.at }];
  lease.portion = undefined;
}

function land(lease: Lease, { closings, taking, hold, isOver }: LeaseWrite): void {
  const { confirmed, portion } = lease;
  lease.sent.clear();
  lease.hold = hold;
  lease.isOver = isOver;
  lease.queue = lease.queue.filter((closing) => !closings.includes(closing));
  for (const id of confirmed) if (!settledIn(hold).includes(id)) confirmed.delete(id);
  for (const closing of closings) if (isSettlement(closing)) closing.done.resolve();
  if (taking === undefined) return;
  const free = plus(portion?.free ?? NO_ROOM, taking.room);
  lease.portion = { at: taking.at, untilMs: taking.at.nowMs + LIFE_MS, free };
}

function expiryAfter({ expiresAtSeconds, holdSeconds }: Lease, { at: { nowMs } }: Taking): number {
  return Math.max(expiresAtSeconds, Math.ceil((nowMs + LIFE_MS) / 1000) + holdSeconds);
}

function isSettlement(closing: Closing | Settlement): closing is Settlement {
  return 'done' in closing;
}

/** Empty where there is no hold. */
function textOf(hold: Hold | undefined): string {
  return hold === undefined ? '' : encodeHold(hold);
}

export function settledIn(hold: Hold | undefined): readonly string[] {
  return hold?.owner.kind === 'lease' ? hold.owner.settled : [];
}

function isUsable(plan: LimitPlan, { untilMs, at }: Portion, now: Moment): boolean {
  return now.nowMs < untilMs && !isAfter(plan, now, at) && !isLowered(plan, now, at);
}

/** The clock has lowered a limit: what was taken before is not there to be given any more. */
function isLowered(plan: LimitPlan, now: Moment, before: Moment): boolean {
  if (plan.schedules === undefined && plan.raises === undefined) return false;
  const [limits, old] = [limitsAt(plan, now.nowMs), limitsAt(plan, before.nowMs)];
  return DIMENSION_NAMES.some((name) => (limits[name] ?? Infinity) < (old[name] ?? Infinity));
}

/** In a later window than the earlier moment, as far as the plan counts in windows. */
function isAfter(plan: LimitPlan, later: Moment, earlier: Moment): boolean {
  return (['second', 'minute'] as const).some(
    (kind) => usesWindow(plan, kind) && later[kind] > earlier[kind],
  );
}
