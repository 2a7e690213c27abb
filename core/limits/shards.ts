/**
 * Shards of a hot scope. A partition of the table takes 1,000 write units a second, so a scope whose limits
 * imply more has several accounts, each the single authority on its slice of every limit. The slices always
 * sum to the limits, so that no shard has to ask another before it grants (ADR 0007). Decides how many shards
 * a scope has, what they are called and what they are together; never reads or writes one.
 */
import { createHash } from 'node:crypto';
import type { Account } from './account.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Limits } from './dimensions.ts';
import { type LimitPlan, mapLimits } from './schedule.ts';

/** One of a scope's accounts, by its key in the table. */
export interface Shard {
  readonly key: string;
  readonly account: Account;
}

/** One to reserve, one to settle, and at the limit a refused one for every second call (ADR 0007). */
const WRITES_PER_CALL = 2.5;
/** Of the 1,000 that a partition takes: the rest is for uneven spread, refused writes and moves. */
const WRITES_PER_SECOND = 800;
const MAX_SHARDS = 32;

/**
 * How many accounts the limits ask for. One where no limit bounds the requests; never so many that a slice
 * would be empty.
 */
export function shardCount(plan: LimitPlan): number {
  // A budget that shrinks by the clock is only exact in one account: nobody could move slices in time.
  if (hasScheduledBudget(plan)) return 1;
  const { schedules = [], ...base } = plan;
  const everInForce = [base, ...schedules.map(({ limits }) => ({ ...base, ...limits }))];
  const writes = WRITES_PER_CALL * Math.max(...everInForce.map(requestsPerSecond));
  const smallest = Math.min(...everInForce.flatMap((limits) => amountsOf(limits)));
  return Math.max(1, Math.min(Math.ceil(writes / WRITES_PER_SECOND), smallest, MAX_SHARDS));
}

/** True when a schedule replaces a limit of a day or month. */
export function hasScheduledBudget({ schedules = [] }: LimitPlan): boolean {
  return schedules.some(({ limits }) =>
    DIMENSION_NAMES.some(
      (dimension) =>
        limits[dimension] !== undefined && ['day', 'month'].includes(DIMENSIONS[dimension].window),
    ),
  );
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
  return count === 1 ? 0 : createHash('sha256').update(holdId).digest().readUInt32BE() % count;
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
    holds: new Map(all.flatMap(({ holds }) => [...holds])),
    voided: new Map(all.flatMap(({ voided }) => [...voided])),
    told: first.told,
    counters: addCounters(all.map(({ counters }) => counters)),
  };
}

function requestsPerSecond({ requestsPerSecond: second, requestsPerMinute: minute }: Limits) {
  const rate = Math.min(second ?? Infinity, minute === undefined ? Infinity : minute / 60);
  return rate === Infinity ? 0 : rate;
}

function amountsOf(limits: Limits): number[] {
  return DIMENSION_NAMES.flatMap((dimension) => limits[dimension] ?? []);
}

/** Shards have the schedules of one plan, in its order. */
function addPlans(a: LimitPlan, b: LimitPlan): LimitPlan {
  const soft = a.soft === undefined ? {} : { soft: addLimits(a.soft, b.soft ?? {}) };
  if (a.schedules === undefined) return { ...addLimits(a, b), ...soft };
  const schedules = a.schedules.map((schedule, index) => ({
    ...schedule,
    limits: addLimits(schedule.limits, b.schedules?.[index]?.limits ?? {}),
  }));
  return { ...addLimits(a, b), ...soft, schedules };
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
