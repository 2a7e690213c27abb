/**
 * Accounts: reserve at every scope of a call in parallel, all or nothing, and settle there once. The
 * store is an argument; what a write means is decided in reserve.ts and settle.ts.
 */
import type { Clock } from '../clock.ts';
import { holdIdsOf } from '../ids.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import type { Account, HoldOwner } from './account.ts';
import { type AccountStore, readScope, readShards, StoreFault } from './account-store.ts';
import type { Denial, Moment } from './denial.ts';
import { createDeniedMemory, type DeniedMemory } from './denied-memory.ts';
import { createOutageAllowance, type OutageAllowance } from './outage.ts';
import {
  CALLERS_PATIENCE,
  CLOSERS_PATIENCE,
  callersTime,
  createPatientStore,
  type Pause,
} from './patient-store.ts';
import { calendarDay } from './periods.ts';
import { correctAccount, postedKey } from './posted.ts';
import { type Demand, holdOf, momentOf, type ReserveRequest } from './reserve.ts';
import { reserveScope, type ScopeEngine } from './reserve-scope.ts';
import type { LimitPlan } from './schedule.ts';
import { type Actual, type Grant, planRelease, planSettle } from './settle.ts';
import { scopeKeyOf } from './shards.ts';
import { createSliceMemory } from './slice-memory.ts';
import { planRepay } from './slices.ts';
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

interface ReserveCall {
  readonly requestId: string;
  readonly alias: string;
  readonly demand: Demand;
  /** The first is the lead: the key's own account. */
  readonly scopes: readonly ScopeLimits[];
  readonly timeZone: string;
  readonly holdSeconds: number;
  /** The call was refused before and asks for less. */
  readonly isSecond?: boolean;
}

/** Not reserved. `undone` resolves when what siblings granted, or may have granted, is given back. */
export type Unreserved = (Refusal | { readonly kind: 'faulted'; readonly fault: unknown }) & {
  readonly undone: Promise<void>;
};

export interface Accounts {
  reserve(call: ReserveCall): Promise<Reservation | Unreserved>;
  settle(reservation: Reservation, actual: Actual): Promise<void>;
  release(reservation: Reservation): Promise<void>;
  read(scope: Scope): Promise<Account | undefined>;
}

/** `closingStore` is for settling and giving back, where tests lead that elsewhere. */
export function createAccounts({
  store,
  closingStore = store,
  clock,
  pause = async () => {},
}: {
  store: AccountStore;
  closingStore?: AccountStore;
  clock: Clock;
  pause?: Pause;
}): Accounts {
  const engine = {
    store,
    closingStore: createPatientStore({ store: closingStore, patience: CLOSERS_PATIENCE, pause }),
    clock,
    pause,
    memory: createDeniedMemory(),
    slices: createSliceMemory(),
    allowance: createOutageAllowance(),
  };
  return {
    reserve: (call) => reserveAll(engine, call),
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
}

type Outcome = Undo &
  (
    | { readonly kind: 'granted'; readonly granted: ScopedGrant }
    | { readonly kind: 'denied'; readonly refusal: Refusal }
    | { readonly kind: 'faulted'; readonly fault: unknown; readonly scoped: ScopeLimits }
  );

/** What one scope's part of a call leaves behind that was given up. */
interface Undo {
  readonly request: ReserveRequest;
  readonly granted?: ScopedGrant;
  readonly strays: Strays;
}

async function reserveAll(engine: Engine, call: ReserveCall): Promise<Reservation | Unreserved> {
  const nowMs = engine.clock.nowMs();
  const at = momentOf(nowMs, calendarDay(nowMs, call.timeZone));
  const remembered = recallRefusal(engine.memory, call, at);
  if (remembered !== undefined) return { ...remembered, undone: Promise.resolve() };
  const [lead] = call.scopes;
  if (lead === undefined) throw new TypeError('a call has at least the scope of its key');
  const holdId = holdIdsOf(call.requestId)[call.isSecond === true ? 1 : 0];
  const expiresAtSeconds = Math.ceil(nowMs / 1000) + call.holdSeconds;
  const answers = await Promise.all(
    call.scopes.map((each) => {
      const owner = ownerOf(call, each === lead ? undefined : lead.scope);
      const request = { holdId, demand: call.demand, at, expiresAtSeconds, owner };
      return reserveOne(engine, each, { request, timeZone: call.timeZone });
    }),
  );
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

function ownerOf({ requestId, alias }: ReserveCall, lead: Scope | undefined): HoldOwner {
  if (lead === undefined) return { kind: 'lead', requestId, alias };
  return { kind: 'sibling', leadAccount: accountKey(lead) };
}

function recallRefusal(
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

async function reserveOne(
  engine: Engine,
  scoped: ScopeLimits,
  { request, timeZone }: { request: ReserveRequest; timeZone: string },
): Promise<Outcome> {
  const { scope, limits, policyVersion } = scoped;
  const key = accountKey(scope);
  const outcome = await reserveScope(engine, { key, plan: limits, policyVersion, request });
  const { strays } = outcome;
  switch (outcome.kind) {
    case 'granted':
      return { kind: 'granted', request, strays, granted: { ...outcome, scope, plan: limits } };
    case 'faulted':
      return { ...outcome, request, scoped };
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
    await settleOne(engine, { ...scoped, holdId }, actual);
    await allOrThrow(undoStrays(engine.closingStore, scoped.grant.request, scoped.strays));
  };
  const unchecked = grants.filter((each) => !isChecked(each));
  const late = Promise.allSettled(unchecked.map((each) => settleLate(engine, each, actual)));
  await allOrThrow(siblings.map(settle));
  await late;
  if (lead !== undefined) await settle(lead);
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

/** A hold that the reaper has posted meanwhile is corrected to what was really used. */
async function settleOne(
  engine: Engine,
  { key, grant, holdId }: ScopedGrant & { readonly holdId: string },
  actual: Actual,
): Promise<void> {
  const { closingStore: store, clock, pause } = engine;
  const at = closingMoment(grant, clock);
  const { kind } = await store.write(key, planSettle(grant, actual, at));
  const { request, plan } = grant;
  if (kind === 'refused' && clock.nowMs() >= request.expiresAtSeconds * 1000) {
    const posted = postedKey(key, { id: holdId, hold: holdOf(request, plan) });
    await correctAccount({ store, pause, account: key, key: posted, actual });
  }
  if (tookMore(actual, grant.request.demand)) await repay(engine, key, at);
}

function tookMore(actual: Actual, held: Demand): boolean {
  return (
    actual.nanoUsd > held.nanoUsd ||
    actual.inputTokens + actual.outputTokens > held.inputTokens + held.outputTokens
  );
}

/** The other shards pay. What a scope in full traffic leaves unpaid, the next such call tries again. */
async function repay({ closingStore }: Engine, key: string, at: Moment): Promise<void> {
  for (let tries = 0; tries < MAX_REPAYS; tries += 1) {
    const shards = await readShards(closingStore, scopeKeyOf(key), 1);
    const writes = planRepay(shards, key, at);
    if (writes.length === 0 || (await closingStore.writeTogether(writes))) return;
  }
}

const MAX_REPAYS = 4;

/** The lead first: a sibling whose lead is gone was not sent, and the reaper gives it back. */
async function undoAll(engine: Engine, undos: readonly Undo[]): Promise<void> {
  const undo = async ({ granted, request, strays }: Undo) => {
    if (granted !== undefined && isChecked(granted)) {
      const write = planRelease(granted.grant, closingMoment(granted.grant, engine.clock));
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

/** The period is the reserve's, whatever month it is now. */
function closingMoment({ request }: Grant, clock: Clock): Moment {
  const { day, month } = request.at;
  return momentOf(clock.nowMs(), { day, month });
}

/** Waits for all, whatever happens to one; a fault in any is thrown at the end. */
async function allOrThrow(writes: readonly Promise<unknown>[]): Promise<void> {
  throwFirst(await Promise.allSettled(writes));
}

function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
