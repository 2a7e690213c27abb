/**
 * Shards of a hot scope. A partition of the table takes 1,000 write units a second, so a scope whose limits
 * imply more has several accounts, each the single authority on its slice of every limit. The slices always
 * sum to the limits, so that no shard has to ask another before it grants (ADR 0007). Decides how many shards
 * a scope has, what they are called and what they are together; never reads or writes one.
 */
import { hash } from 'node:crypto';
import type { Account } from './account.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension, type Limits } from './dimensions.ts';
import { addedTo, type LimitPlan, mapLimits } from './schedule.ts';

/** One of a scope's accounts, by its key in the table. */
export interface Shard {
  readonly key: string;
  readonly account: Account;
}

/** Of the 1,000 that a partition takes in a second: calls fall on accounts by chance, and the busiest has half as many again. */
const UNITS_PER_SECOND = 600;
/** A write is billed for each KB of the whole item. */
const UNIT_BYTES = 1_024;
/** One to reserve, one to settle, and at the limit a refused one for every second call (ADR 0007). */
const WRITES_PER_CALL = 2.5;
/** Limits and counters of an account, and each open call (test/core/limits/write-units.test.ts). */
const ACCOUNT_BYTES = 450;
const HOLD_BYTES = 45;
/** Of a call in its key's account, which also says whose it is. */
const LEAD_BYTES = 80;
/** How long a call of a language model is planned to last: longer ones are rare, shorter ones leave room (ADR 0017). */
const CALL_SECONDS = 10;
/** Where open calls or tokens are all that is limited, a call is planned to last or take at least so much. */
const SHORTEST_CALL_SECONDS = 1;
const TOKENS_PER_CALL = 500;
/** What calls of a shard find at home; more than that is moved to them. */
const CALLS_PER_SLICE = 4;
const TOKENS_PER_SLICE = 4_096;
/** A policy changes all of them in one transaction, which takes 100 items. */
const MAX_SHARDS = 96;
/** What 500 calls a second of ten seconds need. A status is written to each account of a key, and a team may have many keys. */
const MAX_KEY_SHARDS = 32;
/** With more open calls the account of a key is far beyond a kilobyte; so many fit it. */
const CROWD = 8;
const CALLS_PER_KEY_SHARD = 4;

/**
 * How many accounts the limits ask for: the smallest number with which even the busiest one stays within what a
 * partition takes. One where nothing bounds the number of calls; never so many that a slice serves no calls.
 */
export function shardCount(plan: LimitPlan): number {
  if (plan.accounts !== undefined) return plan.accounts;
  // A budget that shrinks by the clock is only exact in one account: nobody could move slices in time.
  if (hasScheduledBudget(plan)) return 1;
  const limits = everInForce(plan);
  const most = Math.max(1, Math.min(MAX_SHARDS, ...limits.map(mostSlices)));
  return fewest(limits.map(loadOf), { most, holdBytes: HOLD_BYTES });
}

/**
 * The same for a key that limits nothing itself: its calls are within what the narrowest of the scopes around it
 * allows, and all of them may come by this one key (ADR 0031).
 */
export function keyShardCount(around: readonly LimitPlan[]): number {
  const counts = around
    .map((plan) => everInForce(plan).map(loadOf))
    .filter((loads) => loads.every(({ perSecond }) => perSecond > 0))
    .map((loads) => fewest(loads, { most: MAX_KEY_SHARDS, holdBytes: LEAD_BYTES }));
  return counts.length === 0 ? 1 : Math.min(...counts);
}

/** As many as the open calls of a key ask for, seen in the first of its accounts, whatever was planned (ADR 0036). */
export function keyShardsFor({ holds, shards }: Pick<Account, 'holds' | 'shards'>): number {
  if (holds.size <= CROWD) return shards;
  return Math.min(MAX_KEY_SHARDS, Math.ceil((holds.size * shards) / CALLS_PER_KEY_SHARD));
}

function everInForce(plan: LimitPlan): readonly Limits[] {
  const { schedules = [], raises = [], soft: _soft, accounts: _accounts, ...base } = plan;
  const plain = [base, ...schedules.map(({ limits }) => ({ ...base, ...limits }))];
  return [
    ...plain,
    ...raises.flatMap(({ limits }) => plain.map((each) => addedTo(each, limits, 1))),
  ];
}

interface Bounds {
  readonly most: number;
  readonly holdBytes: number;
}

function fewest(loads: readonly Load[], { most, holdBytes }: Bounds): number {
  const isTooMuch = (count: number) =>
    loads.some((load) => unitsOf(load, count, holdBytes) > UNITS_PER_SECOND);
  let count = 1;
  while (count < most && isTooMuch(count)) count += 1;
  return count;
}

/** The calls that a scope's limits allow at most. */
interface Load {
  readonly perSecond: number;
  readonly open: number;
}

function loadOf(limits: Limits): Load {
  const { concurrentRequests: mostOpen = Infinity } = limits;
  const rate =
    requestsPerSecond(limits) ?? Math.min(mostOpen / SHORTEST_CALL_SECONDS, callsOfTokens(limits));
  const perSecond = rate === Infinity ? 0 : rate;
  return { perSecond, open: Math.min(mostOpen, perSecond * CALL_SECONDS) };
}

function requestsPerSecond({ requestsPerSecond: second, requestsPerMinute: minute }: Limits) {
  if (second === undefined) return minute === undefined ? undefined : minute / 60;
  return minute === undefined ? second : Math.min(second, minute / 60);
}

function callsOfTokens({ inputTokensPerMinute, tokensPerMinute }: Limits): number {
  const tokens = Math.min(inputTokensPerMinute ?? Infinity, tokensPerMinute ?? Infinity);
  return tokens / 60 / TOKENS_PER_CALL;
}

/** Write units in a second of each of so many accounts. */
function unitsOf({ perSecond, open }: Load, count: number, holdBytes: number): number {
  const bytes = ACCOUNT_BYTES + (holdBytes * open) / count;
  return WRITES_PER_CALL * (perSecond / count) * Math.ceil(bytes / UNIT_BYTES);
}

/** How many slices of the limits are worth having. */
function mostSlices(limits: Limits): number {
  const smallest = DIMENSION_NAMES.map((dimension) => {
    const limit = limits[dimension];
    return limit === undefined ? Infinity : Math.floor(limit / sliceWorth(dimension));
  });
  return Math.min(...smallest);
}

/** The rest of a budget, and calls larger than a slice, are gathered in one shard in any case (core/limits/slices.ts). */
function sliceWorth(dimension: Dimension): number {
  if (dimension === 'concurrentRequests') return CALLS_PER_SLICE;
  return DIMENSIONS[dimension].window === 'minute' && DIMENSIONS[dimension].counts !== 'requests'
    ? TOKENS_PER_SLICE
    : 1;
}

/** True when a limit of a day or month changes while its counter goes on: by a schedule, or by a raise that ends early. */
export function hasScheduledBudget({ schedules = [], raises = [] }: LimitPlan): boolean {
  return [...schedules, ...raises.filter(({ endsWithPeriod }) => !endsWithPeriod)].some(
    ({ limits }) =>
      DIMENSION_NAMES.some(
        (dimension) =>
          limits[dimension] !== undefined &&
          ['day', 'month'].includes(DIMENSIONS[dimension].window),
      ),
  );
}

/**
 * Whether the account grants at all. Where the clock changes a budget, only the first of a scope's accounts does: when less
 * is in force than before, one of several may have room that all of them together have not (ADR 0040).
 */
export function mayGrant({ key, plan }: { key: string; plan: LimitPlan }): boolean {
  return !hasScheduledBudget(plan) || key === scopeKeyOf(key);
}

/** Key of a scope's account: the first has the scope's own. `%.` is in no scope's key (core/ids.ts). */
export function shardKey(scopeKey: string, index: number): string {
  return index === 0 ? scopeKey : `${scopeKey}%.${index}`;
}

/** Key of the scope that an account belongs to. */
export function scopeKeyOf(accountKey: string): string {
  return accountKey.replace(/%\.[0-9]+$/, '');
}

/** The shard where a hold is tried first: always the same one, so that a repeated write finds its hold. */
export function homeOf(holdId: string, count: number): number {
  return count === 1 ? 0 : hash('sha256', holdId, 'buffer').readUInt32BE() % count;
}

/** The even slice of each limit, of the schedules' too. */
export function sliceOf(plan: LimitPlan, index: number, count: number): LimitPlan {
  if (count === 1) return plan;
  return mapLimits(plan, (limit) => evenShare(limit, index, count));
}

/** Whole numbers that differ by one at most and sum to exactly the total. */
export function evenShare(total: number, index: number, count: number): number {
  return Math.floor(total / count) + (index < total % count ? 1 : 0);
}

/** The shards as one account: limits, counters and holds together; status, versions and marks are the first one's. */
export function sumAccounts([first, ...others]: readonly [Account, ...Account[]]): Account {
  if (others.length === 0) return first;
  const all = [first, ...others];
  return {
    ...first,
    plan: others.map(({ plan }) => plan).reduce(addPlans, first.plan),
    latestSecond: Math.max(...all.map(({ latestSecond }) => latestSecond)),
    latestMinute: Math.max(...all.map(({ latestMinute }) => latestMinute)),
    latestDay: Math.max(...all.map(({ latestDay }) => latestDay)),
    holds: new Map(all.flatMap(({ holds }) => [...holds])),
    voided: new Map(all.flatMap(({ voided }) => [...voided])),
    told: first.told,
    counters: addCounters(all.map(({ counters }) => counters)),
  };
}

/** Shards have the schedules and raises of one plan, in its order. */
export function addPlans(a: LimitPlan, b: LimitPlan): LimitPlan {
  const soft = a.soft === undefined ? {} : { soft: addLimits(a.soft, b.soft ?? {}) };
  const raises = a.raises?.map((raise, index) => ({
    ...raise,
    limits: addLimits(raise.limits, b.raises?.[index]?.limits ?? {}),
  }));
  const kept = { ...soft, ...(raises === undefined ? {} : { raises }) };
  if (a.schedules === undefined) return { ...addLimits(a, b), ...kept };
  const schedules = a.schedules.map((schedule, index) => ({
    ...schedule,
    limits: addLimits(schedule.limits, b.schedules?.[index]?.limits ?? {}),
  }));
  return { ...addLimits(a, b), ...kept, schedules };
}

function addLimits(a: Limits, b: Limits): Limits {
  return Object.fromEntries(
    DIMENSION_NAMES.flatMap((dimension) => {
      const limit = a[dimension];
      return limit === undefined ? [] : [[dimension, limit + (b[dimension] ?? 0)]];
    }),
  );
}

/** None is under zero: a window's counter may be, for a moment, when it was swept before a call settled. */
function addCounters(all: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const sum = new Map<string, number>();
  for (const [name, value] of all.flatMap((counters) => [...counters]))
    sum.set(name, (sum.get(name) ?? 0) + Math.max(0, value));
  return sum;
}
