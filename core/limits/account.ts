/**
 * The account item: the single authority on one scope's limits, counters and open holds, and the only
 * file that knows its attribute names. Counters live in attributes named after their window or period
 * (`rs` + second, `uM` + month), so that a window rolls by being absent and no write has to know what
 * the last one was (ADR 0002). Names are short because the item must stay under 1 KB, one write unit.
 */
import * as z from 'zod/mini';
import { type Limits, limitsFromCodes } from './dimensions.ts';

export type KeyStatus = 'active' | 'revoked' | 'suspended';

/** Attributes with one name. */
export const ATTR = {
  key: 'pk',
  status: 'st',
  /** Fingerprint of the limits in `limits`: a writer that assumes others is refused and sees these. */
  limitsVersion: 'lv',
  limits: 'l',
  /** Version of the policy that wrote limits and status last. */
  policyVersion: 'pv',
  /** The latest second and minute that any writer has counted in. They never go back. */
  latestSecond: 's',
  latestMinute: 'm',
  holds: 'h',
} as const;

/** Counters: attribute name = code + number of the window or period. */
export const COUNTER = {
  requestsPerSecond: 'rs',
  requestsPerMinute: 'rm',
  inputTokensPerMinute: 'im',
  outputTokensPerMinute: 'om',
  tokensPerMinute: 'tm',
  tokensPerDay: 'tD',
  nanoUsdPerDay: 'uD',
  tokensPerMonth: 'tM',
  nanoUsdPerMonth: 'uM',
  /** Settled sums of the month, beside the committed ones above (settled plus held). */
  settledRequests: 'sn',
  settledInputTokens: 'si',
  settledOutputTokens: 'so',
  settledNanoUsd: 'su',
} as const;

export type Counter = keyof typeof COUNTER;

/** Prefix of the marks that say when a budget threshold was told: code + month + `_` + percent. */
export const ALERT_MARK = 'al';

export function counterName(counter: Counter, index: number): string {
  return COUNTER[counter] + String(index);
}

/** A hold as stored: [nano-USD, input tokens, output tokens, expiry in epoch seconds, day YYYYMMDD]. */
const holdSchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number()]);

export interface Hold {
  readonly nanoUsd: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly expiresAtSeconds: number;
  readonly day: number;
}

export function encodeHold(hold: Hold): readonly number[] {
  return [hold.nanoUsd, hold.inputTokens, hold.outputTokens, hold.expiresAtSeconds, hold.day];
}

const itemSchema = z.looseObject({
  [ATTR.status]: z.enum(['active', 'revoked', 'suspended']),
  [ATTR.limitsVersion]: z.string(),
  [ATTR.limits]: z.record(z.string(), z.number()),
  [ATTR.policyVersion]: z.number(),
  [ATTR.latestSecond]: z.optional(z.number()),
  [ATTR.latestMinute]: z.optional(z.number()),
  [ATTR.holds]: z.record(z.string(), holdSchema),
});

/** An account item after parsing. Counters that are absent are zero. */
export interface Account {
  readonly status: KeyStatus;
  readonly limitsVersion: string;
  readonly limits: Limits;
  readonly policyVersion: number;
  readonly latestSecond: number;
  readonly latestMinute: number;
  readonly holds: ReadonlyMap<string, Hold>;
  readonly counters: ReadonlyMap<string, number>;
}

/** Plain attribute values of an item: what a fake keeps and what an adapter unmarshals. */
export type AccountItem = Readonly<Record<string, unknown>>;

/** Throws a ZodError when the item is not an account: that is corruption, not a refusal. */
export function parseAccount(item: AccountItem): Account {
  const raw = itemSchema.parse(item);
  const holds = new Map<string, Hold>();
  for (const [id, [nanoUsd, inputTokens, outputTokens, expiresAtSeconds, day]] of Object.entries(
    raw[ATTR.holds],
  )) {
    holds.set(id, { nanoUsd, inputTokens, outputTokens, expiresAtSeconds, day });
  }
  const counters = new Map<string, number>();
  for (const [name, value] of Object.entries(item)) {
    if (typeof value === 'number' && COUNTER_NAME.test(name)) counters.set(name, value);
  }
  return {
    status: raw[ATTR.status],
    limitsVersion: raw[ATTR.limitsVersion],
    limits: limitsFromCodes(raw[ATTR.limits]),
    policyVersion: raw[ATTR.policyVersion],
    latestSecond: raw[ATTR.latestSecond] ?? 0,
    latestMinute: raw[ATTR.latestMinute] ?? 0,
    holds,
    counters,
  };
}

const COUNTER_NAME = /^[a-z][a-zA-Z][0-9]+$/;

export function counterValue(account: Account, counter: Counter, index: number): number {
  return account.counters.get(counterName(counter, index)) ?? 0;
}

/** Sums over the open holds of one calendar month (YYYYMM). */
export function heldIn(
  account: Account,
  month: number,
): { nanoUsd: number; inputTokens: number; outputTokens: number; requests: number } {
  const sum = { nanoUsd: 0, inputTokens: 0, outputTokens: 0, requests: 0 };
  for (const hold of account.holds.values()) {
    if (Math.floor(hold.day / 100) !== month) continue;
    sum.nanoUsd += hold.nanoUsd;
    sum.inputTokens += hold.inputTokens;
    sum.outputTokens += hold.outputTokens;
    sum.requests += 1;
  }
  return sum;
}
