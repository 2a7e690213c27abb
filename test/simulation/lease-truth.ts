/**
 * The invariants of leases, checked at every write to one: it covers the calls that are open under it, it settles each of them
 * once and at what the provider said, it is taken where there is plenty, and it does not idle. Told again from the
 * writes and the calls alone.
 */
import { DIMENSION_NAMES, DIMENSIONS } from '../../core/limits/dimensions.ts';
import { ownsAccount } from './account-names.ts';
import {
  type AccountTruth,
  type AccountTruthOptions,
  checkItem,
  exceeds,
  grow,
  spend,
  usedBy,
} from './account-truth.ts';
import { billedEntries, type CallRecord, isRunaway } from './call-record.ts';
import { storedHold } from './change.ts';
import type { Arrival } from './fake-dynamo.ts';
import { PROMISED_FAULTS } from './faults.ts';
import { entriesOf, limitInForce, numberAt } from './stored-item.ts';
import { type Amount, dayOf, minus, NOTHING, plus } from './true-money.ts';

/** Who admits a call so, and how much it may take. */
export interface LeasedPart {
  readonly call: CallRecord;
  readonly lease: string;
  readonly demand: Amount;
  readonly second: number;
  readonly minute: number;
}

export interface LeaseChecks extends Pick<AccountTruthOptions, 'violation' | 'callOf'> {
  readonly nowMs: () => number;
  /** No room that nobody uses is kept for longer. */
  readonly longestIdleMs: number;
}

/** A call was admitted with room under a lease. */
export function leased({ violation }: LeaseChecks, truth: AccountTruth, part: LeasedPart): void {
  const { call, lease, demand, second, minute } = part;
  const where = `${call.holdId} under ${lease} in ${truth.key}`;
  if (!ownsAccount(call.key, truth.key)) violation(`I7 account of another caller: ${where}`);
  const { decided } = call;
  const day = decided === undefined ? 0 : dayOf(decided.atMs, decided.policy.timeZone);
  const windows = [`s${second}`, `m${minute}`];
  call.accounts.add(truth.key);
  truth.parts.set(call.holdId, { call, demand, day, windows, lease });
  for (const window of windows) grow(truth, window, demand);
  const hold = truth.holds.get(lease);
  if (hold?.day !== day) violation(`I6 leased for day ${hold?.day}, reserved on ${day}: ${where}`);
  checkCover({ violation }, truth, lease);
}

/** True for a write to a lease, which is then judged here. */
export function leaseArrived(checks: LeaseChecks, truth: AccountTruth, arrival: Arrival): boolean {
  const change = leaseChangeOf(checks, arrival);
  if (change === undefined) return false;
  const { before, after } = arrival;
  if (before === undefined || after === undefined) return true;
  const { name, settled, text } = change;
  const hold = truth.holds.get(name);
  checkIdle(checks, truth, name);
  const [posted] = postedIds(arrival);
  const closed = settled.map((id) =>
    id === posted ? movedOut(checks, truth, { id, arrival }) : settledFrom(checks, truth, id),
  );
  const next = text === undefined ? undefined : { ...storedHold(text), windows: [] };
  const was = closed.reduce(minus, hold?.demand ?? NOTHING);
  if (next === undefined) given(checks, truth, name);
  else truth.holds.set(name, next);
  const isMore = next !== undefined && exceeds(next.demand, was);
  if (isMore) checkPlenty(checks, { truth, arrival, name });
  if (next !== undefined) checkCover(checks, truth, name);
  const where = `${name} in ${truth.key}`;
  checkItem(checks, { truth, after, where, call: { holdId: name } }, (next ?? hold)?.day ?? 0);
  return true;
}

/** The lead was given back: what the call had under leases is nobody's. */
export function unleased(truth: AccountTruth, holdId: string): void {
  const part = truth.parts.get(holdId);
  if (part === undefined) return;
  truth.parts.delete(holdId);
  for (const window of part.windows) grow(truth, window, minus(NOTHING, part.demand));
}

interface LeaseChange {
  readonly name: string;
  /** Calls that the write names as settled for the first time. */
  readonly settled: readonly string[];
  /** Undefined where the lease is over. */
  readonly text: string | undefined;
}

function leaseChangeOf(
  { callOf }: LeaseChecks,
  { write, before }: Arrival,
): LeaseChange | undefined {
  const known = entriesOf(before ?? {}, 'h');
  for (const [[map, id], value] of write.set) {
    if (map !== 'h' || id === undefined || typeof value !== 'string' || !isLease(value)) continue;
    const old = settledIn(known[id]);
    return {
      name: id,
      text: value,
      settled: settledIn(value).filter((each) => !old.includes(each)),
    };
  }
  const gone = write.remove.find(([map, id]) => map === 'h' && id !== undefined)?.[1];
  if (gone === undefined || callOf(gone) !== undefined) return undefined;
  return { name: gone, text: undefined, settled: [] };
}

function isLease(text: unknown): boolean {
  return typeof text === 'string' && text.split('.')[5]?.startsWith('&') === true;
}

function settledIn(text: unknown): string[] {
  return typeof text === 'string' ? text.split('.').slice(6) : [];
}

function postedIds({ legs = [] }: Arrival): string[] {
  return legs.flatMap(({ key }) =>
    key.startsWith('posted/') ? [key.slice(key.lastIndexOf('/') + 1)] : [],
  );
}

function settledFrom({ violation, callOf }: LeaseChecks, truth: AccountTruth, id: string): Amount {
  const part = truth.parts.get(id);
  const where = `${id} in ${truth.key}`;
  const event = callOf(id)?.events[0];
  if (truth.settled.has(id)) violation(`I2 settled twice: ${where}`);
  if (part === undefined) violation(`I2 settled without a part: ${where}`);
  if (event === undefined) violation(`I4 settled before its usage event: ${where}`);
  if (part === undefined || event === undefined) return NOTHING;
  const used = usedBy(event, truth.key);
  if (exceeds(used, part.demand) && !isRunaway(part.call))
    violation(`I1 settled above its part: ${where}`);
  truth.parts.delete(id);
  truth.settled.add(id);
  spend(truth, part, used);
  return part.demand;
}

/** The reaper posts the call, and takes it out of the lease. */
function movedOut(
  { violation, callOf }: LeaseChecks,
  truth: AccountTruth,
  { id, arrival }: { id: string; arrival: Arrival },
): Amount {
  const entry = arrival.legs
    ?.flatMap(({ write }) => write.set)
    .find(([[name]]) => name === truth.key)?.[1];
  const call = callOf(id);
  if (typeof entry !== 'string' || call === undefined) {
    violation(`I2 posted from a lease without an entry: ${id} in ${truth.key}`);
    return NOTHING;
  }
  if (!call.isClosed && !call.isCrashed)
    violation(`I5 posted while it runs: ${id} in ${truth.key}`);
  if (truth.settled.has(id)) violation(`I2 posted although it is settled: ${id} in ${truth.key}`);
  const hold = { ...storedHold(entry), windows: truth.parts.get(id)?.windows ?? [] };
  call.accounts.add(truth.key);
  truth.parts.delete(id);
  truth.posted.set(id, hold);
  spend(truth, hold, hold.demand);
  return hold.demand;
}

/** The lease is over: nobody who used it is owed anything by it. */
function given({ violation }: LeaseChecks, truth: AccountTruth, name: string): void {
  truth.holds.delete(name);
  for (const [id, part] of truth.parts) {
    if (part.lease !== name) continue;
    truth.parts.delete(id);
    if (billedEntries(part.call).length > 0)
      violation(`I2 lease returned although the provider bills ${id} in ${truth.key}`);
  }
}

function checkCover(
  { violation }: Pick<LeaseChecks, 'violation'>,
  truth: AccountTruth,
  name: string,
): void {
  const held = truth.holds.get(name)?.demand ?? NOTHING;
  if (exceeds(openUnder(truth, name), held))
    violation(`I1 calls have more than their lease ${name} in ${truth.key}`);
}

const CLOCK_SKEW_MS = PROMISED_FAULTS.clockSkewMs;

/** Four fifths of every limit, whoever has taken them; told from the item's own counters. */
function checkPlenty(
  { violation, nowMs }: LeaseChecks,
  { truth, arrival, name }: { truth: AccountTruth; arrival: Arrival; name: string },
): void {
  const { before = {}, after = {} } = arrival;
  if (before['st'] !== 'active') violation(`inactive account leases ${name} in ${truth.key}`);
  const day = truth.holds.get(name)?.day ?? 0;
  const index = {
    day,
    month: Math.floor(day / 100),
    second: numberAt(after, 's'),
    minute: numberAt(after, 'm'),
  };
  for (const dimension of DIMENSION_NAMES) {
    const { code, window } = DIMENSIONS[dimension];
    // By the worker's clock, which is somewhere between.
    const around = [nowMs() - CLOCK_SKEW_MS, nowMs(), nowMs() + CLOCK_SKEW_MS];
    const limits = around.map((atMs) => limitInForce(before, dimension, atMs) ?? Infinity);
    const limit = Math.max(...limits);
    if (limit === Infinity) continue;
    if (window === 'open')
      violation(`leased where open calls are limited: ${name} in ${truth.key}`);
    else if (numberAt(after, code + index[window]) > 0.8 * limit)
      violation(`I5 leased beyond four fifths of ${dimension}: ${name} in ${truth.key}`);
  }
}

/** Room that no call has is not kept from the others. */
function checkIdle(
  { violation, nowMs, longestIdleMs }: LeaseChecks,
  truth: AccountTruth,
  name: string,
): void {
  const since = truth.leaseWrites.get(name) ?? nowMs();
  truth.leaseWrites.set(name, nowMs());
  const held = truth.holds.get(name)?.demand ?? NOTHING;
  if (exceeds(held, openUnder(truth, name)) && nowMs() - since > longestIdleMs)
    violation(`I5 idle lease ${name} in ${truth.key}`);
}

function openUnder(truth: AccountTruth, name: string): Amount {
  const parts = [...truth.parts.values()].filter(({ lease }) => lease === name);
  return parts.reduce((sum, { demand }) => plus(sum, demand), NOTHING);
}
