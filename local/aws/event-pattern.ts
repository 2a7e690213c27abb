/** EventBridge's content patterns, as documented in the EventBridge user guide, "comparison operators". */
import * as z from 'zod';
import { AwsError } from './wire.ts';

/**
 * Whether every field that the pattern names matches the event. Throws InvalidEventPatternException, also for a part that
 * decides nothing about this event: a pattern can be checked before there is one.
 */
export function matchesPattern(pattern: unknown, event: unknown): boolean {
  const fields = patternObjectSchema.safeParse(pattern);
  if (!fields.success) throw invalid('a pattern is an object');
  const matches = Object.entries(fields.data).map(([name, rule]) => {
    if (name === '$or')
      return alternatives(rule)
        .map((one) => matchesPattern(one, event))
        .includes(true);
    const value = fieldOf(event, name);
    if (!Array.isArray(rule)) return matchesPattern(rule, value);
    return rule.map((matcher) => matchesField(matcher, value)).includes(true);
  });
  return !matches.includes(false);
}

const patternObjectSchema = z.record(z.string(), z.unknown());
const scalarSchema = z.union([z.string(), z.number(), z.boolean(), z.null()]);

function alternatives(rule: unknown): readonly unknown[] {
  if (Array.isArray(rule) && rule.length > 1) return rule;
  throw invalid('$or takes an array of at least two patterns');
}

function fieldOf(event: unknown, name: string): unknown {
  const fields = patternObjectSchema.safeParse(event);
  return fields.success && Object.hasOwn(fields.data, name) ? fields.data[name] : undefined;
}

/** An array in the event matches when any of its elements does. */
function matchesField(matcher: unknown, value: unknown): boolean {
  const exists = existsSchema.safeParse(matcher);
  if (exists.success) return (value !== undefined) === exists.data.exists;
  // Checked also when there is nothing to match: a rule must not be wrong until the day it matters.
  const matches = matcherOf(matcher);
  if (value === undefined) return false;
  return Array.isArray(value) ? value.some(matches) : matches(value);
}

type Matches = (value: unknown) => boolean;

const existsSchema = z.strictObject({ exists: z.boolean() });
const textOrTexts = z.union([z.string(), z.array(z.string())]);
const operatorSchema = z.union([
  z.strictObject({ prefix: z.string() }),
  z.strictObject({ suffix: z.string() }),
  z.strictObject({ 'equals-ignore-case': z.string() }),
  z.strictObject({ numeric: z.array(z.unknown()) }),
  z.strictObject({
    'anything-but': z.union([
      scalarSchema,
      z.array(scalarSchema),
      z.strictObject({ prefix: textOrTexts }),
      z.strictObject({ suffix: textOrTexts }),
    ]),
  }),
]);

function matcherOf(matcher: unknown): Matches {
  const scalar = scalarSchema.safeParse(matcher);
  if (scalar.success) return (value) => value === scalar.data;
  const parsed = operatorSchema.safeParse(matcher);
  if (!parsed.success) throw invalid(`not available locally: ${JSON.stringify(matcher)}`);
  const operator = parsed.data;
  if ('prefix' in operator) return (value) => isText(value) && value.startsWith(operator.prefix);
  if ('suffix' in operator) return (value) => isText(value) && value.endsWith(operator.suffix);
  if ('numeric' in operator) return numericMatcher(operator.numeric);
  if ('equals-ignore-case' in operator) {
    const wanted = operator['equals-ignore-case'].toLowerCase();
    return (value) => isText(value) && value.toLowerCase() === wanted;
  }
  return exclusion(operator['anything-but']);
}

type Exclusion = Extract<
  z.infer<typeof operatorSchema>,
  { 'anything-but': unknown }
>['anything-but'];

function exclusion(excluded: Exclusion): Matches {
  if (Array.isArray(excluded)) return (value) => !excluded.some((one) => one === value);
  if (excluded === null || typeof excluded !== 'object') return (value) => value !== excluded;
  if ('prefix' in excluded) {
    return (value) =>
      isText(value) && ![excluded.prefix].flat().some((one) => value.startsWith(one));
  }
  return (value) => isText(value) && ![excluded.suffix].flat().some((one) => value.endsWith(one));
}

const COMPARISONS = {
  '=': (a: number, b: number) => a === b,
  '<': (a: number, b: number) => a < b,
  '<=': (a: number, b: number) => a <= b,
  '>': (a: number, b: number) => a > b,
  '>=': (a: number, b: number) => a >= b,
} as const;
const comparisonSchema = z.tuple([z.enum(['=', '<', '<=', '>', '>=']), z.number()]);

/** `[">", 0, "<=", 5]`: pairs of a comparison and a bound, all of which must hold. */
function numericMatcher(parts: readonly unknown[]): Matches {
  const pairs = Array.from({ length: Math.ceil(parts.length / 2) }, (_, index) =>
    comparisonSchema.safeParse(parts.slice(2 * index, 2 * index + 2)),
  ).map((pair) => {
    if (!pair.success)
      throw invalid(`numeric takes comparisons and numbers: ${JSON.stringify(parts)}`);
    return pair.data;
  });
  if (pairs.length === 0) throw invalid('numeric takes at least one comparison');
  return (value) =>
    typeof value === 'number' &&
    pairs.every(([comparison, bound]) => COMPARISONS[comparison](value, bound));
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function invalid(reason: string): AwsError {
  return new AwsError(
    'InvalidEventPatternException',
    `Event pattern is not valid. Reason: ${reason}`,
  );
}
