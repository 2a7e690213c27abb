/**
 * The leases of one worker: which call has room under one, when one is taken, and the rounds in which each is written. A lease
 * begins where several calls of one second asked the same account, is renewed twice a second while calls use it, and
 * ends when none does.
 */
import type { Clock } from '../clock.ts';
import type { RandomText } from '../ids.ts';
import type { Account, LeaseUse } from './account.ts';
import type { AccountStore } from './account-store.ts';
import type { Moment } from './denial.ts';
import {
  answered,
  beginRound,
  givePartBack,
  isFull,
  isQuiet,
  type Lease,
  newLease,
  nextWrite,
  noteAsked,
  settledIn,
  settlePart,
  takePart,
  waitingIn,
} from './lease.ts';
import { NO_ROOM, plus, type Room, roomOf } from './lease-room.ts';
import { CLOSERS_PATIENCE, createPatientStore, type Pause } from './patient-store.ts';
import { calendarDay } from './periods.ts';
import { correctAccount, postedKey } from './posted.ts';
import { GRACE_SECONDS, holdOf, momentOf, type ReserveRequest } from './reserve.ts';
import { createRides, type Rides } from './rides.ts';
import { isLeasable, type LimitPlan, planVersionOf } from './schedule.ts';
import type { Actual, Grant } from './settle.ts';

/** A call's room under a lease, which it holds without a write. */
export interface LeasedPart {
  readonly use: LeaseUse;
  readonly grant: Grant;
  /** Resolves when the account has it, together with others. */
  settle(actual: Actual): Promise<void>;
  /** Only once nothing of the call is open elsewhere. */
  giveBack(): void;
}

/** A scope by the key of its first account, with the plan that the caller believes in force. */
interface PlannedScope {
  readonly key: string;
  readonly plan: LimitPlan;
}

/** What a call was granted by the account itself. */
interface Asked {
  readonly key: string;
  readonly account: Account;
  readonly request: ReserveRequest;
  readonly timeZone: string;
}

export interface Leases {
  take(scope: PlannedScope, request: ReserveRequest): LeasedPart | undefined;
  asked(scope: PlannedScope, asked: Asked): void;
  /** The lead of a settled call is closed, so that nobody will ask what became of the call. */
  confirm(holdId: string): void;
  readonly rides: Rides;
}

export interface LeasesOptions {
  readonly store: AccountStore;
  readonly clock: Clock;
  readonly pause: Pause;
  readonly newName: RandomText;
}

/** Calls end at any time; what ends within so long is written together. */
const ROUND_MS = 500;
/** A lease costs two or three writes: worth it where so many calls of a second ask. */
const WORTH_CALLS = 3;
const NAME_LENGTH = 8;
const MAX_SCOPES = 10_000;

export function createLeases(options: LeasesOptions): Leases {
  const { clock, newName } = options;
  const current = new Map<string, Current>();
  const live = new Set<Lease>();
  const recent = new Map<string, Recent>();

  function forget(): void {
    const nowSeconds = clock.nowMs() / 1000;
    for (const lease of live)
      if (lease.rounds === undefined && lease.expiresAtSeconds + GRACE_SECONDS < nowSeconds)
        live.delete(lease);
    if (current.size >= MAX_SCOPES) current.clear();
  }

  return {
    rides: createRides(options),
    take({ key, plan }, request) {
      const known = current.get(key);
      if (known === undefined) return undefined;
      const { lease, of } = known;
      if (lease.isOver || of !== planVersionOf(plan) || lease.day !== request.at.day) {
        current.delete(key);
        return undefined;
      }
      const part = takePart(lease, request);
      if (part === undefined) return undefined;
      return {
        use: { account: lease.key, lease: lease.name },
        grant: { request: part.request, plan: lease.plan, account: lease.seen },
        settle(actual) {
          const done = settlePart(part, actual);
          wake(options, lease, ROUND_MS);
          return done;
        },
        giveBack() {
          // What has expired may have been posted from the lease: then it is no longer there to give.
          if (clock.nowMs() >= request.expiresAtSeconds * 1000) return;
          givePartBack(part);
          wake(options, lease, ROUND_MS);
        },
      };
    },
    asked({ key, plan }, { key: account, account: seen, request, timeZone }) {
      const known = current.get(key);
      if (known !== undefined && !known.lease.isOver) {
        noteAsked(known.lease, request);
        return wake(options, known.lease, ROUND_MS);
      }
      const used = usedThisSecond(recent, key, request);
      if (used.requests < WORTH_CALLS || !isLeasable(seen.plan)) return;
      forget();
      const { day, nowMs } = request.at;
      const holdSeconds = request.expiresAtSeconds - Math.ceil(nowMs / 1000);
      const name = newName(NAME_LENGTH);
      const origin = { name, key: account, plan: seen.plan, day, timeZone, holdSeconds, seen };
      const lease = newLease(origin, used);
      current.set(key, { lease, of: planVersionOf(plan) });
      live.add(lease);
      wake(options, lease, 0);
    },
    confirm(holdId) {
      for (const lease of live) {
        if (!settledIn(lease.hold).includes(holdId)) continue;
        lease.confirmed.add(holdId);
        wake(options, lease, ROUND_MS);
      }
    },
  };
}

/** The lease that a scope's calls take from. */
interface Current {
  readonly lease: Lease;
  /** Version of the scope's plan, of which the account's may be a slice. */
  readonly of: string;
}

interface Recent {
  readonly second: number;
  readonly used: Room;
}

function usedThisSecond(recent: Map<string, Recent>, key: string, request: ReserveRequest): Room {
  const { at, demand } = request;
  const known = recent.get(key);
  const before = known?.second === at.second ? known.used : NO_ROOM;
  const used = plus(before, roomOf(demand));
  if (recent.size >= MAX_SCOPES) recent.clear();
  recent.set(key, { second: at.second, used });
  return used;
}

function wake(options: LeasesOptions, lease: Lease, firstPauseMs: number): void {
  lease.rounds ??= keep(options, lease, firstPauseMs);
  if (isFull(lease)) lease.endRound();
}

const MAX_FAULTS = 3;

/**
 * Rounds until nothing is to be done. Never rejects: who waits for a settlement is told. After some faults the lease is left alone until
 * a call needs it again, or to the reaper.
 */
async function keep(options: LeasesOptions, lease: Lease, firstPauseMs: number): Promise<void> {
  await roundOf(options, lease, firstPauseMs);
  for (let faults = 0; faults < MAX_FAULTS; await roundOf(options, lease, ROUND_MS)) {
    beginRound(lease, nowOf(options, lease));
    try {
      await writeRound(options, lease);
    } catch (fault) {
      faults += 1;
      for (const { done } of waitingIn(lease)) done.reject(fault);
    }
    if (isQuiet(lease)) break;
  }
  lease.rounds = undefined;
}

/** Until the pause is over, or the round is full. */
async function roundOf({ pause }: LeasesOptions, lease: Lease, longestMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  lease.endRound = resolve;
  await Promise.race([pause(longestMs), promise]);
}

/** A refusal says what is wrong; the account is asked for more room once again, and then only for what needs none. */
const MAX_TRIES = 6;
const TRIES_TO_TAKE = 2;

async function writeRound(options: LeasesOptions, lease: Lease): Promise<void> {
  let isDoubtful = false;
  const store = createPatientStore({
    ...options,
    patience: CLOSERS_PATIENCE,
    onDoubt() {
      isDoubtful = true;
      if (lease.hold === undefined) lease.isDoubtful = true;
    },
  });
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    await correctPostedParts({ ...options, store }, lease);
    const write = nextWrite(lease, nowOf(options, lease), tries < TRIES_TO_TAKE);
    if (write === undefined) return;
    const answer = await store.write(lease.key, write.write);
    if (answered(lease, write, { ...answer, isDoubtful })) return;
  }
}

/** Calls that expired before they were settled: the reaper may have posted them, and taken them out of the lease. */
async function correctPostedParts(
  { store, pause, clock }: LeasesOptions,
  lease: Lease,
): Promise<void> {
  const { key: account, plan } = lease;
  for (const waiting of waitingIn(lease)) {
    const { request, settled, done } = waiting;
    if (!lease.isOver && clock.nowMs() < request.expiresAtSeconds * 1000) continue;
    const key = postedKey(account, { id: settled.holdId, hold: holdOf(request, plan) });
    const isPosted = await correctAccount({ store, pause, account, key, actual: settled.actual });
    if (!isPosted && !lease.isOver) continue;
    lease.queue = lease.queue.filter((each) => each !== waiting);
    done.resolve();
  }
}

function nowOf({ clock }: LeasesOptions, { timeZone }: Lease): Moment {
  const nowMs = clock.nowMs();
  return momentOf(nowMs, calendarDay(nowMs, timeZone));
}
