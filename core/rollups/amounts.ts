/**
 * Rollups: sums over the usage events of one subject in one window. This folder folds events into additions, names the
 * windows and subjects they belong to, and says how a store adds them exactly once. It decides no alert, reads no clock
 * and never sees a prompt.
 */
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from '../limits/dimensions.ts';
import type { UsageEvent } from '../usage/event.ts';
import { tokensOfEvent } from '../usage/event-values.ts';
import { bucketCode } from './histogram.ts';

/** What is summed: name -> attribute of the stored item. */
export const AMOUNTS = {
  /** Events of any outcome, the denied among them. */
  requests: 'rq',
  inputTokens: 'it',
  outputTokens: 'ot',
  nanoUsd: 'nu',
  /** Sum of squares of a call's tokens, in (100 tokens)²: from it follows how much sums vary by chance. */
  squaredTokens: 't2',
  denied: 'dn',
  errors: 'er',
  /** Errors with which a provider said 429. */
  providerThrottles: 'th',
  cancelled: 'cn',
  fallbacks: 'fb',
  cacheHits: 'ch',
  cachedInputTokens: 'ci',
  /** Calls that took more than one attempt. */
  retried: 'rt',
  premiumRequests: 'pr',
  premiumTokens: 'pt',
  premiumNanoUsd: 'pn',
  estimated: 'es',
  unpriced: 'up',
  expired: 'xp',
} as const;

export type Amount = keyof typeof AMOUNTS;

/** Sums by attribute; one that is absent is zero. */
export type Rollup = Readonly<Record<string, number>>;

export const EMPTY: Rollup = {};

export function amountOf(rollup: Rollup, amount: Amount): number {
  return rollup[AMOUNTS[amount]] ?? 0;
}

export function tokensOf(rollup: Rollup): number {
  return amountOf(rollup, 'inputTokens') + amountOf(rollup, 'outputTokens');
}

/** Calls refused by one dimension of limits, by its code. */
function deniedCode(code: string): string {
  return `d_${code}`;
}

/** Bounds of what one call can be: an absurd figure must not move a baseline for five weeks. */
const MAX_TOKENS_OF_CALL = 100_000_000;
const MAX_NANO_USD_OF_CALL = 100_000_000_000_000;

export function isAbsurd(event: UsageEvent): boolean {
  const { inputTokens, outputTokens } = tokensOfEvent(event);
  return (
    Math.max(inputTokens, outputTokens) > MAX_TOKENS_OF_CALL ||
    event.cost_nano_usd > MAX_NANO_USD_OF_CALL
  );
}

/** What one event adds. */
export function amountsOfEvent(event: UsageEvent): Rollup {
  const tokens = tokensOfEvent(event);
  const inputTokens = Math.min(tokens.inputTokens, MAX_TOKENS_OF_CALL);
  const outputTokens = Math.min(tokens.outputTokens, MAX_TOKENS_OF_CALL);
  const nanoUsd = Math.min(event.cost_nano_usd, MAX_NANO_USD_OF_CALL);
  const isPremium = event.tier === 'premium' && event.outcome !== 'denied';
  const isServed = event.outcome !== 'denied' && event.model !== null;
  return present({
    [AMOUNTS.requests]: 1,
    [AMOUNTS.inputTokens]: inputTokens,
    [AMOUNTS.outputTokens]: outputTokens,
    [AMOUNTS.nanoUsd]: nanoUsd,
    [AMOUNTS.squaredTokens]: Math.round(((inputTokens + outputTokens) / 100) ** 2),
    ...outcomeAmounts(event),
    [AMOUNTS.fallbacks]: Number(event.fallback_from !== null),
    [AMOUNTS.cacheHits]: Number(event.cache_result === 'hit'),
    [AMOUNTS.cachedInputTokens]: Math.min(event.cached_input_tokens ?? 0, MAX_TOKENS_OF_CALL),
    [AMOUNTS.retried]: Number(event.attempts > 1),
    [AMOUNTS.premiumRequests]: Number(isPremium),
    [AMOUNTS.premiumTokens]: isPremium ? inputTokens + outputTokens : 0,
    [AMOUNTS.premiumNanoUsd]: isPremium ? nanoUsd : 0,
    [AMOUNTS.estimated]: Number(event.estimated),
    [AMOUNTS.unpriced]: Number(isServed && event.price_version === null),
    ...durations(event),
  });
}

function outcomeAmounts(event: UsageEvent): Rollup {
  const isError = event.outcome === 'error';
  const code = DIMENSION_CODES.get(event.denied_dimension ?? '');
  return {
    [AMOUNTS.denied]: Number(event.outcome === 'denied'),
    ...(code === undefined ? {} : { [deniedCode(code)]: 1 }),
    [AMOUNTS.errors]: Number(isError),
    [AMOUNTS.providerThrottles]: Number(isError && event.status === 429),
    [AMOUNTS.cancelled]: Number(event.outcome === 'cancelled'),
    [AMOUNTS.expired]: Number(event.outcome === 'expired'),
  };
}

/** Of calls that were answered whole: the others end when they end. */
function durations(event: UsageEvent): Rollup {
  if (event.outcome !== 'ok') return EMPTY;
  return {
    [bucketCode('latency', event.duration_ms)]: 1,
    ...(event.ttft_ms === null ? {} : { [bucketCode('ttft', event.ttft_ms)]: 1 }),
  };
}

const DIMENSION_CODES: ReadonlyMap<string, string> = new Map(
  DIMENSION_NAMES.map((name) => [name, DIMENSIONS[name].code]),
);

/** How many calls each dimension of limits refused; those that refused none are left out. */
export function deniedByDimension(rollup: Rollup): [Dimension, number][] {
  return DIMENSION_NAMES.flatMap((name): [Dimension, number][] => {
    const calls = rollup[deniedCode(DIMENSIONS[name].code)] ?? 0;
    return calls > 0 ? [[name, calls]] : [];
  });
}

function present(amounts: Readonly<Record<string, number>>): Rollup {
  return Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount !== 0));
}

export function addInto(sums: Record<string, number>, more: Rollup): void {
  for (const code in more) sums[code] = (sums[code] ?? 0) + (more[code] ?? 0);
}

export function sumOf(rollups: readonly Rollup[]): Rollup {
  const sums: Record<string, number> = {};
  for (const rollup of rollups) addInto(sums, rollup);
  return sums;
}
