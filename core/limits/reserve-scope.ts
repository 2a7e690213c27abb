/**
 * Reserve at one scope: the write, and what follows from its refusal, until the call is held or denied.
 * The usual case is one write to the scope's account, or to the call's own shard of it.
 */
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { type Account, ATTR, parseAccount } from './account.ts';
import {
  type AccountStore,
  type KeyedWrite,
  readShards,
  type WriteResult,
} from './account-store.ts';
import type { AccountWrite } from './account-write.ts';
import type { Denial } from './denial.ts';
import { accountAt, type GrowthEngine, grow, noAccount } from './key-growth.ts';
import type { LookedAt } from './looked-at.ts';
import { CALLERS_PATIENCE, callersTime, createPatientStore, type Pause } from './patient-store.ts';
import { expiredHolds, planRelease } from './reap.ts';
import { wasNeverSent } from './reaper.ts';
import { judgeReserve, momentOf, planReserve, type ReserveRequest } from './reserve.ts';
import type { Ride, Rides } from './rides.ts';
import { hasLimits, type LimitPlan } from './schedule.ts';
import { type Grant, isOfFreeKey } from './settle.ts';
import { setUpScope } from './shard-setup.ts';
import { mayGrant, type Shard, shardCount } from './shards.ts';
import { nextStep, planStep, type ShardReserve, type ShardStep } from './slices.ts';
import type { Strays } from './strays.ts';

export interface ScopeEngine extends GrowthEngine {
  readonly clock: Clock;
  readonly pause: Pause;
  readonly lookedAt: LookedAt;
  /** Absent where calls do not run side by side. */
  readonly rides: Rides | undefined;
}

export interface ScopeCall {
  /** The scope's key, which its first account has. */
  readonly key: string;
  readonly plan: LimitPlan;
  readonly policyVersion: number | undefined;
  readonly request: ReserveRequest;
}

type Outcome =
  | { readonly kind: 'granted'; readonly key: string; readonly grant: Grant }
  | Denial
  | { readonly kind: 'inactive'; readonly status: 'revoked' | 'suspended' }
  /** Nothing was asked for, by a moment that is before the account's day. */
  | { readonly kind: 'behind'; readonly day: number }
  | { readonly kind: 'faulted'; readonly fault: unknown };

export type ScopeOutcome = Outcome & { readonly strays: Strays };

/** One write to an account; `step` where other shards give up slices to it. */
interface Attempt {
  readonly key: string;
  readonly grant: Grant;
  readonly step?: ShardReserve;
  /** Calls that it settles as well. */
  readonly ride?: Ride;
  /** The account was chosen among the key's, and counts the call. */
  readonly isPlaced?: true;
}

/** Each retry follows a refusal by a fresher item, so more than a few means a scope under extreme contention. */
const MAX_ATTEMPTS = 16;

export async function reserveScope(engine: ScopeEngine, call: ScopeCall): Promise<ScopeOutcome> {
  const doubtful = new Set<string>();
  const store = createPatientStore({
    store: engine.store,
    patience: CALLERS_PATIENCE,
    pause: engine.pause,
    hasTime: callersTime(engine.clock),
    onDoubt: (writes) => {
      for (const { key } of writes.filter(makesHold)) doubtful.add(key);
    },
  });
  const first = firstAttempt(engine, call);
  const outcome = await reservePatiently({ ...engine, store }, call, first);
  const key = outcome.kind === 'granted' ? outcome.key : undefined;
  if (first.isPlaced === true && key !== first.key) engine.rides?.moved(first.key, key);
  const { plan: limits, policyVersion } = call;
  const setup = policyVersion === undefined ? undefined : { limits, policyVersion };
  if (outcome.kind !== 'granted') return { ...outcome, strays: { keys: [...doubtful], setup } };
  const isDoubtful = doubtful.delete(outcome.key);
  const grant = isDoubtful ? { ...outcome.grant, isDoubtful } : outcome.grant;
  return { ...outcome, grant, strays: { keys: [...doubtful], setup } };
}

function makesHold({ write }: KeyedWrite): boolean {
  return write.set.some(([[name]]) => name === ATTR.holds);
}

async function reservePatiently(
  engine: ScopeEngine,
  asked: ScopeCall,
  first: Attempt,
): Promise<Outcome> {
  let call = asked;
  let attempt = first;
  const home = attempt.key;
  let elsewhere = 0;
  let hasSetUp = false;
  let hasReaped = false;
  try {
    for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
      const answer = await tryOnce(engine, call, attempt);
      if (answer.kind === 'applied') return granted(attempt, answer.account);
      if (answer.kind === 'absent' || (!hasSetUp && isOutdated(answer, call))) {
        await setUp(engine, call);
        hasSetUp = true;
        attempt = homeAttempt(engine, call);
        continue;
      }
      call = { ...call, request: atPresent(engine, call) };
      elsewhere += 1;
      const other = isBusy(answer, call) ? attemptElsewhere(engine, call, elsewhere) : undefined;
      if (other !== undefined) {
        attempt = other;
        continue;
      }
      const { step, shards } = await judge(engine, { call, home, answer });
      switch (step.kind) {
        case 'held':
          return granted({ ...attempt, key: step.shard.key }, step.shard.account);
        case 'inactive':
        case 'behind':
          return step;
        case 'collision':
          throw contended();
        case 'reserve':
          attempt = attemptOf(step);
          break;
        case 'denied':
          // On contact: expired holds that were never sent may be what is in the way.
          if (hasReaped || !(await releaseUnsent(engine, shards))) return step;
          hasReaped = true;
      }
    }
    throw contended();
  } catch (fault) {
    return { kind: 'faulted', fault };
  }
}

/** Where calls of the key wait to be settled, if any do; what is refused so is asked again alone. */
function firstAttempt(engine: ScopeEngine, call: ScopeCall): Attempt {
  const { rides, slices } = engine;
  const home = homeAttempt(engine, call);
  if (rides === undefined || !isOfFreeKey(home.grant)) return home;
  const accounts = slices.count(call);
  const { account, ride } = rides.place({ scopeKey: call.key, accounts });
  return { ...home, key: account, isPlaced: true, ...(ride === undefined ? {} : { ride }) };
}

function homeAttempt({ slices }: ScopeEngine, call: ScopeCall): Attempt {
  const { key, plan } = slices.home(call, call.request.holdId);
  return { key, grant: { request: call.request, plan } };
}

/** A window that was full when the call came may have room by now. Limits by the clock stay those of when it came. */
function atPresent({ clock }: ScopeEngine, { request }: ScopeCall): ReserveRequest {
  const { nowMs, cameMs, day, month } = request.at;
  const now = momentOf(Math.max(nowMs, clock.nowMs()), { day, month });
  return { ...request, at: { ...now, cameMs } };
}

/** Another account of many, unseen: shards that are only busy this second are not worth reading them all. */
function attemptElsewhere(
  { slices }: ScopeEngine,
  call: ScopeCall,
  tries: number,
): Attempt | undefined {
  const home = slices.elsewhere(call, call.request.holdId, tries);
  return home && { key: home.key, grant: { request: call.request, plan: home.plan } };
}

function isBusy(answer: Answer, { request }: ScopeCall): boolean {
  if (answer.kind !== 'refused') return false;
  const verdict = judgeReserve(answer.shard.account, request);
  return verdict.kind === 'denied' && ['window', 'open'].includes(verdict.reason);
}

function attemptOf(step: ShardReserve): Attempt {
  const { key, account, plan } = step.shard;
  return { key, grant: { request: step.request, plan, account: { ...account, plan } }, step };
}

function granted({ key, grant }: Attempt, account: Account | undefined): Outcome {
  return { kind: 'granted', key, grant: account === undefined ? grant : { ...grant, account } };
}

type Answer =
  /** No account where nobody needed to look at it. */
  | { readonly kind: 'applied'; readonly account: Account | undefined }
  | { readonly kind: 'refused'; readonly shard: Shard }
  /** Slices did not move: somebody else changed one of the shards. */
  | { readonly kind: 'unmoved' }
  | { readonly kind: 'absent' };

async function tryOnce(
  { store, slices, lookedAt }: ScopeEngine,
  call: ScopeCall,
  attempt: Attempt,
): Promise<Answer> {
  const { key, grant, step } = attempt;
  if (step !== undefined && step.donors.length > 0) {
    if (!(await store.writeTogether(planStep(step)))) return { kind: 'unmoved' };
    for (const { key: moved, account, plan } of [step.shard, ...step.donors])
      slices.learn(call, moved, { ...account, plan });
    return { kind: 'applied', account: { ...step.shard.account, plan: step.shard.plan } };
  }
  const write = planReserve(grant.request, grant.plan, grant.account);
  const { minute } = grant.request.at;
  const isUnread = !hasLimits(grant.plan) && lookedAt.has(key, minute);
  const asked = isUnread ? ({ ...write, itemUnread: 'if-applied' } as const) : write;
  const { kind, item } = await writeReserve(store, attempt, asked);
  if (item === undefined) return { kind: 'absent' };
  if (isUnread && kind === 'applied') return { kind, account: undefined };
  const account = parseAccount(item);
  if (kind === 'applied') lookedAt.note(key, minute, account);
  const answer: Answer = kind === 'applied' ? { kind, account } : { kind, shard: { key, account } };
  if (!isOutdated(answer, call)) slices.learn(call, key, account);
  return answer;
}

/** Calls that wait to be settled learn at once what became of it: no copy of it can settle what they settle themselves. */
async function writeReserve(
  store: AccountStore,
  { key, ride }: Attempt,
  reserve: AccountWrite,
): Promise<WriteResult> {
  if (ride === undefined) return store.write(key, reserve);
  let isWritten = false;
  try {
    const result = await store.write(key, ride.with(reserve));
    isWritten = result.kind === 'applied';
    return result;
  } finally {
    ride.end(isWritten);
  }
}

/** An older policy wrote the account: nobody else brings the accounts of users to a new one. */
function isOutdated(answer: Answer, { policyVersion = 0 }: ScopeCall): boolean {
  return answer.kind === 'refused' && answer.shard.account.policyVersion < policyVersion;
}

interface Refused {
  readonly call: ScopeCall;
  readonly home: string;
  readonly answer: Extract<Answer, { kind: 'refused' | 'unmoved' }>;
}

interface Judgement {
  readonly step: ShardStep;
  readonly shards: readonly Shard[];
}

/** By the account that refused, if it is the scope's only one or knows the way; else by all of them. */
async function judge(engine: ScopeEngine, { call, home, answer }: Refused): Promise<Judgement> {
  if (answer.kind === 'unmoved') return look(engine, call, home);
  const { shard } = answer;
  if (!mayGrant({ key: shard.key, plan: shard.account.plan })) return look(engine, call, home);
  const step = nextStep([shard], call.request, shard.key);
  const isOnly = shard.key === call.key && shard.account.shards === 1;
  return isOnly || step.kind !== 'denied' ? { step, shards: [shard] } : look(engine, call, home);
}

/**
 * Reads all shards. They are read one by one, so that room may pass from one not yet read to one that was: a
 * denial counts when the slices were the same twice.
 */
async function look({ store }: ScopeEngine, call: ScopeCall, home: string): Promise<Judgement> {
  let lastSlices: string | undefined;
  for (let looks = 0; looks < MAX_ATTEMPTS; looks += 1) {
    const [first, ...others] = await readShards(store, call.key, shardCount(call.plan));
    if (first === undefined) throw noAccount(call.key);
    const shards = [first, ...others] as const;
    const step = nextStep(shards, call.request, home);
    const slices = shards.map(({ account }) => account.limitsVersion).join();
    if (step.kind !== 'denied' || slices === lastSlices) return { step, shards };
    lastSlices = slices;
  }
  throw contended();
}

async function setUp(engine: ScopeEngine, call: ScopeCall): Promise<void> {
  const { store, slices } = engine;
  const { key, plan, policyVersion, request } = call;
  if (policyVersion !== undefined)
    await setUpScope(store, key, { setup: { limits: plan, policyVersion }, at: request.at });
  const account = await accountAt(store, key);
  slices.learn(call, key, account);
  if (policyVersion === undefined && lacksShards(account, plan))
    await grow(engine, call, { first: account, count: shardCount(plan) });
}

/** A key must have been made; then calls make what it lacks, as long as there is nothing to divide among them. */
function lacksShards({ plan: own, shards }: Account, plan: LimitPlan): boolean {
  return !hasLimits(own) && !hasLimits(plan) && shards < shardCount(plan);
}

/** Gives back expired siblings whose lead is gone. True when there were any, so another try is worth it. */
async function releaseUnsent(engine: ScopeEngine, shards: readonly Shard[]): Promise<boolean> {
  const nowSeconds = Math.floor(engine.clock.nowMs() / 1000);
  const expired = shards.flatMap(({ key, account }) =>
    expiredHolds(account, nowSeconds).map((open) => ({ key, open })),
  );
  let released = false;
  for (const { key, open } of expired.slice(0, MAX_ATTEMPTS)) {
    if (!(await wasNeverSent(engine, key, open))) continue;
    await engine.store.write(key, planRelease(open));
    released = true;
  }
  return released;
}

export function contended(): GatewayError {
  const message = 'The limits of this key are under too much contention.';
  return new GatewayError('limiter_unavailable', message, { retryAfterMs: 1_000 });
}
