/**
 * The bound of a call before it is made: never under what it can cost. A token of text is at least one
 * UTF-8 byte, and JSON's own characters outweigh the tokens that a provider adds around each message, so
 * the bytes of the body bound all text, tools and schemas in it. What is not text has a bound of its own.
 */
import type { Route } from '../catalog/snapshot.ts';
import { GatewayError } from '../errors.ts';
import { type NanoUsd, ZERO_USD } from '../money.ts';
import { type CacheWrites, type CallBound, dearestCost } from '../usage/cost.ts';
import type { Demand } from './reserve.ts';

/** Body overhead beyond its bytes: the tokens that prime the answer. */
const PRIMING_TOKENS = 16;

/** A provider whose text counts for so much more than it was allowed ignores its maximum; no estimate is that wrong. */
const RUNAWAY_FACTOR = 4;
const RUNAWAY_SLACK_TOKENS = 1_000;

export interface CallSize {
  readonly bodyBytes: number;
  /** What its bytes do not bound: images, and what providers add for tools. */
  readonly tokensBesideText: number;
  readonly maxOutputTokens: number;
  readonly choices: number;
  /** As in {@link CallBound}; each absent one is unknown or cannot happen, as told there. */
  readonly webSearches?: number;
  readonly cacheWrites?: CacheWrites;
}

/** Tokens and money that the call can take at most on the dearest of its routes. */
export function boundOf(size: CallSize, routes: readonly Route[]): Demand {
  const inputTokens = size.bodyBytes + size.tokensBesideText + PRIMING_TOKENS;
  const outputTokens = size.maxOutputTokens * size.choices;
  const bound = { ...extrasOf(size), inputTokens, outputTokens };
  const costs = routes.map((route) => routeCost(route, bound));
  return { nanoUsd: Math.max(...costs), inputTokens, outputTokens };
}

function extrasOf({ webSearches, cacheWrites }: CallSize): Partial<CallBound> {
  return {
    ...(webSearches === undefined ? {} : { webSearches }),
    ...(cacheWrites === undefined ? {} : { cacheWrites }),
  };
}

export function isRunaway(estimatedTokens: number, allowedTokens: number): boolean {
  return estimatedTokens > allowedTokens * RUNAWAY_FACTOR + RUNAWAY_SLACK_TOKENS;
}

/** An estimate of what a provider said within its maximum is not above the maximum, however long its words are. */
export function estimateWithin(estimatedTokens: number, allowedTokens: number): number {
  if (isRunaway(estimatedTokens, allowedTokens)) return estimatedTokens;
  return Math.min(estimatedTokens, allowedTokens);
}

function routeCost({ price, free }: Route, bound: CallBound): NanoUsd {
  if (price !== undefined) return dearestCost(bound, price);
  if (free) return ZERO_USD;
  throw new GatewayError(
    'model_unpriced',
    'This model has no price, so its cost cannot be bounded.',
  );
}
