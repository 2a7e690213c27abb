/**
 * Filter policies of SNS subscriptions, as documented in the SNS developer guide, "subscription filter policies". Their
 * operators are those of event patterns; what differs is what they look at.
 */
import * as z from 'zod';
import { matchesPattern } from './event-pattern.ts';
import type { FilterSpec } from './resources.ts';
import { AwsError } from './wire.ts';

/** By name. */
export type MessageAttributes = ReadonlyMap<string, MessageAttribute>;

interface MessageAttribute {
  /** `String`, `Number`, `String.Array` or `Binary`, and what a publisher writes behind a dot. */
  readonly type: string;
  readonly value: string;
}

interface Filtered {
  readonly message: string;
  readonly attributes: MessageAttributes;
}

export type Filter = (message: Filtered) => boolean;

/** Throws InvalidParameter for a policy that is wrong or has operators that are not available here. */
export function filterOf({ policy, scope }: FilterSpec): Filter {
  checkPolicy({ policy, scope });
  if (scope === 'MessageBody')
    return ({ message }) => {
      const body = objectSchema.safeParse(jsonOf(message));
      return body.success && matchesPattern(policy, body.data);
    };
  return ({ attributes }) => matchesPattern(policy, valuesOf(attributes));
}

/** As the attributes of a subscription carry it. */
export function readFilter(texts: {
  readonly policy: string;
  readonly scope: string | undefined;
}): FilterSpec {
  const scope = scopeSchema.safeParse(texts.scope);
  if (!scope.success) throw invalid(`no scope ${texts.scope}`);
  return { policy: jsonOf(texts.policy), scope: scope.data };
}

const scopeSchema = z.enum(['MessageAttributes', 'MessageBody']).default('MessageAttributes');
const objectSchema = z.record(z.string(), z.unknown());
const flatSchema = z.record(z.string(), z.array(z.unknown()));
const MAX_KEYS = 5;

function checkPolicy({ policy, scope }: FilterSpec): void {
  const fields = objectSchema.safeParse(policy);
  if (!fields.success) throw invalid('a filter policy is an object');
  if (Object.keys(fields.data).length > MAX_KEYS) throw invalid(`more than ${MAX_KEYS} keys`);
  if (scope === 'MessageAttributes' && !flatSchema.safeParse(policy).success)
    throw invalid('the scope MessageAttributes takes an array for each name');
  try {
    matchesPattern(policy, {});
  } catch (error) {
    throw error instanceof AwsError ? invalid(error.message) : error;
  }
}

/** Binary attributes match nothing, as on AWS. */
function valuesOf(attributes: MessageAttributes): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...attributes].flatMap(([name, { type, value }]): [string, unknown][] => {
      const [base] = type.split('.');
      if (type === 'String.Array') return [[name, jsonOf(value)]];
      if (base === 'String') return [[name, value]];
      return base === 'Number' ? [[name, Number(value)]] : [];
    }),
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(reason: string): AwsError {
  return new AwsError('InvalidParameter', `Invalid parameter: FilterPolicy: ${reason}`);
}
