/**
 * I1 of scopes with several accounts: what all of them have committed together is within the budget in force, whatever
 * each of them allowed. Two bounds are stated (ADR 0007, 0040): where a policy lowers a limit below what is committed,
 * room that is released may be granted again up to that; and so may what a provider took beyond its hold.
 */
import type { EpochMs } from '../../core/clock.ts';
import type { StoredItem } from '../../core/limits/account-write.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from '../../core/limits/dimensions.ts';
import { isOfPeriod } from '../../core/limits/soft.ts';
import { scopeOf } from './account-names.ts';
import { countOf } from './account-truth.ts';
import type { CallRecord } from './call-record.ts';
import type { Arrival } from './fake-dynamo.ts';
import type { HotScopesOptions } from './hot-scopes.ts';
import { limitInForce, numberAt } from './stored-item.ts';
import { dayOf, monthOf, trueBound } from './true-money.ts';

export interface ScopeBudgets {
  /** A policy was applied to the scope. */
  setUp(scope: string): void;
  /** The complaint about a write, where it is the reserve of that call. */
  arrived(arrival: Arrival, reserving: CallRecord | undefined): string | undefined;
}

const BUDGETS = DIMENSION_NAMES.filter(isOfPeriod);

export interface ScopeBudgetsOptions extends HotScopesOptions {
  readonly nowMs: () => EpochMs;
}

export function createScopeBudgets({ shardsOf, nowMs }: ScopeBudgetsOptions): ScopeBudgets {
  /** By scope and counter: what was committed when a policy was applied, and what nobody asked for. */
  const stated = { kept: new Map<string, number>(), unasked: new Map<string, number>() };
  const itemsOf = (scope: string) => shardsOf(scope).map(([, item]) => item);

  /** A runaway, a call that was admitted without the account, and what workers lease, which lease-truth.ts checks. */
  function noteUnasked({ key, before = {} }: Arrival, after: StoredItem): void {
    for (const name of countersOf([after])) {
      const grown = numberAt(after, name) - numberAt(before, name);
      const counter = `${scopeOf(key)} ${name}`;
      if (grown > 0) stated.unasked.set(counter, (stated.unasked.get(counter) ?? 0) + grown);
    }
  }

  return {
    setUp(scope) {
      const items = itemsOf(scope);
      for (const name of countersOf(items)) {
        const counter = `${scope} ${name}`;
        stated.kept.set(counter, Math.max(stated.kept.get(counter) ?? 0, sumOf(items, name)));
      }
    },
    arrived(arrival, reserving) {
      const scope = scopeOf(arrival.key);
      const items = itemsOf(scope);
      if (arrival.after === undefined || items.length < 2) return undefined;
      if (reserving !== undefined)
        return complaint(items, reserving, { scope, nowMs: nowMs(), ...stated });
      noteUnasked(arrival, arrival.after);
      return undefined;
    },
  };
}

interface Stated {
  readonly scope: string;
  readonly nowMs: EpochMs;
  readonly kept: Map<string, number>;
  readonly unasked: ReadonlyMap<string, number>;
}

function complaint(
  items: readonly StoredItem[],
  call: CallRecord,
  { scope, nowMs, kept, unasked }: Stated,
): string | undefined {
  const { decided, holdId } = call;
  if (decided === undefined) return undefined;
  const { atMs, policy } = decided;
  for (const dimension of BUDGETS) {
    // Who takes nothing takes nothing from a limit that is lower by its own clock.
    if (countOf(trueBound(call), DIMENSIONS[dimension].counts) === 0) continue;
    const name = counterOf(dimension, dayOf(atMs, policy.timeZone));
    // Clocks disagree about when a raise begins; it is there from either of the two moments.
    const limits = [atMs, nowMs].map((ms) => limitOf(items, dimension, ms));
    const limit = Math.max(...limits);
    const used = sumOf(items, name);
    const counter = `${scope} ${name}`;
    const most = Math.max(limit, kept.get(counter) ?? 0) + (unasked.get(counter) ?? 0);
    // Who lends has lent when the last clock says so.
    if (used > Math.min(...limits)) kept.set(counter, Math.max(kept.get(counter) ?? 0, used));
    if (used > most)
      return `I1 ${dimension} of all accounts ${used} > ${limit}: ${holdId} in ${scope}`;
  }
  return undefined;
}

function limitOf(items: readonly StoredItem[], dimension: Dimension, atMs: EpochMs): number {
  return items
    .map((item) => limitInForce(item, dimension, atMs) ?? Infinity)
    .reduce((sum, slice) => sum + slice);
}

function counterOf(dimension: Dimension, day: number): string {
  const { code, window } = DIMENSIONS[dimension];
  return `${code}${window === 'day' ? day : monthOf(day)}`;
}

/** Names of all counters of days and months. */
function countersOf(items: readonly StoredItem[]): ReadonlySet<string> {
  const names = items.flatMap((item) => Object.keys(item));
  return new Set(names.filter((name) => /^[ut][DM]\d+$/.test(name)));
}

function sumOf(items: readonly StoredItem[], name: string): number {
  return items.reduce((sum, item) => sum + numberAt(item, name), 0);
}
