/**
 * Accounts: reserve at every scope of a call in parallel, all or nothing, and settle there once. The
 * store is an argument; what a write means is decided in reserve.ts and settle.ts.
 */
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import { type Account, type AccountItem, parseAccount } from './account.ts';
import type { AccountWrite } from './account-write.ts';
import type { Denial } from './denial.ts';
import type { Limits } from './dimensions.ts';
import { calendarDay } from './periods.ts';
import {
  type Demand,
  judgeReserve,
  momentOf,
  planReserve,
  type ReserveRequest,
} from './reserve.ts';
import { type Actual, type Grant, planRelease, planSettle } from './settle.ts';

export type WriteResult =
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
}

export interface Reservation {
  readonly kind: 'reserved';
  readonly holdId: string;
  readonly demand: Demand;
  readonly month: number;
  readonly grants: readonly { readonly scope: Scope; readonly grant: Grant }[];
}

export type Refusal =
  | {
      readonly kind: 'refused';
      readonly scope: Scope;
      readonly denial: Denial;
      readonly timeZone: string;
    }
  | { readonly kind: 'inactive'; readonly scope: Scope; readonly status: 'revoked' | 'suspended' };

export interface ReserveCall {
  readonly holdId: string;
  readonly demand: Demand;
  readonly scopes: readonly ScopeLimits[];
  readonly timeZone: string;
  readonly holdSeconds: number;
}

export interface Accounts {
  /** The refusal carries no open hold: what siblings granted is given back by `undone`. */
  reserve(call: ReserveCall): Promise<Reservation | (Refusal & { readonly undone: Promise<void> })>;
  settle(reservation: Reservation, actual: Actual): Promise<void>;
  release(reservation: Reservation): Promise<void>;
  read(scope: Scope): Promise<Account | undefined>;
}

/** Each retry follows a refusal by a fresher item, so more than a few means a scope under extreme contention. */
const MAX_ATTEMPTS = 8;

export function createAccounts({ store, clock }: { store: AccountStore; clock: Clock }): Accounts {
  const engine = { store, clock };
  return {
    reserve: (call) => reserveAll(engine, call),
    settle: async ({ grants }, actual) => {
      await closeAll(engine, grants, (grant, now) => planSettle(grant, actual, now));
    },
    release: ({ grants }) => closeAll(engine, grants, planRelease),
    read: async (scope) => {
      const item = await store.read(accountKey(scope));
      return item === undefined ? undefined : parseAccount(item);
    },
  };
}

interface Engine {
  readonly store: AccountStore;
  readonly clock: Clock;
}

type Outcome =
  | { readonly kind: 'granted'; readonly scope: Scope; readonly grant: Grant }
  | { readonly kind: 'denied'; readonly refusal: Refusal }
  | {
      readonly kind: 'faulted';
      readonly scope: Scope;
      readonly grant?: Grant;
      readonly fault: unknown;
    };

async function reserveAll(
  engine: Engine,
  call: ReserveCall,
): Promise<Reservation | (Refusal & { undone: Promise<void> })> {
  const nowMs = engine.clock.nowMs();
  const at = momentOf(nowMs, calendarDay(nowMs, call.timeZone));
  const expiresAtSeconds = Math.ceil(nowMs / 1000) + call.holdSeconds;
  const request: ReserveRequest = {
    holdId: call.holdId,
    demand: call.demand,
    at,
    expiresAtSeconds,
  };
  const outcomes = await Promise.all(
    call.scopes.map((scope) => reserveOne(engine, scope, { request, timeZone: call.timeZone })),
  );

  const granted = outcomes.flatMap((outcome) => (outcome.kind === 'granted' ? [outcome] : []));
  const denied = outcomes.find((outcome) => outcome.kind === 'denied');
  const faulted = outcomes.find((outcome) => outcome.kind === 'faulted');
  if (denied === undefined && faulted === undefined) {
    return {
      kind: 'reserved',
      holdId: call.holdId,
      demand: call.demand,
      month: at.month,
      grants: granted,
    };
  }
  const undone = closeAll(engine, granted, planRelease);
  if (denied !== undefined) return { ...denied.refusal, undone };
  await undone.catch(() => undefined);
  throw faulted?.fault;
}

async function reserveOne(
  engine: Engine,
  { scope, limits }: ScopeLimits,
  first: { request: ReserveRequest; timeZone: string },
): Promise<Outcome> {
  let attempt = { request: first.request, limits };
  let seen: Account | undefined;
  try {
    for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
      const result = await engine.store.write(
        accountKey(scope),
        planReserve(attempt.request, attempt.limits, seen),
      );
      if (result.item === undefined)
        throw new GatewayError('limiter_unavailable', 'The limits of this key are not ready yet.', {
          cause: `no account ${accountKey(scope)}`,
        });
      const account = parseAccount(result.item);
      const grant = { request: attempt.request, limits: attempt.limits, account };
      if (result.kind === 'applied') return { kind: 'granted', scope, grant };
      const verdict = judgeReserve(account, attempt.request);
      if (verdict.kind === 'held') return { kind: 'granted', scope, grant };
      if (verdict.kind === 'inactive')
        return { kind: 'denied', refusal: { kind: 'inactive', scope, status: verdict.status } };
      if (verdict.kind === 'denied')
        return {
          kind: 'denied',
          refusal: { kind: 'refused', scope, denial: verdict, timeZone: first.timeZone },
        };
      attempt = verdict;
      seen = account;
    }
    throw new GatewayError(
      'limiter_unavailable',
      'The limits of this key are under too much contention.',
      { retryAfterMs: 1_000 },
    );
  } catch (fault) {
    return { kind: 'faulted', scope, fault };
  }
}

/** Closes the hold in every account, whatever happens in one; a fault in any is thrown at the end. */
async function closeAll(
  { store, clock }: Engine,
  grants: readonly { readonly scope: Scope; readonly grant: Grant }[],
  plan: (grant: Grant, now: ReserveRequest['at']) => AccountWrite,
): Promise<void> {
  const nowMs = clock.nowMs();
  const results = await Promise.allSettled(
    grants.map(({ scope, grant }) => {
      const { day, month } = grant.request.at;
      return store.write(accountKey(scope), plan(grant, momentOf(nowMs, { day, month })));
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
