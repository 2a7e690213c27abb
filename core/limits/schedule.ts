/**
 * Limits that vary by weekday and time of day. A plan is the limits that hold always, in order the schedules
 * that replace some of them within a window of wall-clock time, and the raises that are added to them for
 * once between two instants. It decides which limits are in force at a moment, from the plan and the moment
 * alone; it reads no clock and no account.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import {
  DIMENSION_NAMES,
  type Dimension,
  type Limits,
  limitsFromCodes,
  limitsToCodes,
} from './dimensions.ts';

/**
 * A window on some weekdays: from `fromMinute` to before `toMinute` of local time. One that ends before it
 * begins crosses midnight and belongs to the day on which it begins. It follows the clock on the wall: an
 * hour that summer time skips has no window, and one that comes twice has it twice.
 */
export interface Schedule {
  /** 1 is Monday, 7 is Sunday. */
  readonly days: readonly number[];
  /** Minutes since local midnight, 0 to 1439. */
  readonly fromMinute: number;
  /** 1 to 1440, never `fromMinute`. */
  readonly toMinute: number;
  /** IANA. */
  readonly timeZone: string;
  /** These dimensions replace the plan's own; the others stay. */
  readonly limits: Limits;
}

/**
 * What is added to limits from one instant to before another, once: an override that was approved. No two of
 * a plan overlap. A dimension without a limit has nothing to add to, and stays without.
 */
export interface Raise {
  readonly fromMs: EpochMs;
  readonly untilMs: EpochMs;
  /** Negative where a scope has lent to another. */
  readonly limits: Limits;
  /**
   * It ends where the counters of each of its dimensions begin anew, so that no limit ever shrinks under
   * what was granted by it, and slices of it need no moving (core/limits/shards.ts).
   */
  readonly endsWithPeriod: boolean;
}

/** The limits of a scope at all times. Limits without schedules are a plan. */
export type LimitPlan = Limits & {
  readonly schedules?: readonly Schedule[] | undefined;
  readonly raises?: readonly Raise[] | undefined;
  /** Notify and never refuse (core/limits/soft.ts). */
  readonly soft?: Limits | undefined;
  /** How many accounts the scope has, where its own limits do not say (ADR 0031). In no account's item. */
  readonly accounts?: number | undefined;
};

/** The limits in force at the moment: the first schedule whose window it is in wins, and a raise comes on top. */
export function limitsAt(
  { schedules, raises, soft: _soft, accounts: _accounts, ...base }: LimitPlan,
  nowMs: EpochMs,
): Limits {
  const current = schedules?.find((schedule) => isOpen(schedule, nowMs));
  const limits = current === undefined ? base : { ...base, ...current.limits };
  const raise = raises?.find((each) => isRaised(each, nowMs));
  return raise === undefined ? limits : addedTo(limits, raise.limits, 1);
}

export function isRaised({ fromMs, untilMs }: Raise, nowMs: EpochMs): boolean {
  return fromMs <= nowMs && nowMs < untilMs;
}

/** The limits, more by so many times the amounts. */
export function addedTo(limits: Limits, amounts: Limits, times: 1 | -1): Limits {
  return mapBase(limits, (limit, dimension) => limit + times * (amounts[dimension] ?? 0));
}

/**
 * True when the plan limits the dimension at any time, if only softly. Its counter is then kept at all times, so
 * that a window which opens in the middle of a day, minute or month finds the truth.
 */
export function everLimits(plan: LimitPlan, dimension: Dimension): boolean {
  return (
    plan[dimension] !== undefined ||
    plan.soft?.[dimension] !== undefined ||
    (plan.schedules ?? []).some(({ limits }) => limits[dimension] !== undefined)
  );
}

/** Open calls are counted by their holds, and a lease is one hold for many: such limits are never leased. */
export function isLeasable(plan: LimitPlan): boolean {
  return !everLimits(plan, 'concurrentRequests');
}

/** False for a plan that never limits anything: its scope needs no account. */
export function hasLimits(plan: LimitPlan | undefined): plan is LimitPlan {
  return plan !== undefined && DIMENSION_NAMES.some((dimension) => everLimits(plan, dimension));
}

/**
 * The plan with each of its limits, soft ones and those of its schedules too, through the function. A raise becomes
 * what the raised limit is more than the plain one, so that shares of a plan are shares of it at any time.
 */
export function mapLimits(
  { schedules, raises, soft, ...base }: LimitPlan,
  change: (limit: number, dimension: Dimension) => number,
): LimitPlan {
  const plain = mapBase(base, change);
  const raised = ({ limits, ...window }: Raise) => {
    const total = mapBase(addedTo(base, limits, 1), change);
    return { ...window, limits: onlyOf(limits, addedTo(total, plain, -1)) };
  };
  const changed = {
    ...plain,
    ...(soft === undefined ? {} : { soft: mapBase(soft, change) }),
    ...(raises === undefined ? {} : { raises: raises.map(raised) }),
  };
  if (schedules === undefined) return changed;
  const within = ({ limits, ...window }: Schedule) => ({
    ...window,
    limits: mapBase(limits, change),
  });
  return { ...changed, schedules: schedules.map(within) };
}

/**
 * Fingerprint of a whole plan. The reserve's condition compares it, so that a writer which remembers
 * another plan is refused by the item and learns the right one from the same answer. It does not change
 * when a window opens or closes: every writer evaluates the same plan at the moment of its own request.
 */
export function planVersionOf(plan: LimitPlan): string {
  const known = versions.get(plan);
  if (known !== undefined) return known;
  const text = JSON.stringify(planToCodes(plan));
  const version = createHash('sha256').update(text).digest('base64url').slice(0, 8);
  versions.set(plan, version);
  return version;
}

/** Plans are immutable and live as long as their snapshot, so that each is hashed once. */
const versions = new WeakMap<LimitPlan, string>();

/** Beside the codes of dimensions in an account's limits; their values are texts, those are numbers. */
export const SCHEDULES_CODE = 'sc';
const SOFT_CODE = 'sl';
const RAISES_CODE = 'ra';

/** A plan as the account item stores it: without schedules just the codes of its limits. */
export type PlanCodes = { readonly [code: string]: number | string };

export function planToCodes(plan: LimitPlan): PlanCodes {
  const { schedules = [], raises = [], soft } = plan;
  const codes = {
    ...limitsToCodes(plan),
    ...(soft === undefined ? {} : { [SOFT_CODE]: JSON.stringify(limitsToCodes(soft)) }),
    ...(raises.length === 0 ? {} : { [RAISES_CODE]: JSON.stringify(raises.map(raiseToRow)) }),
  };
  if (schedules.length === 0) return codes;
  const rows = schedules.map(({ days, fromMinute, toMinute, timeZone, limits }) => [
    days.join(''),
    fromMinute,
    toMinute,
    timeZone,
    limitsToCodes(limits),
  ]);
  return { ...codes, [SCHEDULES_CODE]: JSON.stringify(rows) };
}

function raiseToRow({ fromMs, untilMs, endsWithPeriod, limits }: Raise) {
  return [fromMs, untilMs, endsWithPeriod ? 1 : 0, limitsToCodes(limits)];
}

const storedLimits = z.record(z.string(), z.number());
const storedRaises = z.array(z.tuple([z.number(), z.number(), z.number(), storedLimits]));
const storedSchedules = z.array(
  z.tuple([z.string(), z.number(), z.number(), z.string(), storedLimits]),
);

const storedCodes = z.record(z.string(), z.union([z.number(), z.string()]));
/** By their JSON. Nearly all accounts have one of few plans, and each comes back with every reserve. */
const storedPlans = new Map<string, LimitPlan>();
const MAX_STORED_PLANS = 1_000;

/**
 * The plan in an account item; the same one for the same limits, so that what is known of a plan is worked out once.
 * Throws a ZodError or SyntaxError where they are no limits: that is corruption.
 */
export function storedPlan(codes: unknown): LimitPlan {
  const text = JSON.stringify(codes) ?? '';
  const known = storedPlans.get(text);
  if (known !== undefined) return known;
  const plan = planFromCodes(storedCodes.parse(codes));
  if (storedPlans.size >= MAX_STORED_PLANS) storedPlans.clear();
  storedPlans.set(text, plan);
  return plan;
}

/** Throws a ZodError or SyntaxError where the stored texts are no limits: that is corruption. */
export function planFromCodes(codes: PlanCodes): LimitPlan {
  const numbers = Object.entries(codes).flatMap(([code, value]) =>
    typeof value === 'number' ? [[code, value] as const] : [],
  );
  const { [SOFT_CODE]: soft, [RAISES_CODE]: raises } = codes;
  const base = {
    ...limitsFromCodes(Object.fromEntries(numbers)),
    ...(typeof soft === 'string'
      ? { soft: limitsFromCodes(storedLimits.parse(JSON.parse(soft))) }
      : {}),
    ...(typeof raises === 'string' ? { raises: raisesFrom(raises) } : {}),
  };
  const text = codes[SCHEDULES_CODE];
  if (typeof text !== 'string') return base;
  const schedules = storedSchedules
    .parse(JSON.parse(text))
    .map(([days, fromMinute, toMinute, timeZone, limits]) => ({
      days: [...days].map(Number),
      fromMinute,
      toMinute,
      timeZone,
      limits: limitsFromCodes(limits),
    }));
  return { ...base, schedules };
}

function raisesFrom(text: string): Raise[] {
  return storedRaises.parse(JSON.parse(text)).map(([fromMs, untilMs, endsWithPeriod, limits]) => ({
    fromMs,
    untilMs,
    endsWithPeriod: endsWithPeriod === 1,
    limits: limitsFromCodes(limits),
  }));
}

/** Of the values, those of dimensions that the limits name. */
function onlyOf(limits: Limits, values: Limits): Limits {
  return Object.fromEntries(
    DIMENSION_NAMES.flatMap((dimension) => {
      const value = limits[dimension] === undefined ? undefined : values[dimension];
      return value === undefined ? [] : [[dimension, value]];
    }),
  );
}

function mapBase(limits: Limits, change: (limit: number, dimension: Dimension) => number): Limits {
  return Object.fromEntries(
    DIMENSION_NAMES.flatMap((dimension) => {
      const limit = limits[dimension];
      return limit === undefined ? [] : [[dimension, change(limit, dimension)]];
    }),
  );
}

/** A window without what holds in it. */
export type OpenHours = Omit<Schedule, 'limits'>;

export function isOpen(
  { days, fromMinute, toMinute, timeZone }: OpenHours,
  nowMs: EpochMs,
): boolean {
  const { day, minute } = wallClock(nowMs, timeZone);
  if (fromMinute < toMinute) return days.includes(day) && fromMinute <= minute && minute < toMinute;
  const yesterday = day === 1 ? 7 : day - 1;
  return minute >= fromMinute ? days.includes(day) : minute < toMinute && days.includes(yesterday);
}

interface WallClock {
  readonly day: number;
  readonly minute: number;
}

const formatters = new Map<string, Intl.DateTimeFormat>();
const recent = new Map<string, { readonly epochMinute: number; readonly clock: WallClock }>();
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** Formatting costs microseconds and a zone's clock changes on whole minutes, so one answer serves a minute. */
function wallClock(nowMs: EpochMs, timeZone: string): WallClock {
  const epochMinute = Math.floor(nowMs / 60_000);
  const last = recent.get(timeZone);
  if (last?.epochMinute === epochMinute) return last.clock;
  const parts = formatter(timeZone).formatToParts(epochMinute * 60_000);
  const read = (type: string) => parts.find((part) => part.type === type)?.value ?? '';
  const clock = {
    day: WEEKDAYS.indexOf(read('weekday')) + 1,
    minute: Number(read('hour')) * 60 + Number(read('minute')),
  };
  recent.set(timeZone, { epochMinute, clock });
  return clock;
}

function formatter(timeZone: string): Intl.DateTimeFormat {
  let known = formatters.get(timeZone);
  if (known === undefined) {
    known = new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formatters.set(timeZone, known);
  }
  return known;
}
