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

interface ReserveCall {
  readonly holdId: string;
  readonly demand: Demand;
  readonly scopes: readonly ScopeLimits[];
  readonly timeZone: string;
  readonly holdSeconds: number;
}

/** Not reserved. `undone` resolves when what siblings granted, or may have granted, is given back. */
type Unreserved = (Refusal | { readonly kind: 'faulted'; readonly fault: unknown }) & {
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
  const engine = { store, closingStore, clock };
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
  readonly closingStore: AccountStore;
  readonly clock: Clock;
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
  // A write that got no answer may have been applied: giving back a hold that is not there does nothing.
  const open = outcomes.flatMap((outcome) => (outcome.kind === 'denied' ? [] : [outcome]));
  const undone = closeAll(engine, open, planRelease);
  if (denied !== undefined) return { ...denied.refusal, undone };
  return { kind: 'faulted', fault: faulted?.fault, undone };
}

async function reserveOne(
  { store }: Engine,
  { scope, limits }: ScopeLimits,
  first: { request: ReserveRequest; timeZone: string },
): Promise<Outcome> {
  let grant: Grant = { request: first.request, limits };
  try {
    for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
      const { request } = grant;
      const write = planReserve(request, grant.limits, grant.account);
      const { kind, item } = await store.write(accountKey(scope), write);
      if (item === undefined) throw noAccount(scope);
      const account = parseAccount(item);
      const verdict = kind === 'applied' ? HELD : judgeReserve(account, request);
      if (verdict.kind === 'held') return { kind: 'granted', scope, grant: { ...grant, account } };
      if (verdict.kind === 'inactive') return { kind: 'denied', refusal: { ...verdict, scope } };
      if (verdict.kind === 'denied') {
        const { timeZone } = first;
        return { kind: 'denied', refusal: { kind: 'refused', scope, denial: verdict, timeZone } };
      }
      grant = { request: verdict.request, limits: verdict.limits, account };
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

/** Closes the hold in every account, whatever happens in one; a fault in any is thrown at the end. */
async function closeAll(
  { closingStore, clock }: Engine,
  grants: readonly { readonly scope: Scope; readonly grant: Grant }[],
  plan: (grant: Grant, now: ReserveRequest['at']) => AccountWrite,
): Promise<void> {
  const nowMs = clock.nowMs();
  const results = await Promise.allSettled(
    grants.map(({ scope, grant }) => {
      const { day, month } = grant.request.at;
      return closingStore.write(accountKey(scope), plan(grant, momentOf(nowMs, { day, month })));
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
