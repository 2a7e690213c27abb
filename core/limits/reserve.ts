/**
 * Reserve: turns "may this call take so much of this scope?" into one conditional write, and a refused
 * write into a decision. It never reads a clock or a store; the same functions serve the gateway, the
 * in-memory twin and the simulation.
 */
import type { EpochMs } from '../clock.ts';
import {
  type Account,
  ATTR,
  COUNTER,
  type Counter,
  counterName,
  counterValue,
  encodeHold,
  type Hold,
  type HoldOwner,
} from './account.ts';
import type { AccountWrite, Condition, Path } from './account-write.ts';
import { type Denial, denialOf, type Moment, previousWeight } from './denial.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from './dimensions.ts';
import { windowIndex } from './periods.ts';
import { everLimits, type LimitPlan, limitsAt, planVersionOf } from './schedule.ts';

/** What one call may take at most: the upper bound of its tokens and their cost. */
export interface Demand {
  readonly nanoUsd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface ReserveRequest {
  readonly holdId: string;
  readonly demand: Demand;
  readonly at: Moment;
  readonly expiresAtSeconds: number;
  readonly owner: HoldOwner;
}

export type Verdict =
  /** The hold is there already: an earlier attempt of this very request had been applied. */
  | { readonly kind: 'held' }
  /** Another request holds under the same name. */
  | { readonly kind: 'collision' }
  | { readonly kind: 'inactive'; readonly status: 'revoked' | 'suspended' }
  /** The account counts in a later day than the call came on: its clock is behind, or it was long on its way. */
  | { readonly kind: 'behind'; readonly day: number }
  | Denial
  /** The assumptions were wrong, the room is there: write again with what the item says. */
  | { readonly kind: 'retry'; readonly request: ReserveRequest; readonly plan: LimitPlan };

/** How much of the previous window may have been used, as shares of the limit: one rung needs no read. */
const LADDER = [0, 0.5, 1] as const;

/**
 * The conditional write that reserves. `seen` is the item as last read, if the caller has it: then the
 * previous windows' sums are exact and stale counters are swept; without it a ladder of assumptions is
 * offered, which holds in one trip whenever traffic is calm.
 */
export function planReserve(
  request: ReserveRequest,
  plan: LimitPlan,
  seen?: Account,
): AccountWrite {
  const limits = limitsAt(plan, request.at.cameMs);
  const conditions: Condition[] = [
    // Closes the race with a revocation: the key's own item carries its status.
    { kind: 'equals', path: [ATTR.status], value: 'active' },
    // Closes the race with a changed limit: whoever assumes another plan is refused and sees the new one.
    { kind: 'equals', path: [ATTR.limitsVersion], value: planVersionOf(plan) },
    // Closes the race with our own timed-out attempt: a request holds once.
    { kind: 'absent', path: [ATTR.holds, request.holdId] },
    // Closes the race with a copy of a reserve that arrives when its call is over: it holds no more.
    { kind: 'absent', path: [ATTR.voided, request.holdId] },
  ];
  const set: [Path, string | number][] = [
    [[ATTR.holds, request.holdId], encodeHold(holdOf(request, plan))],
  ];
  const add = new Map<string, number>();
  for (const dimension of DIMENSION_NAMES) {
    const limit = limits[dimension];
    const amount = amountOf(dimension, request.demand);
    if (limit !== undefined)
      conditions.push(roomFor(dimension, limit, { amount, at: request.at, seen }));
    const counter = counterFor(dimension, request.at);
    if (counter !== undefined && keepsCounter(dimension, plan))
      add.set(counter, amountOf(dimension, request.demand));
  }
  for (const [kind, attribute] of LATEST) {
    if (!usesWindow(plan, kind)) continue;
    // Closes the race between clocks that disagree: windows and days only move forward, a slow clock adopts the item's.
    conditions.push({ kind: 'at-most', path: [attribute], value: request.at[kind] });
    set.push([[attribute], request.at[kind]]);
  }
  if (request.owner.kind === 'lead') set.push([[ATTR.lastUsed], request.at.minute]);
  return {
    conditions,
    set,
    add: nonZero(add),
    remove: seen === undefined ? [] : staleEntries(seen, request.at),
  };
}

/** What a refused reserve means, given the item that refused it. */
export function judgeReserve(account: Account, request: ReserveRequest): Verdict {
  const ours = account.holds.get(request.holdId);
  if (ours !== undefined) return isOurs(ours, request) ? { kind: 'held' } : { kind: 'collision' };
  if (account.voided.has(request.holdId)) return { kind: 'collision' };
  if (account.status !== 'active') return { kind: 'inactive', status: account.status };
  if (account.latestDay > request.at.day) return { kind: 'behind', day: account.latestDay };
  const at = adoptWindows(account, request.at);
  const limits = limitsAt(account.plan, at.cameMs);
  const denials = DIMENSION_NAMES.flatMap((dimension) => {
    const limit = limits[dimension];
    if (limit === undefined) return [];
    const denial = denialOf(dimension, limit, {
      account,
      amount: amountOf(dimension, request.demand),
      at,
    });
    return denial === undefined ? [] : [denial];
  });
  const worst = denials.sort((a, b) => severity(b) - severity(a))[0];
  return worst ?? { kind: 'retry', request: { ...request, at }, plan: account.plan };
}

/** How much of a dimension the demand takes. */
export function amountOf(dimension: Dimension, demand: Demand): number {
  switch (DIMENSIONS[dimension].counts) {
    case 'requests':
      return 1;
    case 'inputTokens':
      return demand.inputTokens;
    case 'outputTokens':
      return demand.outputTokens;
    case 'tokens':
      return demand.inputTokens + demand.outputTokens;
    case 'nanoUsd':
      return demand.nanoUsd;
  }
}

/** The counter attribute of a dimension at a moment; concurrency has none, it is the number of holds. */
export function counterFor(dimension: Dimension, at: Moment): string | undefined {
  if (dimension === 'concurrentRequests') return undefined;
  return counterName(dimension, at[DIMENSIONS[dimension].window]);
}

/**
 * Whether an account keeps the dimension's counter. Sums of the month are kept for every account, limited
 * or not, so that a limit set mid-month finds the truth; those of the day where any daily limit is.
 */
export function keepsCounter(dimension: Dimension, plan: LimitPlan): boolean {
  const { window } = DIMENSIONS[dimension];
  if (window === 'month') return true;
  return window === 'day' ? countsDay(plan) : everLimits(plan, dimension);
}

/** What the item keeps for nobody any more; at most so many entries a write, the rest wait. */
export function staleEntries(account: Account, at: Moment): Path[] {
  const nowSeconds = Math.floor(at.nowMs / 1000);
  return [...staleCounters(account, at), ...staleMarks(account, nowSeconds)].slice(0, MAX_SWEPT);
}

const MAX_SWEPT = 24;

/** A hold that has expired is made by nobody. */
export function staleMarks({ voided }: Account, nowSeconds: number): Path[] {
  return [...voided]
    .filter(([, expiresAtSeconds]) => expiresAtSeconds + GRACE_SECONDS <= nowSeconds)
    .map(([id]) => [ATTR.voided, id]);
}

/** Clocks of environments disagree by less. */
export const GRACE_SECONDS = 5;

/**
 * Counters that nobody will read or move any more, and marks of their periods. Windows are judged by
 * the item's clock, which no writer can undercut, and the day before the moment's is kept: a counter that a
 * fast clock swept would start from zero under a slow one.
 */
function staleCounters(account: Account, at: Moment): Path[] {
  const days = new Set([at.day, latestDayBefore(at.day, account)]);
  const months = new Set([at.month, at.month % 100 === 1 ? at.month - 89 : at.month - 1]);
  for (const hold of account.holds.values()) {
    days.add(hold.day);
    months.add(Math.floor(hold.day / 100));
  }
  const isStale = (name: string): boolean => {
    const index = Number.parseInt(name.slice(2), 10);
    switch (WINDOW_OF_CODE.get(name.slice(0, 2))) {
      case 'second':
        return index < account.latestSecond - 1;
      case 'minute':
        return index < account.latestMinute - 1;
      case 'day':
        return index < at.day && !days.has(index);
      case 'month':
        return index < at.month && !months.has(index);
      default:
        return false;
    }
  };
  // Marks of windows have no period, and stay: one a dimension.
  const marks = [...account.told.keys()].filter((name) => !/^..0!$/.test(name));
  return [...account.counters.keys(), ...marks].filter(isStale).map((name) => [name]);
}

function latestDayBefore(day: number, { counters }: Account): number {
  const days = [...counters.keys()]
    .filter((name) => WINDOW_OF_CODE.get(name.slice(0, 2)) === 'day')
    .map((name) => Number(name.slice(2)));
  return Math.max(0, ...days.filter((each) => each < day));
}

export const LATEST = [
  ['second', ATTR.latestSecond],
  ['minute', ATTR.latestMinute],
  ['day', ATTR.latestDay],
] as const;

/** In which of them a dimension is counted. Months end with a day. */
export function countedIn(dimension: Dimension): (typeof LATEST)[number][0] | 'open' {
  const { window } = DIMENSIONS[dimension];
  return window === 'month' ? 'day' : window;
}

const WINDOW_OF_CODE = new Map<string, string>([
  ...DIMENSION_NAMES.map((dimension): [string, string] => [
    DIMENSIONS[dimension].code,
    DIMENSIONS[dimension].window,
  ]),
  ...(
    [
      'settledRequests',
      'settledInputTokens',
      'settledOutputTokens',
      'settledNanoUsd',
    ] satisfies Counter[]
  ).map((counter): [string, string] => [COUNTER[counter], 'month']),
]);

/** The account has so much room in a dimension. */
export function roomFor(
  dimension: Dimension,
  limit: number,
  { amount, at, seen }: { amount: number; at: Moment; seen: Account | undefined },
): Condition {
  if (dimension === 'concurrentRequests')
    return { kind: 'fewer-than', path: [ATTR.holds], value: limit };
  const room = limit - amount;
  if (room < 0) return NEVER;
  const { window } = DIMENSIONS[dimension];
  if (window === 'day' || window === 'month') {
    return { kind: 'at-most', path: [counterName(dimension, at[window])], value: room };
  }
  const index = at[window];
  const weight = previousWeight(window, at);
  const assumed =
    seen === undefined
      ? LADDER.map((share) => Math.floor(share * limit))
      : [Math.max(0, counterValue(seen, dimension, index - 1))];
  const alternatives = assumed.flatMap((previous): Condition[][] => {
    const left = room - Math.ceil(weight * previous);
    if (left < 0) return [];
    return [
      [
        { kind: 'at-most', path: [counterName(dimension, index - 1)], value: previous },
        { kind: 'at-most', path: [counterName(dimension, index)], value: left },
      ],
    ];
  });
  return { kind: 'any', of: alternatives };
}

/** No alternative at all: refused by every item, which then says what it holds. */
const NEVER: Condition = { kind: 'any', of: [] };

/** The moment in windows that are not behind those of any writer. */
export function adoptWindows(account: Account, at: Moment): Moment {
  const second = Math.max(at.second, account.latestSecond);
  const minute = Math.max(at.minute, account.latestMinute);
  return { ...at, second, minute };
}

/** The moment in a day that is not behind that of any writer. */
export function adoptDay({ latestDay }: Account, at: Moment): Moment {
  return latestDay <= at.day ? at : { ...at, day: latestDay, month: Math.floor(latestDay / 100) };
}

export function usesWindow(plan: LimitPlan, kind: (typeof LATEST)[number][0]): boolean {
  return DIMENSION_NAMES.some(
    (dimension) => countedIn(dimension) === kind && everLimits(plan, dimension),
  );
}

/** The hold as the account will keep it. */
export function holdOf(
  { demand, expiresAtSeconds, at, owner }: ReserveRequest,
  plan: LimitPlan,
): Hold {
  return { ...demand, expiresAtSeconds, day: at.day, countsDay: countsDay(plan), owner };
}

/** Whether the account keeps counters of days. */
export function countsDay(plan: LimitPlan): boolean {
  return DIMENSION_NAMES.some(
    (dimension) => DIMENSIONS[dimension].window === 'day' && everLimits(plan, dimension),
  );
}

/** True when the hold was made by an earlier attempt of this very request, under whichever limits. */
export function isOurs(hold: Hold, request: ReserveRequest): boolean {
  return encodeHold(hold) === encodeHold({ ...holdOf(request, {}), countsDay: hold.countsDay });
}

function nonZero(add: ReadonlyMap<string, number>): [string, number][] {
  return [...add].filter(([, amount]) => amount !== 0);
}

function severity(denial: Denial): number {
  if (denial.reason === 'too-large') return Number.MAX_SAFE_INTEGER;
  return denial.reason === 'spent' ? Number.MAX_SAFE_INTEGER - 1 : (denial.retryAfterMs ?? 0);
}

/** The moment of a call in all the units that accounts count in. */
export function momentOf(
  nowMs: EpochMs,
  calendar: { readonly day: number; readonly month: number },
): Moment {
  return {
    nowMs,
    cameMs: nowMs,
    second: windowIndex('second', nowMs),
    minute: windowIndex('minute', nowMs),
    ...calendar,
  };
}
