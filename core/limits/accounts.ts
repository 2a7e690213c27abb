/**
 * Accounts: reserve at every scope of a call in parallel, all or nothing, and settle there once. The
 * store is an argument; what a write means is decided in reserve.ts and settle.ts.
 */
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { holdIdOf } from '../ids.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import { type Account, type AccountItem, type HoldOwner, parseAccount } from './account.ts';
import { planCreate } from './account-setup.ts';
import type { AccountWrite } from './account-write.ts';
import type { Denial, Moment } from './denial.ts';
import { createDeniedMemory, type DeniedMemory } from './denied-memory.ts';
import type { Limits } from './dimensions.ts';
import { calendarDay } from './periods.ts';
import * as reap from './reap.ts';
import { expiredHolds, fateOf } from './reap.ts';
import {
  type Demand,
  judgeReserve,
  momentOf,
  planReserve,
  type ReserveRequest,
} from './reserve.ts';
import { type Actual, type Grant, planRelease, planSettle } from './settle.ts';

type WriteResult =
  | { readonly kind: 'applied'; readonly item: AccountItem }
  /** A condition did not hold; the item as it is, absent when there is none. */
  | { readonly kind: 'refused'; readonly item?: AccountItem };

/** The port to the accounts table. Throws GatewayError `limiter_unavailable` when the table is out of reach. */
export interface AccountStore {
  write(key: string, write: AccountWrite): Promise<WriteResult>;
  read(key: string): Promise<AccountItem | undefined>;
}

/** A scope to reserve at, with the limits that the caller believes are in force. */
export interface ScopeLimits {
  readonly scope: Scope;
  readonly limits: Limits;
  /** The account is made at the first call: nobody knows in advance which users and features exist. */
  readonly createIfAbsent?: boolean;
}

export interface Reservation {
  readonly kind: 'reserved';
  readonly holdId: string;
  readonly demand: Demand;
  readonly month: number;
  /** The lead first. */
  readonly grants: readonly ScopedGrant[];
}

interface ScopedGrant {
  readonly scope: Scope;
  readonly grant: Grant;
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

/** Each retry follows a refusal by a fresher item, so more than a few means a scope under extreme contention. */
const MAX_ATTEMPTS = 8;

/** `closingStore` settles and releases; it may be more patient than the one that callers wait for. */
export function createAccounts({
  store,
  closingStore = store,
  clock,
}: {
  store: AccountStore;
  closingStore?: AccountStore;
  clock: Clock;
}): Accounts {
  const engine = { store, closingStore, clock, memory: createDeniedMemory() };
  return {
    reserve: (call) => reserveAll(engine, call),
    settle: (reservation, actual) => settleAll(engine, reservation, actual),
    release: ({ grants }) => releaseAll(engine, grants),
    read: async (scope) => {
      const item = await store.read(accountKey(scope));
      return item === undefined ? undefined : parseAccount(item);
    },
  };
}

interface Engine {
  readonly store: AccountStore;
  readonly closingStore: AccountStore;
  readonly clock: Clock;
  readonly memory: DeniedMemory;
}

type Outcome =
  | { readonly kind: 'granted'; readonly scope: Scope; readonly grant: Grant }
  | { readonly kind: 'denied'; readonly refusal: Refusal }
  | {
      readonly kind: 'faulted';
      readonly scope: Scope;
      /** The attempt whose outcome is unknown. */
      readonly grant: Grant;
      readonly fault: unknown;
    };

async function reserveAll(engine: Engine, call: ReserveCall): Promise<Reservation | Unreserved> {
  const nowMs = engine.clock.nowMs();
  const at = momentOf(nowMs, calendarDay(nowMs, call.timeZone));
  const remembered = recallRefusal(engine.memory, call, nowMs);
  if (remembered !== undefined) return { ...remembered, undone: Promise.resolve() };
  const [lead] = call.scopes;
  if (lead === undefined) throw new TypeError('a call has at least the scope of its key');
  const holdId = holdIdOf(call.requestId);
  const expiresAtSeconds = Math.ceil(nowMs / 1000) + call.holdSeconds;
  const outcomes = await Promise.all(
    call.scopes.map((each) => {
      const owner = ownerOf(call, each === lead ? undefined : lead.scope);
      const request = { holdId, demand: call.demand, at, expiresAtSeconds, owner };
      return reserveOne(engine, each, { request, timeZone: call.timeZone });
    }),
  );

  const granted = outcomes.flatMap((outcome) => (outcome.kind === 'granted' ? [outcome] : []));
  const denied = outcomes.find((outcome) => outcome.kind === 'denied');
  const faulted = outcomes.find((outcome) => outcome.kind === 'faulted');
  if (denied === undefined && faulted === undefined) {
    const { demand } = call;
    return { kind: 'reserved', holdId, demand, month: at.month, grants: granted };
  }
  // A write that got no answer may have been applied: giving back a hold that is not there does nothing.
  const open = outcomes.flatMap((outcome) => (outcome.kind === 'denied' ? [] : [outcome]));
  const undone = releaseAll(engine, open);
  if (denied !== undefined) return { ...denied.refusal, undone };
  return { kind: 'faulted', fault: faulted?.fault, undone };
}

function ownerOf({ requestId, alias }: ReserveCall, lead: Scope | undefined): HoldOwner {
  if (lead === undefined) return { kind: 'lead', requestId, alias };
  return { kind: 'sibling', leadAccount: accountKey(lead) };
}

function recallRefusal(
  memory: DeniedMemory,
  { scopes, demand, timeZone }: ReserveCall,
  nowMs: number,
): Refusal | undefined {
  for (const { scope } of scopes) {
    const denial = memory.recall(accountKey(scope), demand, nowMs);
    if (denial !== undefined) return { kind: 'refused', scope, denial, timeZone };
  }
  return undefined;
}

async function reserveOne(
  engine: Engine,
  { scope, limits, createIfAbsent }: ScopeLimits,
  first: { request: ReserveRequest; timeZone: string },
): Promise<Outcome> {
  const key = accountKey(scope);
  let grant: Grant = { request: first.request, limits };
  let hasReaped = false;
  try {
    for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
      const { request } = grant;
      const write = planReserve(request, grant.limits, grant.account);
      const { kind, item } = await engine.store.write(key, write);
      if (item === undefined) {
        if (createIfAbsent !== true) throw noAccount(scope);
        await engine.store.write(key, planCreate(limits));
        continue;
      }
      const account = parseAccount(item);
      const verdict = kind === 'applied' ? HELD : judgeReserve(account, request);
      switch (verdict.kind) {
        case 'held':
          return { kind: 'granted', scope, grant: { ...grant, account } };
        case 'inactive':
          return { kind: 'denied', refusal: { ...verdict, scope } };
        case 'collision':
          throw contended();
        case 'retry':
          grant = { request: verdict.request, limits: verdict.limits, account };
          break;
        case 'denied': {
          // On contact: expired holds that were never sent may be what is in the way.
          if (!hasReaped && (await releaseUnsent(engine, key, account))) {
            hasReaped = true;
            break;
          }
          engine.memory.remember(key, verdict, request.at.nowMs);
          const { timeZone } = first;
          return { kind: 'denied', refusal: { kind: 'refused', scope, denial: verdict, timeZone } };
        }
      }
    }
    throw contended();
  } catch (fault) {
    return { kind: 'faulted', scope, grant, fault };
  }
}

const HELD = { kind: 'held' } as const;

function noAccount(scope: Scope): GatewayError {
  const cause = `no account ${accountKey(scope)}`;
  return new GatewayError('limiter_unavailable', 'The limits of this key are not ready yet.', {
    cause,
  });
}

function contended(): GatewayError {
  const message = 'The limits of this key are under too much contention.';
  return new GatewayError('limiter_unavailable', message, { retryAfterMs: 1_000 });
}

/** Gives back expired siblings whose lead is gone. True when there were any, so another try is worth it. */
async function releaseUnsent(
  { store, clock }: Engine,
  key: string,
  account: Account,
): Promise<boolean> {
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  let released = false;
  for (const open of expiredHolds(account, nowSeconds).slice(0, MAX_ATTEMPTS)) {
    const { owner } = open.hold;
    if (owner.kind === 'lead') continue;
    const lead = await store.read(owner.leadAccount);
    if (fateOf(open, lead === undefined ? undefined : parseAccount(lead)) !== 'release') continue;
    await store.write(key, reap.planRelease(open));
    released = true;
  }
  return released;
}

/** Siblings first, the lead last: while a sibling is open its lead tells the reaper that the call was sent. */
async function settleAll(
  engine: Engine,
  { grants, holdId }: Reservation,
  actual: Actual,
): Promise<void> {
  const [lead, ...siblings] = grants;
  const settle = ({ scope, grant }: ScopedGrant) =>
    settleOne(engine, { scope, grant, holdId }, actual);
  await allOrThrow(siblings.map(settle));
  if (lead !== undefined) await settle(lead);
}

/** A hold that the reaper has posted meanwhile is corrected to what was really used. */
async function settleOne(
  { closingStore, clock }: Engine,
  { scope, grant, holdId }: ScopedGrant & { readonly holdId: string },
  actual: Actual,
): Promise<void> {
  const key = accountKey(scope);
  const result = await closingStore.write(
    key,
    planSettle(grant, actual, closingMoment(grant, clock)),
  );
  if (result.kind === 'applied' || result.item === undefined) return;
  const hold = parseAccount(result.item).posted.get(holdId);
  if (hold !== undefined)
    await closingStore.write(key, reap.planCorrection({ id: holdId, hold }, actual));
}

/** The lead first: a sibling whose lead is gone was not sent, and the reaper gives it back. */
async function releaseAll(
  { closingStore, clock }: Engine,
  grants: readonly ScopedGrant[],
): Promise<void> {
  const release = ({ scope, grant }: ScopedGrant) =>
    closingStore.write(accountKey(scope), planRelease(grant, closingMoment(grant, clock)));
  const isLead = ({ grant }: ScopedGrant) => grant.request.owner.kind === 'lead';
  await allOrThrow(grants.filter(isLead).map(release));
  await allOrThrow(grants.filter((grant) => !isLead(grant)).map(release));
}

/** The period is the reserve's, whatever month it is now. */
function closingMoment({ request }: Grant, clock: Clock): Moment {
  const { day, month } = request.at;
  return momentOf(clock.nowMs(), { day, month });
}

/** Waits for all, whatever happens to one; a fault in any is thrown at the end. */
async function allOrThrow(writes: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(writes);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
