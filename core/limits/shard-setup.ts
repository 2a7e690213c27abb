/**
 * Setting up a scope: brings its accounts to the plan of a policy, all of them in one transaction, so that
 * the slices sum to the old limits before and to the new ones after. Slices that have moved stay where they
 * are while the limits are the same: a shard may have granted more than an even share of them.
 */
import { type Account, ATTR } from './account.ts';
import { type AccountSetup, planCreate, planSet } from './account-setup.ts';
import { type AccountStore, type KeyedWrite, readShards } from './account-store.ts';
import type { AccountWrite, Condition } from './account-write.ts';
import { type Moment, usedOf } from './denial.ts';
import type { Dimension } from './dimensions.ts';
import { adoptDay, adoptWindows } from './reserve.ts';
import { type LimitPlan, limitsAt, mapLimits, planVersionOf } from './schedule.ts';
import {
  evenShare,
  hasScheduledBudget,
  type Shard,
  shardCount,
  shardKey,
  sumAccounts,
} from './shards.ts';
import { planReslice } from './slices.ts';

/** A refusal means that somebody wrote meanwhile; more than a few, a scope in full traffic. */
const MAX_ATTEMPTS = 8;

/** False when calls or other writers kept changing the accounts; true also when a later policy was here first. */
export async function setUpScope(
  store: AccountStore,
  scopeKey: string,
  { setup, at }: { setup: AccountSetup; at: Moment },
): Promise<boolean> {
  for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
    const shards = await readShards(store, scopeKey, shardCount(setup.limits));
    const writes = planSetup(shards, scopeKey, { setup, at });
    const [first, ...others] = writes;
    if (first === undefined) return true;
    const isWritten =
      others.length === 0
        ? (await store.write(first.key, first.write)).kind === 'applied'
        : await store.writeTogether(writes);
    if (isWritten) return true;
  }
  return false;
}

/** No writes when the accounts are as the setup wants them, or a later policy has written them. */
export function planSetup(
  shards: readonly Shard[],
  scopeKey: string,
  { setup, at: now }: { setup: AccountSetup; at: Moment },
): KeyedWrite[] {
  const { limits: plan, policyVersion } = setup;
  const [first, ...others] = shards.map(({ account }) => account);
  const wanted = shardCount(plan);
  const count = Math.max(wanted, shards.length);
  const whole = first === undefined ? undefined : sumAccounts([first, ...others]);
  if (whole !== undefined && whole.policyVersion > policyVersion) return [];
  const isSame =
    whole !== undefined &&
    count === shards.length &&
    planVersionOf(whole.plan) === planVersionOf(plan);
  if (isSame && whole.policyVersion === policyVersion) return [];

  const at = whole === undefined ? now : adoptDay(whole, adoptWindows(whole, now));
  const accounts = Array.from({ length: count }, (_, index) => shards[index]?.account);
  const slices = isSame ? undefined : divide(plan, { accounts, wanted, at });
  return accounts.map((account, index) => {
    const limits = slices?.[index] ?? account?.plan ?? plan;
    const write =
      account === undefined
        ? created({ limits, policyVersion }, { whole, at })
        : update(account, { setup: { limits, policyVersion }, at, isAlone: count === 1 });
    const isFirstOfSeveral = index === 0 && count > 1;
    return {
      key: shardKey(scopeKey, index),
      write: isFirstOfSeveral ? withCount(write, count, first) : write,
    };
  });
}

/** What the others granted on earlier days is not protected from one that is made now: it grants nothing by such. */
function created(
  setup: AccountSetup,
  { whole, at }: { readonly whole: Account | undefined; readonly at: Moment },
): AccountWrite {
  const write = planCreate(setup, whole?.status);
  return whole === undefined
    ? write
    : { ...write, set: [...write.set, [[ATTR.latestDay], at.day]] };
}

/**
 * More accounts for a scope that limits nothing: there is nothing to divide, so that of those that there are only the first is
 * written, which knows their number. False when somebody changed it meanwhile.
 */
export function growScope(
  store: AccountStore,
  scopeKey: string,
  { first, count }: { first: Account; count: number },
): Promise<boolean> {
  const { status, plan: limits, limitsVersion, policyVersion, shards } = first;
  const number = [ATTR.shards] as const;
  const ofFirst: AccountWrite = {
    conditions: [
      // A revocation writes to the first account first: shards that are made meanwhile would not hear of it.
      { kind: 'equals', path: [ATTR.status], value: status },
      // Closes the race with limits that the scope is given: they are divided among the accounts that there are.
      { kind: 'equals', path: [ATTR.limitsVersion], value: limitsVersion },
      // Closes the race with whoever else makes accounts.
      shards === 1
        ? { kind: 'absent', path: number }
        : { kind: 'equals', path: number, value: shards },
    ],
    set: [[number, count]],
    add: [],
    remove: [],
  };
  const made = Array.from({ length: count - shards }, (_, index) => ({
    key: shardKey(scopeKey, shards + index),
    write: planCreate({ limits, policyVersion }, status),
  }));
  return store.writeTogether([{ key: scopeKey, write: ofFirst }, ...made]);
}

interface Division {
  readonly accounts: readonly (Account | undefined)[];
  /** The first so many share what is left; the others keep what they have granted. */
  readonly wanted: number;
  readonly at: Moment;
}

/** One slice of the plan for each account. */
function divide(plan: LimitPlan, division: Division): LimitPlan[] {
  return hasScheduledBudget(plan) ? concentrate(plan, division) : spread(plan, division);
}

/** At least what the account has granted, as even as that allows. */
function spread(plan: LimitPlan, { accounts, wanted, at }: Division): LimitPlan[] {
  const shares = (limit: number, dimension: Dimension): number[] => {
    const used = usedIn(accounts, dimension, at);
    const margin = marginOf(limit, used);
    return fillUp(
      limit,
      used.map((each) => each + margin),
      wanted,
    );
  };
  return accounts.map((_, index) =>
    mapLimits(plan, (limit, dimension) => shares(limit, dimension)[index] ?? 0),
  );
}

/**
 * All that is free for the first account, which alone grants (ADR 0040). Each of the others has the same at all times, at least what
 * it has granted, so that no change of the clock leaves it with less, and the first with more than all have.
 */
function concentrate({ soft, ...hard }: LimitPlan, { accounts, at }: Division): LimitPlan[] {
  const inForce = limitsAt(hard, at.nowMs);
  const shares = (limit: number, dimension: Dimension, free: number) => {
    const used = usedIn(accounts, dimension, at);
    const margin = marginOf(free, used);
    const [, ...others] = used.map((each) => each + margin);
    return [limit - sum(others), ...others];
  };
  return accounts.map((_, index) => ({
    ...mapLimits(hard, (limit, name) => shares(limit, name, inForce[name] ?? limit)[index] ?? 0),
    // Whether it is reached is seen by the first account alone.
    ...(soft && { soft: mapLimits(soft, (limit, name) => shares(limit, name, 0)[index] ?? 0) }),
  }));
}

function usedIn(accounts: Division['accounts'], dimension: Dimension, at: Moment): number[] {
  return accounts.map((account) =>
    account === undefined ? 0 : Math.max(0, usedOf(dimension, account, at)),
  );
}

/** Half of what is free stays where it is asked for, or calls in flight would refuse every change. */
function marginOf(limit: number, used: readonly number[]): number {
  return Math.max(0, Math.floor((limit - sum(used)) / (2 * used.length)));
}

/**
 * Whole shares that sum to the total: no share under its floor, and the first `wanted` as even as that
 * allows. Where the floors alone are more than the total, shares are cut, and none is above its floor.
 */
export function fillUp(total: number, floors: readonly number[], wanted: number): number[] {
  const sumOf = (indexes: readonly number[]) => sum(indexes.map((index) => floors[index] ?? 0));
  const indexes = floors.map((_, index) => index);
  if (sumOf(indexes) >= total) return cut(total, floors);
  let level = indexes.slice(0, wanted);
  for (;;) {
    const rest = total - sumOf(indexes.filter((index) => !level.includes(index)));
    const share = (order: number) => evenShare(rest, order, level.length);
    const low = level.filter((index) => (floors[index] ?? 0) <= Math.floor(rest / level.length));
    if (low.length === level.length)
      return floors.map((floor, index) =>
        level.includes(index) ? share(level.indexOf(index)) : floor,
      );
    level = low;
  }
}

function cut(total: number, floors: readonly number[]): number[] {
  let rest = total;
  return floors.map((floor) => {
    const share = Math.min(floor, rest);
    rest -= share;
    return share;
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((all, each) => all + each, 0);
}

interface Update {
  readonly setup: AccountSetup;
  readonly at: Moment;
  readonly isAlone: boolean;
}

function update(
  account: Account,
  { setup: { limits, policyVersion }, at, isAlone }: Update,
): AccountWrite {
  const isCurrent: Condition = {
    kind: 'at-most',
    path: [ATTR.policyVersion],
    value: policyVersion,
  };
  const version = [[ATTR.policyVersion], policyVersion] as const;
  // A scope with one account is its own authority: what it has granted needs no protection from others.
  if (isAlone)
    return { conditions: [isCurrent], set: [...planSet(limits), version], add: [], remove: [] };
  const write = planReslice({ account, plan: limits }, at);
  return { ...write, conditions: [...write.conditions, isCurrent], set: [...write.set, version] };
}

/** A revocation writes to the first account first: shards that are made meanwhile would not hear of it. */
function withCount(write: AccountWrite, count: number, first: Account | undefined): AccountWrite {
  const conditions: Condition[] =
    first === undefined ? [] : [{ kind: 'equals', path: [ATTR.status], value: first.status }];
  return {
    ...write,
    conditions: [...write.conditions, ...conditions],
    set: [...write.set, [[ATTR.shards], count]],
  };
}
