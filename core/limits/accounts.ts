/**
 * Accounts: reserve at every scope of a call in parallel, all or nothing, and settle there once. The
 * store is an argument; what a write means is decided in reserve.ts and settle.ts.
 */
import type { Clock, EpochMs } from '../clock.ts';
import { holdIdOf, type ReservesBefore } from '../ids.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import type { Account, HoldOwner } from './account.ts';
import { type AccountStore, readScope, StoreFault } from './account-store.ts';
import { allOrThrow, throwFirst } from './all-or-throw.ts';
import type { Denial } from './denial.ts';
import { createDeniedMemory, type DeniedMemory, recallRefusal } from './denied-memory.ts';
import { growCrowded } from './key-growth.ts';
import type { LeasedPart, Leases, LeasesOptions } from './leases.ts';
import { createLookedAt } from './looked-at.ts';
import { createOutageAllowance, type OutageAllowance } from './outage.ts';
import { createOutlook } from './outlook.ts';
import {
  CALLERS_PATIENCE,
  CLOSERS_PATIENCE,
  callersTime,
  createPatientStore,
  type Pause,
} from './patient-store.ts';
import { calendarDay, nextDay } from './periods.ts';
import { type Demand, momentOf, type ReserveRequest } from './reserve.ts';
import { contended, reserveScope, type ScopeEngine } from './reserve-scope.ts';
import { isLeasable, type LimitPlan } from './schedule.ts';
import { type Actual, type Grant, planRelease } from './settle.ts';
import { closingMoment, settleScope } from './settle-scope.ts';
import { createSliceMemory } from './slice-memory.ts';
import { type SoftCrossing, softCrossings } from './soft.ts';
import { type Strays, settleUnchecked, undoStrays } from './strays.ts';

/** A scope to reserve at, with the limits that the caller believes are in force. */
export interface ScopeLimits {
  readonly scope: Scope;
  readonly limits: LimitPlan;
  /**
   * Version of the policy that the limits are of. An account that is absent is made with them, and one
   * that an older policy wrote takes them on. Absent for keys, whose limits are not the policy's.
   */
  readonly policyVersion?: number;
}

export interface Reservation {
  readonly kind: 'reserved';
  readonly holdId: string;
  readonly demand: Demand;
  readonly month: number;
  /** The lead first. */
  readonly grants: readonly ScopedGrant[];
  /** Soft limits that this reserve found crossed and not told yet. */
  readonly crossings: readonly ScopedCrossing[];
}

type ScopedCrossing = SoftCrossing & { readonly scope: Scope['kind'] };

interface ScopedGrant {
  readonly scope: Scope;
  /** The scope's limits as the caller believes them. */
  readonly plan: LimitPlan;
  /** The account that holds: one of the scope's shards, and the grant is under its slice. */
  readonly key: string;
  readonly grant: Grant;
  readonly strays: Strays;
  /** Where the call has no hold of its own there, but room under a lease. */
  readonly part?: LeasedPart;
  /** Why the account could not be asked, where the call goes on without it (core/limits/outage.ts). */
  readonly unchecked?: StoreFault;
}

export type Refusal =
  | {
      readonly kind: 'refused';
      readonly scope: Scope;
      readonly denial: Denial;
      readonly timeZone: string;
    }
  | {
      readonly kind: 'inactive';
      readonly scope: Scope;
      readonly status: 'revoked' | 'suspended';
    };

export interface ReserveCall {
  readonly requestId: string;
  readonly alias: string;
  /** Of the caller's policy, for the row that is written if the process dies. */
  readonly policyVersion?: number;
  readonly demand: Demand;
  /** The first is the lead: the key's own account. */
  readonly scopes: readonly ScopeLimits[];
  readonly timeZone: string;
  readonly holdSeconds: number;
  /** Absent: none. A refusal from memory is for the first alone: what comes after asks for less, or by a newer policy. */
  readonly reservesBefore?: ReservesBefore;
}

/** Not reserved. `undone` resolves when what siblings granted, or may have granted, is given back. */
export type Unreserved = (Refusal | { readonly kind: 'faulted'; readonly fault: unknown }) & {
  readonly undone: Promise<void>;
};

export interface Accounts {
  reserve(call: ReserveCall): Promise<Reservation | Unreserved>;
  /** Whether the key's last call was refused here a moment ago, as this one then probably will be. Asks nobody. */
  refusedLately(call: ReserveCall): boolean;
  /** Whether all of its accounts had plenty of room here a moment ago, so that this call probably has it too. Asks nobody. */
  hadPlenty(call: ReserveCall): boolean;
  settle(reservation: Reservation, actual: Actual): Promise<void>;
  release(reservation: Reservation): Promise<void>;
  read(scope: Scope): Promise<Account | undefined>;
}

/** An argument, since most environments need none of it (ADR 0016). */
export type NewLeases = (shared: Omit<LeasesOptions, 'newName'>) => Leases;

/**
 * `closingStore` is for settling and giving back, where tests lead that elsewhere. With `newLeases` calls that run side by side
 * share what they take from the accounts of other scopes than their key's (core/limits/lease.ts).
 */
export function createAccounts({
  store,
  closingStore = store,
  clock,
  pause = async () => {},
  newLeases,
}: {
  store: AccountStore;
  closingStore?: AccountStore;
  clock: Clock;
  pause?: Pause;
  newLeases?: NewLeases | undefined;
}): Accounts {
  const leases = newLeases?.({ store: closingStore, clock, pause });
  const engine = {
    store,
    closingStore: createPatientStore({ store: closingStore, patience: CLOSERS_PATIENCE, pause }),
    clock,
    pause,
    memory: createDeniedMemory(),
    slices: createSliceMemory(),
    growing: new Set<string>(),
    grownAt: new Map<string, number>(),
    lookedAt: createLookedAt(),
    allowance: createOutageAllowance(),
    leases,
    rides: leases?.rides,
  };
  const outlook = createOutlook();
  return {
    async reserve(call) {
      const outcome = await reserveAll(engine, call);
      outlook.note(call, outcome.kind === 'reserved' ? outcome : undefined, clock.nowMs());
      return outcome;
    },
    refusedLately: (call) => outlook.isPoor(call, clock.nowMs()),
    hadPlenty: (call) => outlook.isRich(call, clock.nowMs()),
    settle: (reservation, actual) => settleAll(engine, reservation, actual),
    release: ({ grants }) => undoAll(engine, grants.map(undoOf)),
    read: (scope) => {
      const hasTime = callersTime(clock);
      const patience = CALLERS_PATIENCE;
      return readScope(createPatientStore({ store, patience, pause, hasTime }), accountKey(scope));
    },
  };
}

interface Engine extends ScopeEngine {
  readonly closingStore: AccountStore;
  readonly memory: DeniedMemory;
  readonly allowance: OutageAllowance;
  readonly leases: Leases | undefined;
}

type Outcome = Undo &
  (
    | { readonly kind: 'granted'; readonly granted: ScopedGrant }
    | { readonly kind: 'denied'; readonly refusal: Refusal }
    | { readonly kind: 'behind'; readonly day: number }
    | { readonly kind: 'faulted'; readonly fault: unknown; readonly scoped: ScopeLimits }
  );

/** What one scope's part of a call leaves behind that was given up. */
interface Undo {
  readonly request: ReserveRequest;
  readonly granted?: ScopedGrant;
  readonly strays: Strays;
}

async function reserveAll(
  engine: Engine,
  call: ReserveCall,
  laterDayMs?: EpochMs,
): Promise<Reservation | Unreserved> {
  const nowMs = laterDayMs ?? engine.clock.nowMs();
  const at = momentOf(nowMs, calendarDay(nowMs, call.timeZone));
  const { reservesBefore = 0 } = call;
  const remembered = reservesBefore === 0 ? recallRefusal(engine.memory, call, at) : undefined;
  if (remembered !== undefined) return { ...remembered, undone: Promise.resolve() };
  const lead = leadOf(call);
  const holdId = holdIdOf(call.requestId, reservesBefore, laterDayMs !== undefined);
  const expiresAtSeconds = Math.ceil(nowMs / 1000) + call.holdSeconds;
  const requestOf = (owner: HoldOwner) => ({
    holdId,
    demand: call.demand,
    at,
    expiresAtSeconds,
    owner,
  });
  const leases = isLeasable(lead.limits) ? engine.leases : undefined;
  const sibling = requestOf({ kind: 'sibling', leadAccount: accountKey(lead.scope) });
  const siblings = call.scopes.slice(1).map((scoped) => ({
    scoped,
    part: leases?.take({ key: accountKey(scoped.scope), plan: scoped.limits }, sibling),
  }));
  const uses = siblings.flatMap(({ part }) => part?.use ?? []);
  const { requestId, alias, policyVersion, timeZone } = call;
  const owner = {
    kind: 'lead',
    requestId,
    alias,
    ...(policyVersion === undefined ? {} : { policyVersion }),
    ...(uses.length === 0 ? {} : { leases: uses }),
  } as const;
  const answers = await Promise.all([
    reserveOne(engine, lead, { request: requestOf(owner), timeZone }),
    ...siblings.map(({ scoped, part }) =>
      part === undefined
        ? reserveOne(engine, scoped, { request: sibling, timeZone, leases })
        : leasedOutcome(scoped, part),
    ),
  ]);
  const behind = answers.find((outcome) => outcome.kind === 'behind');
  if (behind !== undefined) {
    const undone = undoAll(engine, answers);
    const beginMs = nextDay(nowMs, timeZone, behind.day);
    if (beginMs === undefined || laterDayMs !== undefined)
      return { kind: 'faulted', fault: contended(), undone };
    return undone.then(
      () => reserveAll(engine, call, beginMs),
      (fault: unknown) => ({ kind: 'faulted', fault, undone }),
    );
  }
  const outcomes = goOn(engine, answers);
  const grants = outcomes.flatMap((each) => (each.kind === 'granted' ? [each.granted] : []));
  const denied = outcomes.find((outcome) => outcome.kind === 'denied');
  const faulted = outcomes.find((outcome) => outcome.kind === 'faulted');
  if (denied === undefined && faulted === undefined) {
    const { demand } = call;
    const crossings = grants.flatMap(crossingsOf);
    return { kind: 'reserved', holdId, demand, month: at.month, grants, crossings };
  }
  const undone = undoAll(engine, outcomes);
  if (denied !== undefined) return { ...denied.refusal, undone };
  return { kind: 'faulted', fault: faulted?.fault, undone };
}

function leadOf({ scopes: [lead] }: ReserveCall): ScopeLimits {
  if (lead === undefined) throw new TypeError('a call has at least the scope of its key');
  return lead;
}

/**
 * A call whose key answered goes on without accounts that are out of reach and may fail open. Never without its key: whether
 * that was revoked is known there alone.
 */
function goOn(engine: Engine, outcomes: readonly Outcome[]): readonly Outcome[] {
  const isUseless =
    outcomes[0]?.kind !== 'granted' || outcomes.some(({ kind }) => kind === 'denied');
  return isUseless ? outcomes : outcomes.map((outcome) => uncheckedOf(engine, outcome));
}

function uncheckedOf({ slices, allowance }: Engine, outcome: Outcome): Outcome {
  if (outcome.kind !== 'faulted' || !(outcome.fault instanceof StoreFault)) return outcome;
  const { request, strays, scoped, fault } = outcome;
  const { scope, limits: plan } = scoped;
  if (!allowance.take(accountKey(scope), plan, request)) return outcome;
  const home = slices.home({ key: accountKey(scope), plan }, request.holdId);
  const grant = { request, plan: home.plan };
  const granted = { scope, plan, key: home.key, grant, strays, unchecked: fault };
  return { kind: 'granted', request, strays, granted };
}

function crossingsOf({ scope, grant: { account, request } }: ScopedGrant): ScopedCrossing[] {
  const crossings = account === undefined ? [] : softCrossings(account, request.at);
  return crossings.map((crossing) => ({ scope: scope.kind, ...crossing }));
}

function leasedOutcome({ scope, limits: plan }: ScopeLimits, part: LeasedPart): Outcome {
  const strays = { keys: [], setup: undefined };
  const granted = { scope, plan, key: part.use.account, grant: part.grant, strays, part };
  return { kind: 'granted', request: part.grant.request, strays, granted };
}

interface ReserveOne {
  readonly request: ReserveRequest;
  readonly timeZone: string;
  /** Absent where the call is not one to take leases for. */
  readonly leases?: Leases | undefined;
}

async function reserveOne(
  engine: Engine,
  scoped: ScopeLimits,
  { request, timeZone, leases }: ReserveOne,
): Promise<Outcome> {
  const { scope, limits, policyVersion } = scoped;
  const key = accountKey(scope);
  const outcome = await reserveScope(engine, { key, plan: limits, policyVersion, request });
  const { strays } = outcome;
  switch (outcome.kind) {
    case 'granted':
      if (outcome.grant.account !== undefined)
        leases?.asked(
          { key, plan: limits },
          { ...outcome, account: outcome.grant.account, request, timeZone },
        );
      return { kind: 'granted', request, strays, granted: { ...outcome, scope, plan: limits } };
    case 'faulted':
      return { ...outcome, request, scoped };
    case 'behind':
      return { ...outcome, request };
    case 'inactive': {
      const refusal = { kind: outcome.kind, status: outcome.status, scope };
      return { kind: 'denied', request, strays, refusal };
    }
    case 'denied': {
      engine.memory.remember(key, outcome, request.at);
      const refusal = { kind: 'refused', scope, denial: outcome, timeZone } as const;
      return { kind: 'denied', request, strays, refusal };
    }
  }
}

/**
 * Siblings first, the lead last: while a sibling is open its lead tells the reaper that the call was sent. Accounts that were
 * never asked may still be out of reach; giving up on them must not leave the lead open, to be posted at its hold.
 */
async function settleAll(
  engine: Engine,
  { grants, holdId }: Reservation,
  actual: Actual,
): Promise<void> {
  const [lead, ...siblings] = grants.filter(isChecked);
  const settle = async (scoped: ScopedGrant) => {
    await settleScope(engine, { ...scoped, holdId }, actual);
    await allOrThrow(undoStrays(engine.closingStore, scoped.grant.request, scoped.strays));
  };
  const unchecked = grants.filter((each) => !isChecked(each));
  const late = Promise.allSettled(unchecked.map((each) => settleLate(engine, each, actual)));
  await allOrThrow(siblings.map(settle));
  await late;
  if (lead !== undefined) await settle(lead);
  if (lead?.grant.request.owner.kind === 'lead') engine.leases?.confirm(holdId);
  if (lead !== undefined) await growCrowded(engine, { ...lead, scopeKey: accountKey(lead.scope) });
  throwFirst(await late);
}

function isChecked({ unchecked }: ScopedGrant): boolean {
  return unchecked === undefined;
}

async function settleLate(
  { closingStore, clock }: Engine,
  { key, grant, strays }: ScopedGrant,
  actual: Actual,
): Promise<void> {
  const at = closingMoment(grant, clock);
  await settleUnchecked(closingStore, { key, grant, setup: strays.setup }, { actual, at });
  const elsewhere = { ...strays, keys: strays.keys.filter((each) => each !== key) };
  await allOrThrow(undoStrays(closingStore, grant.request, elsewhere));
}

/** The lead first: a sibling whose lead is gone was not sent, and the reaper gives it back. */
async function undoAll(engine: Engine, undos: readonly Undo[]): Promise<void> {
  const undo = async ({ granted, request, strays }: Undo) => {
    if (granted?.part !== undefined) granted.part.giveBack();
    else if (granted !== undefined && isChecked(granted)) {
      const write = planRelease(granted.grant, closingMoment(granted.grant, engine.clock));
      if (request.owner.kind === 'lead') engine.rides?.moved(granted.key, undefined);
      await engine.closingStore.write(granted.key, write);
    }
    await allOrThrow(undoStrays(engine.closingStore, request, strays));
  };
  const isLead = ({ request }: Undo) => request.owner.kind === 'lead';
  await allOrThrow(undos.filter(isLead).map(undo));
  await allOrThrow(undos.filter((each) => !isLead(each)).map(undo));
}

function undoOf(granted: ScopedGrant): Undo {
  return { request: granted.grant.request, granted, strays: granted.strays };
}
