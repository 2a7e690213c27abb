/**
 * The invariants of scopes with several accounts. Their slices always sum to the limits of a policy, however they
 * move. And a call is refused only if at some moment between its decision and its answer the rooms of all
 * accounts together were too small for it.
 */
import type { StoredItem } from '../../core/limits/account-write.ts';
import { DIMENSION_NAMES } from '../../core/limits/dimensions.ts';
import { type LimitPlan, planToCodes } from '../../core/limits/schedule.ts';
import { ownsAccount, scopeOf } from './account-names.ts';
import { isFull } from './call-checks.ts';
import type { CallRecord } from './call-record.ts';
import type { Arrival } from './fake-dynamo.ts';
import { allLimits, numberAt } from './stored-item.ts';

export interface HotScopes {
  setUp(scope: string, version: number, plan: LimitPlan): void;
  /** The call is being decided from now on. */
  decided(call: CallRecord): void;
  /** The complaint about what a write left behind. */
  arrived(arrival: Arrival): string | undefined;
  /** Undefined where the scope has one account, or had when the decision began. */
  wasFull(call: CallRecord, scope: string, dimension: string): boolean | undefined;
  answered(call: CallRecord): void;
  /** True where the scope ever had several accounts. */
  isHot(scope: string): boolean;
}

export interface HotScopesOptions {
  readonly shardsOf: (scope: string) => readonly (readonly [string, StoredItem])[];
}

export function createHotScopes({ shardsOf }: HotScopesOptions): HotScopes {
  const plans = new Map<string, LimitPlan>();
  const hot = new Set<string>();
  /** What was full at some moment of each call that is being decided: scope and dimension. */
  const deciding = new Map<CallRecord, Set<string>>();
  /** Calls that were being decided when a scope got its second account: what was full before is not known here. */
  const begunBefore = new Map<string, ReadonlySet<CallRecord>>();

  function look(scope: string, call: CallRecord, full: Set<string>): void {
    const items = shardsOf(scope).map(([, item]) => item);
    for (const dimension of DIMENSION_NAMES) {
      const name = `${scope} ${dimension}`;
      if (!full.has(name) && isFull(call, dimension, items)) full.add(name);
    }
  }

  function lookForAll(scope: string): void {
    for (const [call, full] of deciding) if (ownsAccount(call.key, scope)) look(scope, call, full);
  }

  return {
    setUp(scope, version, plan) {
      plans.set(`${scope} ${version}`, plan);
      if (shardsOf(scope).length > 1 && !hot.has(scope)) {
        hot.add(scope);
        begunBefore.set(scope, new Set(deciding.keys()));
      }
      if (hot.has(scope)) lookForAll(scope);
    },
    decided(call) {
      const full = new Set<string>();
      deciding.set(call, full);
      for (const scope of hot) if (ownsAccount(call.key, scope)) look(scope, call, full);
    },
    arrived({ key, write, after, legs }) {
      const scope = scopeOf(key);
      if (after === undefined || !hot.has(scope)) return undefined;
      lookForAll(scope);
      // A transaction's writes are told one by one, when all of them are there.
      const isLast = legs === undefined || legs.at(-1)?.key === key;
      const changesSlices = (legs ?? [{ write }]).some((leg) =>
        leg.write.set.some(([[name]]) => name === 'l'),
      );
      if (!isLast || !changesSlices) return undefined;
      return sliceComplaint(scope, shardsOf(scope), plans);
    },
    wasFull(call, scope, dimension) {
      if (!hot.has(scope)) return undefined;
      const isFull = deciding.get(call)?.has(`${scope} ${dimension}`) === true;
      return isFull || begunBefore.get(scope)?.has(call) !== true ? isFull : undefined;
    },
    answered: (call) => void deciding.delete(call),
    isHot: (scope) => hot.has(scope),
  };
}

function sliceComplaint(
  scope: string,
  shards: readonly (readonly [string, StoredItem])[],
  plans: ReadonlyMap<string, LimitPlan>,
): string | undefined {
  const version = numberAt(shards[0]?.[1] ?? {}, 'pv');
  const plan = plans.get(`${scope} ${version}`);
  if (plan === undefined) return `slices of a policy that never was: ${version} of ${scope}`;
  const sums = new Map<string, number>();
  for (const [, item] of shards)
    for (const [name, limit] of allLimits(item)) sums.set(name, (sums.get(name) ?? 0) + limit);
  for (const [name, limit] of allLimits({ l: planToCodes(plan) }))
    if (sums.get(name) !== limit)
      return `I1 slices of ${name} sum to ${sums.get(name)}, not ${limit}: ${scope}`;
  return undefined;
}
