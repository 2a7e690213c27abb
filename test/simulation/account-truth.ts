/**
 * The invariants of accounts, checked at every write that the table applies. A model is kept beside each
 * account: the holds that are open, and what was settled, by month and day. The item must say the same,
 * and no reserve may be applied where the model has no room.
 */
import type { EpochMs } from '../../core/clock.ts';
import type { AccountWrite, StoredItem } from '../../core/limits/account-write.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from '../../core/limits/dimensions.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { isPassedOver, ownsAccount, scopeOf } from './account-names.ts';
import { billedEntries, type CallRecord, hasFailedToClose, isRunaway } from './call-record.ts';
import { type Change, changesOf, isPostedCall, marksOf } from './change.ts';
import type { Arrival } from './fake-dynamo.ts';
import { softMarksReached } from './soft-checks.ts';
import { countsDays, entriesOf, limitInForce, numberAt } from './stored-item.ts';
import {
  type Amount,
  beginOf,
  dayOf,
  minus,
  monthOf,
  NOTHING,
  plus,
  tokensOf,
} from './true-money.ts';

interface HoldTruth {
  readonly demand: Amount;
  readonly day: number;
  readonly windows: readonly string[];
  readonly expiresAtSeconds: number;
}

/** A call that has room under a lease. */
interface PartTruth extends HoldPart {
  readonly call: CallRecord;
  readonly lease: string;
}

type HoldPart = Pick<HoldTruth, 'demand' | 'day' | 'windows'>;

/** What an account should say. */
export interface AccountTruth {
  readonly key: string;
  readonly holds: Map<string, HoldTruth>;
  /** Expired holds that were counted as spent. */
  readonly posted: Map<string, HoldTruth>;
  /** Names of holds that may not be made any more. */
  readonly voided: Set<string>;
  /** Calls that were settled here. */
  readonly settled: Set<string>;
  /**
   * Settled sums by `M` + month and `D` + day, and what of them nobody owes by `U` + month; what rate windows
   * have let through by `s` and `m` + index.
   */
  readonly sums: Map<string, Amount>;
  /** Calls that have room under a lease, whose own hold is among the others; and when each lease was written last. */
  readonly parts: Map<string, PartTruth>;
  readonly leaseWrites: Map<string, number>;
}

export interface AccountTruthOptions {
  readonly callOf: (holdId: string) => CallRecord | undefined;
  readonly violation: (what: string) => void;
  /** The part of a demand that was admitted beyond a limit. */
  readonly onExcess: (dimension: Dimension, excess: number) => void;
  /** A hold was charged that a late copy of a reserve had made when its call was over. Nobody owes it. */
  readonly onStrayCharged: () => void;
  /** The time of the fastest clock that any environment may have. */
  readonly latestMs: () => EpochMs;
  /** False where the write is to no lease (test/simulation/lease-truth.ts). */
  readonly leaseArrived: (truth: AccountTruth, arrival: Arrival) => boolean;
  /** The call's lead was given back: told for each of its accounts. */
  readonly onLeadReleased: (truth: AccountTruth, holdId: string) => void;
}

export interface AccountTruths {
  readonly all: ReadonlyMap<string, AccountTruth>;
  arrived(arrival: Arrival): void;
  truthOf(account: string): AccountTruth;
}

export function createAccountTruths(options: AccountTruthOptions): AccountTruths {
  const all = new Map<string, AccountTruth>();
  function truthOf(key: string): AccountTruth {
    const truth = all.get(key) ?? newTruth(key);
    all.set(key, truth);
    return truth;
  }
  return {
    all,
    truthOf,
    arrived(arrival) {
      const { key, write, before, after } = arrival;
      if (isPostedCall(key)) return;
      if (after !== undefined) keepMarks(truthOf(key), write);
      if (options.leaseArrived(truthOf(key), arrival)) return;
      if (before === undefined) return;
      const applied = changesOf(arrival).flatMap((change): Applied[] => {
        const call = options.callOf(change.holdId);
        if (call === undefined) throw new Error(`hold of nobody ${change.holdId} in ${key}`);
        if (change.kind === 'reserve') call.accounts.add(key);
        if (after === undefined) return [];
        const where = `${change.holdId} in ${key}`;
        const others = otherShards(all, key);
        return [{ change, seen: { truth: truthOf(key), others, call, before, after, where } }];
      });
      const days = applied.map(({ seen, change }) => apply(options, seen, change));
      for (const [index, { seen }] of applied.entries()) {
        const day = days[index];
        if (day !== undefined) checkItem(options, seen, day);
      }
      for (const { change, seen } of applied)
        if (change.kind === 'release' && key.startsWith('key/'))
          for (const account of seen.call.accounts)
            options.onLeadReleased(truthOf(account), change.holdId);
    },
  };
}

interface Applied {
  readonly change: Change;
  readonly seen: Seen;
}

function otherShards(all: ReadonlyMap<string, AccountTruth>, key: string): AccountTruth[] {
  const scope = scopeOf(key);
  const others: AccountTruth[] = [];
  for (let index = 0; index < MOST_SHARDS; index += 1) {
    const other = index === 0 ? scope : `${scope}%.${index}`;
    const truth = other === key ? undefined : all.get(other);
    if (truth !== undefined) others.push(truth);
    // A scope with one account, as most: its second account would be the first other one.
    if (truth === undefined && index === 1 && key === scope) return others;
  }
  return others;
}

const MOST_SHARDS = 32;

function keepMarks({ voided }: AccountTruth, write: AccountWrite): void {
  const { made, swept } = marksOf(write);
  for (const id of made) voided.add(id);
  for (const id of swept) voided.delete(id);
}

function newTruth(key: string): AccountTruth {
  return {
    key,
    holds: new Map(),
    posted: new Map(),
    voided: new Set(),
    settled: new Set(),
    sums: new Map(),
    parts: new Map(),
    leaseWrites: new Map(),
  };
}

interface Seen {
  readonly truth: AccountTruth;
  /** The scope's other accounts. */
  readonly others: readonly AccountTruth[];
  readonly call: CallRecord;
  readonly before: StoredItem;
  readonly after: StoredItem;
  readonly where: string;
}

/** The day whose counters are to be checked when all of the write has been applied. */
function apply(options: AccountTruthOptions, seen: Seen, change: Change): number | undefined {
  return change.kind === 'reserve'
    ? reserved(options, seen, change.hold)
    : CLOSINGS[change.kind](options, seen);
}

function reserved(
  options: AccountTruthOptions,
  seen: Seen,
  stored: Extract<Change, { kind: 'reserve' }>['hold'],
): number {
  const { violation } = options;
  const { truth, call, before, after, where } = seen;
  if (before['st'] !== 'active') violation(`inactive account admits ${where}`);
  if (!ownsAccount(call.key, truth.key)) violation(`I7 account of another caller: ${where}`);
  if (truth.holds.has(call.holdId)) violation(`I1 held twice: ${where}`);
  if (truth.voided.has(call.holdId)) violation(`I1 held after it was voided: ${where}`);
  for (const latest of ['s', 'm'])
    if (numberAt(after, latest) < numberAt(before, latest)) violation(`window goes back: ${where}`);
  adoptDay(options, call, stored.day);
  const { decided } = call;
  const day = decided === undefined ? 0 : dayOf(decided.atMs, decided.policy.timeZone);
  if (stored.day !== day) violation(`I6 held for day ${stored.day}, reserved on ${day}: ${where}`);
  const windows = [`s${numberAt(after, 's')}`, `m${numberAt(after, 'm')}`];
  truth.holds.set(call.holdId, { ...stored, day, windows });
  for (const window of windows) grow(truth, window, stored.demand);
  checkLimits(options, seen, { day, windows });
  const sums = {
    inMonth: committedInMonth(truth, monthOf(day)),
    inDay: committedOnDay(truth, day),
  };
  for (const mark of softMarksReached(after, day, sums))
    call.softCrossings.add(`${truth.key} ${mark}`);
  return day;
}

/** An account was in a later day already: the call is one of that day, everywhere, from its beginning on. */
function adoptDay({ latestMs }: AccountTruthOptions, call: CallRecord, day: number): void {
  const { decided } = call;
  if (decided === undefined) return;
  const { timeZone } = decided.policy;
  const hasBegun = dayOf(latestMs(), timeZone) >= day;
  if (!hasBegun || dayOf(decided.atMs, timeZone) >= day) return;
  call.decided = { ...decided, atMs: beginOf(day, timeZone) };
}

function settled(options: AccountTruthOptions, seen: Seen): number | undefined {
  const { violation } = options;
  const { truth, call, where } = seen;
  const hold = closeHold(options, seen);
  const [event] = call.events;
  if (hold === undefined) return undefined;
  if (event === undefined) {
    violation(`I4 settled before its usage event: ${where}`);
    return undefined;
  }
  const used = usedBy(event, truth.key);
  if (exceeds(used, hold.demand) && !isRunaway(call))
    violation(`I1 settled above its hold: ${where} ${text(used)} > ${text(hold.demand)}`);
  if (truth.settled.has(call.holdId)) unowed(options, seen, { hold, charged: used });
  truth.settled.add(call.holdId);
  spend(truth, hold, used);
  return hold.day;
}

function released(options: AccountTruthOptions, seen: Seen): number | undefined {
  const { truth, others, call, where } = seen;
  const hold = closeHold(options, seen);
  if (hold === undefined) return undefined;
  // A copy of the reserve went to another account of the scope than the one that the call holds in.
  const isStray = others.some(
    ({ holds, settled }) => holds.has(call.holdId) || settled.has(call.holdId),
  );
  // A copy that arrived in an account which the call went on without, and which stayed out of reach when it ended.
  const isGivenUp = call.unchecked.has(truth.key) && hasFailedToClose(call);
  if (billedEntries(call).length > 0 && !truth.settled.has(call.holdId) && !isGivenUp && !isStray)
    options.violation(`I2 released although the provider bills it: ${where}`);
  spend(truth, hold, NOTHING);
  return hold.day;
}

/** The reaper's safe side: right for a call that died or could not be closed, and for no other. */
function posted(options: AccountTruthOptions, seen: Seen): number | undefined {
  const { violation } = options;
  const { truth, call, where } = seen;
  const hold = closeHold(options, seen);
  if (hold === undefined) return undefined;
  if (!call.isClosed && !call.isCrashed) violation(`I5 reaped while it runs: ${where}`);
  if (isUnowed(truth, call)) unowed(options, seen, { hold, charged: NOTHING });
  truth.posted.set(call.holdId, hold);
  spend(truth, hold, hold.demand);
  return hold.day;
}

/** The hold of a late copy of a reserve, most likely: what it is charged is kept apart to find out more. */
function unowed(
  { violation, onStrayCharged }: AccountTruthOptions,
  { truth, where }: Seen,
  { hold, charged }: { hold: HoldTruth; charged: Amount },
): void {
  onStrayCharged();
  violation(`I2 charged although nothing is owed: ${where}`);
  grow(truth, `U${monthOf(hold.day)}`, charged);
}

/** True where the call was settled already, or was over, without a fault, and without having cost anything. */
function isUnowed(truth: AccountTruth, call: CallRecord): boolean {
  const wasFree = call.isClosed && !hasFailedToClose(call) && billedEntries(call).length === 0;
  return truth.settled.has(call.holdId) || wasFree;
}

function corrected(options: AccountTruthOptions, seen: Seen): number | undefined {
  const { truth, call, where } = seen;
  const hold = truth.posted.get(call.holdId);
  const [event] = call.events;
  if (hold === undefined || event === undefined) {
    options.violation(`I2 corrected without cause: ${where}`);
    return undefined;
  }
  truth.posted.delete(call.holdId);
  truth.settled.add(call.holdId);
  const difference = { ...minus(usedBy(event, truth.key), hold.demand), requests: 0 };
  for (const period of periodsOf(hold.day)) grow(truth, period, difference);
  return hold.day;
}

/** Right where the call was admitted without the account, and for no other. */
function forced({ violation }: AccountTruthOptions, seen: Seen): number | undefined {
  const { truth, call, where } = seen;
  const [event] = call.events;
  if (!call.unchecked.has(truth.key))
    violation(`I1 counted although it was never admitted so: ${where}`);
  if (truth.settled.has(call.holdId)) violation(`I2 counted twice: ${where}`);
  if (event === undefined || call.decided === undefined) {
    violation(`I4 settled before its usage event: ${where}`);
    return undefined;
  }
  call.accounts.add(truth.key);
  truth.settled.add(call.holdId);
  const day = dayOf(call.decided.atMs, call.decided.policy.timeZone);
  for (const period of periodsOf(day)) grow(truth, period, usedBy(event, truth.key));
  return day;
}

const CLOSINGS = {
  settle: settled,
  release: released,
  post: posted,
  correct: corrected,
  force: forced,
} as const;

function closeHold({ violation }: AccountTruthOptions, { truth, call, where }: Seen) {
  const hold = truth.holds.get(call.holdId);
  if (hold === undefined) violation(`I2 closed without a hold: ${where}`);
  truth.holds.delete(call.holdId);
  return hold;
}

export function spend(truth: AccountTruth, hold: HoldPart, used: Amount): void {
  for (const period of periodsOf(hold.day)) grow(truth, period, used);
  for (const window of hold.windows) grow(truth, window, minus(used, hold.demand));
}

/** What the call used of the account. A provider's pool that another one stood in for served no tokens. */
export function usedBy(event: UsageEvent, account: string): Amount {
  if (isPassedOver(account, event)) return { ...NOTHING, requests: 1 };
  return {
    requests: 1,
    inputTokens:
      (event.input_tokens ?? 0) +
      (event.cached_input_tokens ?? 0) +
      (event.cache_write_5m_tokens ?? 0),
    outputTokens: event.output_tokens ?? 0,
    nanoUsd: event.cost_nano_usd,
  };
}

/** I1 and the rate windows: what the reserve leaves committed is within every limit in force. */
function checkLimits(
  { violation, onExcess }: AccountTruthOptions,
  { truth, call, after, where }: Seen,
  { day, windows }: { day: number; windows: readonly string[] },
): void {
  const committed: Readonly<Record<(typeof DIMENSIONS)[Dimension]['window'], Amount>> = {
    day: committedOnDay(truth, day),
    month: committedInMonth(truth, monthOf(day)),
    second: truth.sums.get(windows[0] ?? '') ?? NOTHING,
    minute: truth.sums.get(windows[1] ?? '') ?? NOTHING,
    open: { ...NOTHING, requests: truth.holds.size },
  };
  for (const dimension of DIMENSION_NAMES) {
    const { counts, window } = DIMENSIONS[dimension];
    const limit = limitInForce(after, dimension, call.decided?.atMs ?? 0);
    const used = countOf(committed[window], counts);
    if (limit === undefined || used <= limit) continue;
    onExcess(dimension, used - limit);
    violation(`I1 ${dimension} ${used} > ${limit}: ${where}`);
  }
}

function committedInMonth({ holds, sums }: AccountTruth, month: number): Amount {
  let sum = sums.get(`M${month}`) ?? NOTHING;
  for (const { day, demand } of holds.values()) if (monthOf(day) === month) sum = plus(sum, demand);
  return sum;
}

function committedOnDay({ holds, sums }: AccountTruth, day: number): Amount {
  let sum = sums.get(`D${day}`) ?? NOTHING;
  for (const hold of holds.values()) if (hold.day === day) sum = plus(sum, hold.demand);
  return sum;
}

/** The item's counters of the month and the day are the model's, and so are its holds. */
export function checkItem(
  { violation }: Pick<AccountTruthOptions, 'violation'>,
  seen: Pick<Seen, 'truth' | 'after' | 'where'> & { readonly call: Pick<CallRecord, 'holdId'> },
  day: number,
): void {
  const { truth, after, where } = seen;
  const month = monthOf(day);
  const sums = truth.sums.get(`M${month}`) ?? NOTHING;
  const inMonth = committedInMonth(truth, month);
  const inDay = committedOnDay(truth, day);
  const daily: [string, number][] = countsDays(after)
    ? [
        [`uD${day}`, inDay.nanoUsd],
        [`tD${day}`, tokensOf(inDay)],
      ]
    : [];
  const expected: [string, number][] = [
    [`uM${month}`, inMonth.nanoUsd],
    [`tM${month}`, tokensOf(inMonth)],
    [`sn${month}`, sums.requests],
    [`si${month}`, sums.inputTokens],
    [`so${month}`, sums.outputTokens],
    [`su${month}`, sums.nanoUsd],
    ...daily,
  ];
  for (const [name, value] of expected)
    if (numberAt(after, name) !== value)
      violation(`I1 ${name} is ${numberAt(after, name)}, not ${value}: ${where}`);
  const { holdId } = seen.call;
  if (!agrees(entriesOf(after, 'h'), truth.holds, holdId)) violation(`open holds differ: ${where}`);
  if (!agrees(entriesOf(after, 'x'), truth.voided, holdId)) violation(`marks differ: ${where}`);
}

/** The same number of names, and the same answer for the one that this write was about. */
function agrees(
  entries: object,
  expected: Pick<ReadonlySet<string>, 'has' | 'size'>,
  name: string,
): boolean {
  return (
    Object.keys(entries).length === expected.size &&
    Object.hasOwn(entries, name) === expected.has(name)
  );
}

function periodsOf(day: number): [string, string] {
  return [`M${monthOf(day)}`, `D${day}`];
}

export function grow({ sums }: AccountTruth, name: string, amount: Amount): void {
  sums.set(name, plus(sums.get(name) ?? NOTHING, amount));
}

export function exceeds(used: Amount, held: Amount): boolean {
  return (
    used.nanoUsd > held.nanoUsd ||
    used.inputTokens > held.inputTokens ||
    used.outputTokens > held.outputTokens
  );
}

export function countOf(amount: Amount, counts: (typeof DIMENSIONS)[Dimension]['counts']): number {
  return counts === 'tokens' ? tokensOf(amount) : amount[counts];
}

function text({ inputTokens, outputTokens, nanoUsd }: Amount): string {
  return `${inputTokens}+${outputTokens} tokens, ${nanoUsd} nano-USD`;
}
