/**
 * The slices of shards as last seen. A reserve must name the limits it assumes and is refused, at the price
 * of a write, when they are others; slices that have moved are therefore remembered. What is remembered may
 * be wrong: then the refusal says what is right.
 */
import type { Account } from './account.ts';
import { hasLimits, type LimitPlan, planVersionOf } from './schedule.ts';
import { homeOf, mayGrant, shardCount, shardKey, sliceOf } from './shards.ts';

export interface SliceMemory {
  /** The account to try first and the plan that it probably has. */
  home(scope: PlannedScope, holdId: string): Home;
  /** Where to try next, so many tries after the first; undefined when it is time to read them all. */
  elsewhere(scope: PlannedScope, holdId: string, tries: number): Home | undefined;
  /** How many accounts the scope probably has. */
  count(scope: PlannedScope): number;
  /** `account` is one of the scope's, as just seen. */
  learn(scope: PlannedScope, key: string, account: Pick<Account, 'plan' | 'shards'>): void;
}

/** A scope by the key of its first account, with the plan that the caller believes in force. */
interface PlannedScope {
  readonly key: string;
  readonly plan: LimitPlan;
}

interface Home {
  readonly key: string;
  readonly plan: LimitPlan;
}

const MAX_KNOWN = 10_000;
/** Reading so many accounts costs more than a write to one of them that may be refused. */
const MANY_SHARDS = 8;
const MAX_TRIES = 3;

export function createSliceMemory(): SliceMemory {
  const seenPlans = new Map<string, { readonly of: string; readonly plan: LimitPlan }>();
  /** How many accounts a scope was seen to have by those who planned with so many. */
  const counts = new Map<string, { readonly planned: number; readonly seen: number }>();
  /** Plans live as long as their snapshot, so that each is divided and hashed once. */
  const evenSlices = new WeakMap<LimitPlan, readonly LimitPlan[]>();
  function slicesOf(plan: LimitPlan): readonly LimitPlan[] {
    const known = evenSlices.get(plan);
    if (known !== undefined) return known;
    const count = shardCount(plan);
    const slices = Array.from({ length: count }, (_, index) => sliceOf(plan, index, count));
    evenSlices.set(plan, slices);
    return slices;
  }
  function countOf({ key, plan }: PlannedScope): number {
    const { length } = slicesOf(plan);
    const known = counts.get(key);
    // Who plans with more than before misses one, and makes what the scope lacks.
    if (known?.planned !== length) return length;
    // Without limits there is nothing to divide: a key that had a crowd has more accounts than planned (ADR 0036).
    return hasLimits(plan) ? Math.min(length, known.seen) : known.seen;
  }
  function shardAt({ key: scopeKey, plan }: PlannedScope, index: number): Home {
    const key = shardKey(scopeKey, index);
    const seen = seenPlans.get(key);
    // What was seen under another plan is not what a policy has made of it since.
    const isOfPlan = seen !== undefined && seen.of === planVersionOf(plan);
    return { key, plan: isOfPlan ? seen.plan : (slicesOf(plan)[index] ?? plan) };
  }
  return {
    count: countOf,
    home(scope, holdId) {
      const home = shardAt(scope, homeOf(holdId, countOf(scope)));
      return mayGrant(home) ? home : shardAt(scope, 0);
    },
    elsewhere(scope, holdId, tries) {
      const count = countOf(scope);
      if (count < MANY_SHARDS || tries >= MAX_TRIES) return undefined;
      const distance = tries * Math.floor(count / MAX_TRIES);
      const other = shardAt(scope, (homeOf(holdId, count) + distance) % count);
      return mayGrant(other) ? other : undefined;
    },
    learn({ key: scopeKey, plan }, key, account) {
      const { length: planned } = slicesOf(plan);
      if (key === scopeKey && account.shards === 1 && planned === 1) return;
      if (seenPlans.size >= MAX_KNOWN) seenPlans.clear();
      if (counts.size >= MAX_KNOWN) counts.clear();
      seenPlans.set(key, { of: planVersionOf(plan), plan: account.plan });
      if (key === scopeKey) counts.set(scopeKey, { planned, seen: account.shards });
    },
  };
}
