/** Limits in the policy file: the dimensions under the names that people use, and their schedules. */
import * as z from 'zod';
import type { Dimension, Limits } from '../limits/dimensions.ts';
import type { LimitPlan, OpenHours } from '../limits/schedule.ts';
import { count, leaf, list, mapping, ONE_OF, timeZone, within } from './schema-parts.ts';
import { parseNanoUsd } from './units.ts';

const MAX_TOKENS = 1_000_000_000_000_000;
const MAX_REQUESTS = 100_000_000;
const MAX_CONCURRENT = 100_000;
/** The account item holds them all, and it should stay under 1 KB: each takes 50 to 150 bytes of it. */
const MAX_SCHEDULES = 8;
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const DAYS_EXPECTED = `${ONE_OF}${DAYS.join(', ')} or a range of them such as mon-fri`;

const budget = leaf('US dollars from $0.000000001 to $9,000,000, such as $50,000', (text) =>
  within(parseNanoUsd(text), 1, Number.MAX_SAFE_INTEGER),
);
const requests = count(MAX_REQUESTS);
const tokens = count(MAX_TOKENS);

const fileLimits = mapping({
  requests_per_second: requests.optional(),
  requests_per_minute: requests.optional(),
  input_tokens_per_minute: tokens.optional(),
  output_tokens_per_minute: tokens.optional(),
  tokens_per_minute: tokens.optional(),
  concurrent_requests: count(MAX_CONCURRENT).optional(),
  daily_quota: tokens.optional(),
  monthly_quota: tokens.optional(),
  daily_budget: budget.optional(),
  monthly_budget: budget.optional(),
});

/** Limits that hold always. */
export const plainLimits = fileLimits.transform(toLimits);

/** One text, or a list of them that is not empty. */
const days = z.unknown().transform((value, context): number[] => {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const isList = items.length > 0;
  const numbers = (isList ? items : [value]).flatMap((item, index) => {
    const read = typeof item === 'string' ? daysOf(item) : [];
    const path = isList ? [index] : [];
    if (read.length === 0) context.addIssue({ code: 'custom', path, message: DAYS_EXPECTED });
    return read;
  });
  return [...new Set(numbers)].toSorted();
});

const timeOfDay = leaf('a time of day from 00:00 to 24:00, such as 08:30', (text) => {
  const [, hours, minutes] = /^(\d\d):([0-5]\d)$/.exec(text) ?? [];
  return within(Number(hours) * 60 + Number(minutes), 0, 1440);
});

const hours = {
  from: timeOfDay,
  to: timeOfDay,
  /** The policy's where it is left out. */
  time_zone: timeZone.optional(),
};

interface Hours {
  readonly from: number;
  readonly to: number;
}

/** An end at 00:00 is the end of the day, and a begin at 24:00 its begin. */
function withinDay<T extends Hours>(window: T): T {
  return { ...window, from: window.from % 1440, to: window.to === 0 ? 1440 : window.to };
}

const isSome = ({ from, to }: Hours) => from !== to;
const NO_HOURS = { path: ['to'], error: 'another time than from; a whole day is 00:00 to 24:00' };

const schedule = mapping({
  days,
  ...hours,
  limits: plainLimits.refine((limits) => Object.keys(limits).length > 0, {
    error: 'at least one limit',
  }),
})
  .transform(withinDay)
  .refine(isSome, NO_HOURS);

/** A window of time alone; every day where it names none. */
export const quietHours = mapping({ days: days.optional(), ...hours })
  .transform(withinDay)
  .refine(isSome, NO_HOURS);

export function hoursOf(
  { days = daysOf('mon-sun'), from, to, time_zone: zone }: z.infer<typeof quietHours>,
  policyZone: string,
): OpenHours {
  return { days, fromMinute: from, toMinute: to, timeZone: zone ?? policyZone };
}

/** Limits of a scope, with the windows in which others hold. */
export const limits = mapping({
  ...fileLimits.shape,
  schedules: list(schedule)
    .max(MAX_SCHEDULES, { error: `at most ${MAX_SCHEDULES} schedules` })
    .optional(),
}).transform(({ schedules, ...base }) => ({
  ...toLimits(base),
  ...(schedules === undefined ? {} : { schedules }),
}));

/** The limits as the request path reads them: every window has its time zone. */
export function planOf(
  { schedules, ...base }: z.infer<typeof limits>,
  policyZone: string,
): LimitPlan {
  if (schedules === undefined) return base;
  const compiled = schedules.map(({ from, to, time_zone: zone = policyZone, ...rest }) => ({
    ...rest,
    fromMinute: from,
    toMinute: to,
    timeZone: zone,
  }));
  return { ...base, schedules: compiled };
}

/** Numbers of the days, Monday 1; none where the text is no day and no range. `fri-mon` goes over the weekend. */
function daysOf(text: string): number[] {
  const [first = '', last = first, ...more] = text.split('-');
  const from = DAYS.indexOf(first);
  const to = DAYS.indexOf(last);
  if (from < 0 || to < 0 || more.length > 0) return [];
  const length = ((to - from + 7) % 7) + 1;
  return Array.from({ length }, (_, step) => ((from + step) % 7) + 1);
}

/** Complete by construction: a new dimension does not compile until the file has a key for it. */
function toLimits(file: z.infer<typeof fileLimits>): Limits {
  const byDimension: Record<Dimension, number | undefined> = {
    requestsPerSecond: file.requests_per_second,
    requestsPerMinute: file.requests_per_minute,
    inputTokensPerMinute: file.input_tokens_per_minute,
    outputTokensPerMinute: file.output_tokens_per_minute,
    tokensPerMinute: file.tokens_per_minute,
    concurrentRequests: file.concurrent_requests,
    tokensPerDay: file.daily_quota,
    tokensPerMonth: file.monthly_quota,
    nanoUsdPerDay: file.daily_budget,
    nanoUsdPerMonth: file.monthly_budget,
  };
  return Object.fromEntries(Object.entries(byDimension).filter(([, limit]) => limit !== undefined));
}
