/**
 * Parts that the policy file's schemas are built of. Every leaf arrives as the text its author wrote, and
 * every message says what was expected and nothing else.
 */
import * as z from 'zod';
import { parseCount } from './units.ts';

/** A message that starts with this lists the choices, from which a correction is suggested. */
export const ONE_OF = 'one of ';

const MAX_LIST = 1000;
const MAX_TEXT = 200;

export function leaf<T>(expected: string, parse: (text: string) => T | undefined) {
  return z.string({ error: expected }).transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: expected });
    return z.NEVER;
  });
}

/** Zero is refused because some read it as "no limit" and some as "nothing": leaving the key out says the first. */
export function count(max: number) {
  const expected = `a whole number from 1 to ${max.toLocaleString('en-US')}, such as 10, 50K or 1.5M`;
  return leaf(expected, (text) => within(parseCount(text), 1, max));
}

export function choice<const T extends Readonly<Record<string, unknown>>>(values: T) {
  const names = Object.keys(values);
  return leaf(ONE_OF + names.join(', '), (text): T[keyof T] | undefined =>
    names.includes(text) ? values[text as keyof T] : undefined,
  );
}

export function mapping<T extends z.ZodRawShape>(shape: T) {
  const keys = ONE_OF + Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: ({ code }) => (code === 'unrecognized_keys' ? keys : 'a mapping'),
  });
}

export function collection<K extends z.ZodType<string, string>, V extends z.ZodType>(
  name: K,
  value: V,
) {
  return z.record(name, value, { error: 'a mapping of names' });
}

export function list<T extends z.ZodType>(item: T) {
  return z.array(item, { error: 'a list' }).max(MAX_LIST, { error: `at most ${MAX_LIST} entries` });
}

export function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

export const ID_RULE = /^[a-z0-9][a-z0-9-]{0,62}$/;
export const id = leaf('an id of 1 to 63 lower-case letters, digits and dashes', (text) =>
  ID_RULE.test(text) ? text : undefined,
);

/** Callers send these as `model`; vendors' own names (`gpt-4.1`, `org/Model-8B`) must be possible. */
export const alias = leaf('a model name of 1 to 128 letters, digits and . _ : / -', (text) =>
  /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/.test(text) ? text : undefined,
);

export const tagName = leaf(
  'a tag name of 1 to 63 lower-case letters, digits and underscores',
  (text) => (/^[a-z][a-z0-9_]{0,62}$/.test(text) ? text : undefined),
);

/** A day begins at midnight UTC. */
export const instant = leaf(
  'a day such as 2027-01-31 or a moment such as 2027-01-31T00:00:00Z',
  (text) => {
    const isDay = z.iso.date().safeParse(text).success;
    const moment = isDay ? `${text}T00:00:00Z` : text;
    return z.iso.datetime({ offset: true }).safeParse(moment).success
      ? Date.parse(moment)
      : undefined;
  },
);

export const line = leaf(`a text of 1 to ${MAX_TEXT} characters on one line`, (text) =>
  /^\P{Cc}+$/u.test(text) && text.length <= MAX_TEXT ? text : undefined,
);

/** Some providers have it in the path, where `.` and `..` would climb however they are encoded. */
export const modelName = leaf(
  `a model's name of 1 to ${MAX_TEXT} characters on one line, other than . and ..`,
  (text) =>
    /^\P{Cc}+$/u.test(text) && text.length <= MAX_TEXT && !/^\.{1,2}$/.test(text)
      ? text
      : undefined,
);

export const percent = leaf('a whole percent from 1 to 100, such as 80', (text) =>
  within(parseCount(text.replace(/ ?%$/, '')), 1, 100),
);

export const timeZone = leaf('an IANA time zone such as Europe/Berlin or UTC', (text) =>
  isTimeZone(text) ? text : undefined,
);

/** Fixed offsets ("+01:00") are no calendars: they know no summer time. */
function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
