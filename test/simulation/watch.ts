/** Watches a simulation: knows every call's truth, checks every step of it, counts what happened. */
import type { EpochMs } from '../../core/clock.ts';
import { holdIdOf, holdIdsOf } from '../../core/ids.ts';
import { DIMENSIONS } from '../../core/limits/dimensions.ts';
import type { GatewayResponse } from '../../core/response.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { type AccountTruth, createAccountTruths } from './account-truth.ts';
import { eventComplaints, expiredComplaints } from './call-checks.ts';
import {
  beginAgain,
  type CallRecord,
  isRunaway,
  type ProviderEntry,
  underName,
} from './call-record.ts';
import { type Change, changesOf, isPostedCall } from './change.ts';
import { booksComplaints, closedComplaints } from './end-checks.ts';
import type { UncheckedAdmission } from './environment.ts';
import type { Arrival } from './fake-dynamo.ts';
import { createHotScopes, type HotScopes, type HotScopesOptions } from './hot-scopes.ts';
import { type LeasedPart, leaseArrived, leased, unleased } from './lease-truth.ts';
import { createRefusals } from './refusals.ts';
import { createScopeBudgets } from './scope-budgets.ts';
import { createSoftChecks, type SoftChecks } from './soft-checks.ts';
import { isRaisedNow, numberAt } from './stored-item.ts';
import { createUncheckedChecks } from './unchecked-checks.ts';

export interface Counts {
  writes: number;
  /** Calls by what became of them; the rest was answered with a fault. */
  answered: number;
  refused: number;
  crashed: number;
  /** Calls that the gateway charged by an estimate, and calls whose provider ignored the maximum. */
  estimated: number;
  runaways: number;
  /** Holds that the reaper counted as spent. */
  posted: number;
  /** Charges for holds that a late copy of a reserve had made when its call was over. */
  strayCharged: number;
  /** Accounts where calls had room under a lease. */
  leased: number;
  /** Settlements that the reserve of another call has written. */
  ridden: number;
  /** Accounts that calls went on without, because they were out of reach. */
  unchecked: number;
  /** Attempts that were made ready while the call's room was being reserved. */
  madeReady: number;
  /** Those of which a provider had all but the end meanwhile. */
  shown: number;
  /** Calls that began by what had changed since. */
  begunAgain: number;
  /** Calls whose accounts were in the next day already. */
  laterDays: number;
  /** Holds that were granted while an override raised a limit of the account. */
  raised: number;
  /** Transactions that moved slices between the accounts of a scope. */
  slicesMoved: number;
  /** Soft limits that were told, and how often one was told again because a teller died in between. */
  softLimitsTold: number;
  toldAgain: number;
  /** Nano-dollars and tokens of budgets that were admitted beyond a limit. */
  overspent: number;
  phantomDenials: number;
}

export interface WatchOptions {
  readonly violation: (what: string) => void;
  readonly shardsOf: HotScopesOptions['shardsOf'];
  /** Limits changed so short a time ago that a gateway may remember refusals by the old ones. */
  readonly isFresh: () => boolean;
  /** The time of the fastest clock that any environment may have. */
  readonly latestMs: () => EpochMs;
  readonly nowMs: () => number;
  readonly longestIdleMs: number;
}

export interface Watch {
  readonly counts: Readonly<Counts>;
  readonly softChecks: Pick<SoftChecks, 'sent'>;
  arrived(arrival: Arrival): void;
  durable(event: UsageEvent): void;
  begun(call: CallRecord): void;
  decided(call: CallRecord): void;
  begunAgain(call: CallRecord): void;
  setUp: HotScopes['setUp'];
  answered(call: CallRecord, response: GatewayResponse): void;
  sent(call: CallRecord, entry: ProviderEntry): void;
  shown(call: CallRecord): void;
  closed(call: CallRecord): void;
  unchecked(admission: UncheckedAdmission): void;
  leased(account: string, part: LeasedPart): void;
  /** Nothing will happen any more. */
  ended(ledger: ReadonlyMap<string, UsageEvent>): void;
}

export function createWatch(options: WatchOptions): Watch {
  const { violation, shardsOf, isFresh, latestMs, nowMs, longestIdleMs } = options;
  const calls = new Set<CallRecord>();
  const counts = noCounts();
  const unchecked = createUncheckedChecks();
  const softChecks = createSoftChecks();
  const hotScopes = createHotScopes({ shardsOf });
  const scopeBudgets = createScopeBudgets({ shardsOf, nowMs });
  const refusals = createRefusals({ hotScopes, shardsOf, isFresh });
  const complain = (complaints: readonly string[]) => complaints.forEach(violation);
  const names = new Map<string, CallRecord>();
  const onLaterDay = new Set<string>();
  const callOf = (holdId: string) => {
    const call = names.get(holdId);
    return call && underName(call, holdId);
  };
  const leaseChecks = { violation, callOf, nowMs, longestIdleMs };
  const truths = createAccountTruths({
    callOf,
    violation,
    leaseArrived: (truth, arrival) => leaseArrived(leaseChecks, truth, arrival),
    onLeadReleased: unleased,
    latestMs,
    onExcess: (dimension, excess) => {
      const { window } = DIMENSIONS[dimension];
      if (window === 'day' || window === 'month') counts.overspent += excess;
    },
    onStrayCharged: () => {
      counts.strayCharged += 1;
    },
  });
  const accountsOf = (call: CallRecord): AccountTruth[] =>
    [...call.accounts].flatMap((name) => truths.all.get(name) ?? []);

  /** Its first reserve met an account that was in a later day: the gateway gave it back, and asks by that day. */
  function noteLaterDay(holdId: string): void {
    const call = names.get(holdId);
    const isLater = call !== undefined && holdIdsOf(call.requestId).indexOf(holdId) > 2;
    if (!isLater || onLaterDay.has(holdId)) return;
    onLaterDay.add(holdId);
    counts.laterDays += 1;
    complain(closedComplaints(call, accountsOf(call)));
    beginAgain(call, holdId);
  }

  return {
    counts,
    softChecks,
    arrived(arrival) {
      counts.writes += 1;
      const changes = changesOf(arrival);
      const reserve = changes.find(({ kind }) => kind === 'reserve');
      if (reserve !== undefined) noteLaterDay(reserve.holdId);
      truths.arrived(arrival);
      const { after, key } = arrival;
      if (isPostedCall(key)) return;
      complain(
        [hotScopes.arrived(arrival), softChecks.arrived(arrival)].flatMap((each) => each ?? []),
      );
      // So the windows that an account has are as many as time and clocks account for, and each is within its limit.
      if (numberAt(after ?? {}, 's') * 1_000 > latestMs())
        violation(`window ahead of clocks: ${key}`);
      if (after !== undefined) countApplied(counts, arrival, { changes, nowMs: nowMs() });
      const reserving = reserve && callOf(reserve.holdId);
      complain([scopeBudgets.arrived(arrival, reserving)].flatMap((each) => each ?? []));
      if (reserve !== undefined) refusals.arrived(arrival, reserve.holdId);
    },
    durable(event) {
      const call = names.get(holdIdOf(event.request_id));
      if (call === undefined) throw new Error(`event of nobody: ${event.request_id}`);
      const isReal = event.outcome !== 'expired';
      (isReal ? call.events : call.expiredEvents).push(event);
      complain(isReal ? eventComplaints(call, event) : expiredComplaints(call, event));
    },
    begun(call) {
      calls.add(call);
      for (const id of holdIdsOf(call.requestId)) names.set(id, call);
    },
    begunAgain(call) {
      counts.begunAgain += 1;
      complain(closedComplaints(call, accountsOf(call)));
    },
    sent(call, { hadRoom, wasReady }) {
      if (wasReady) counts.madeReady += 1;
      if (!hadRoom) violation(`I4 sent before its room was held: ${call.holdId}`);
      if (call.decided?.isByOld !== false) violation(`I6 sent by an old policy: ${call.holdId}`);
    },
    shown(call) {
      counts.shown += 1;
      if (call.decided?.isByOld !== false) violation(`I6 shown by an old policy: ${call.holdId}`);
    },
    decided: hotScopes.decided,
    setUp(scope, version, plan) {
      hotScopes.setUp(scope, version, plan);
      scopeBudgets.setUp(scope);
    },
    answered(call, response) {
      if (response.status === 200) counts.answered += 1;
      if (response.status < 500 && call.decided?.isByOld === true)
        violation(`I6 answered by an old policy: ${call.holdId}`);
      if (response.status === 200 && !call.hasRoom)
        violation(`I1 answered without room: ${call.holdId}`);
      if (response.status === 500) violation(`a fault of our own: ${call.holdId}`);
      const { isRefusal, phantom } = refusals.judge(call, response);
      if (isRefusal) counts.refused += 1;
      if (phantom !== undefined) {
        counts.phantomDenials += 1;
        violation(phantom);
      }
      hotScopes.answered(call);
    },
    leased(account, part) {
      counts.leased += 1;
      leased(leaseChecks, truths.truthOf(account), part);
    },
    unchecked(admission) {
      counts.unchecked += 1;
      complain(unchecked.complaints(admission));
    },
    closed: (call) => complain(closedComplaints(call, accountsOf(call))),
    ended(ledger) {
      complain(softChecks.ended(calls.values(), hotScopes.isHot));
      Object.assign(counts, softChecks.told());
      for (const call of calls.values()) count(counts, call);
      complain(booksComplaints(calls.values(), truths.all.values(), ledger));
    },
  };
}

function countApplied(
  counts: Counts,
  { legs, after = {} }: Arrival,
  { changes, nowMs }: { readonly changes: readonly Change[]; readonly nowMs: number },
): void {
  const last = changes.at(-1);
  if (last?.kind === 'post') counts.posted += 1;
  if (last?.kind !== 'reserve') return;
  if (legs !== undefined) counts.slicesMoved += 1;
  if (isRaisedNow(after, nowMs)) counts.raised += 1;
  counts.ridden += changes.length - 1;
}

function noCounts(): Counts {
  return {
    writes: 0,
    answered: 0,
    refused: 0,
    crashed: 0,
    estimated: 0,
    runaways: 0,
    posted: 0,
    strayCharged: 0,
    leased: 0,
    ridden: 0,
    unchecked: 0,
    madeReady: 0,
    shown: 0,
    begunAgain: 0,
    laterDays: 0,
    raised: 0,
    slicesMoved: 0,
    softLimitsTold: 0,
    toldAgain: 0,
    overspent: 0,
    phantomDenials: 0,
  };
}

function count(counts: Counts, call: CallRecord): void {
  if (call.isCrashed) counts.crashed += 1;
  if (call.events[0]?.estimated === true) counts.estimated += 1;
  if (isRunaway(call)) counts.runaways += 1;
}
