/**
 * What a usage costs at a price, and what it can cost at most. Both read a price through the same
 * card, so that a class without a price of its own falls back alike, to one that is as dear or dearer:
 * - cached input: the input price;
 * - five-minute writes: the one-hour price, else the input price, as no provider that charges extra
 *   for writes leaves both out of its list;
 * - one-hour writes: twice the input price where five-minute writes are dearer than input (the factor
 *   of every provider that has both), else the five-minute price;
 * - reasoning and audio: the price of the text they stand beside; reasoning of unknown size: the dearer of both;
 * - a tool call: the dearest list price of a web search that is known;
 * - an unknown service tier: the dearest of the price's tiers, never under the standard.
 */
import type { BilledTool, Price, PriceCard } from '../catalog/snapshot.ts';
import {
  costOf,
  MAX_NANO_USD,
  type NanoUsd,
  nanoUsd,
  type PricedTokens,
  ZERO_USD,
} from '../money.ts';
import { type TokenUsage, totalInputTokens } from './tokens.ts';

export function costOfUsage(usage: TokenUsage, price: Price | undefined): NanoUsd {
  if (price === undefined) return ZERO_USD;
  const reported = reportedCostOf(usage, price);
  if (reported !== undefined) return reported;
  const card = cardFor(price, totalInputTokens(usage));
  return costOf(classesOf(usage, card), {
    percent: tierPercent(usage, price),
    nanoUsd: toolCost(usage.toolCalls ?? {}, price),
  });
}

/** The provider's own figure, where the route's price trusts it and the provider gave one. */
export function reportedCostOf(usage: TokenUsage, price: Price | undefined): NanoUsd | undefined {
  return price?.trustsProviderCost === true ? usage.reportedCost : undefined;
}

/** The most that a call can be of. */
export interface CallBound {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Absent: the call asks for none, so none can be billed. */
  readonly webSearches?: number;
  /** Absent: audio cannot be billed, because such requests are refused. */
  readonly audio?: boolean;
  /** The longest cache write that the call can cause. Absent: unknown, hence the dearest. */
  readonly cacheWrites?: CacheWrites;
}

export type CacheWrites = 'none' | '5m' | '1h';

/** No usage within the bound costs more, whichever class, context tier and service tier it is billed at. */
export function dearestCost(bound: CallBound, price: Price): NanoUsd {
  const { inputTokens, outputTokens, webSearches = 0 } = bound;
  const reachable = (price.contextTiers ?? []).filter(
    ({ aboveInputTokens }) => inputTokens > aboveInputTokens,
  );
  const flat = toolCost({ web_search: webSearches }, price);
  const costs = [price, ...reachable].map((card) => {
    const classes = [
      { tokens: inputTokens, price: dearestInput(card, bound) },
      { tokens: outputTokens, price: dearestOutput(card, bound) },
    ];
    return costOf(classes, { percent: dearestTierPercent(price), nanoUsd: flat });
  });
  return nanoUsd(Math.max(...costs));
}

function dearestInput(card: PriceCard, { audio, cacheWrites = '1h' }: CallBound): number {
  const prices = pricesOf(card);
  return Math.max(
    prices.input,
    prices.cachedInput,
    cacheWrites === 'none' ? 0 : prices.cacheWrite5m,
    cacheWrites === '1h' ? prices.cacheWrite1h : 0,
    audio === true ? prices.audioInput : 0,
  );
}

function dearestOutput(card: PriceCard, { audio }: CallBound): number {
  const prices = pricesOf(card);
  return Math.max(prices.output, prices.reasoning, audio === true ? prices.audioOutput : 0);
}

/** The whole call is billed at the prices of the highest context tier that its input is above. */
function cardFor(price: Price, inputTokens: number): PriceCard {
  return (
    price.contextTiers?.findLast(({ aboveInputTokens }) => inputTokens > aboveInputTokens) ?? price
  );
}

function classesOf(usage: TokenUsage, card: PriceCard): PricedTokens[] {
  const prices = pricesOf(card);
  // Unknown reasoning may be none of the output or all of it.
  const unknown = prices.reasoning > prices.output ? usage.outputTokens : 0;
  const reasoning = Math.min(usage.reasoningTokens ?? unknown, usage.outputTokens);
  return [
    { tokens: usage.inputTokens, price: prices.input },
    { tokens: usage.cachedInputTokens, price: prices.cachedInput },
    { tokens: usage.cacheWrite5mTokens ?? 0, price: prices.cacheWrite5m },
    { tokens: usage.cacheWrite1hTokens ?? 0, price: prices.cacheWrite1h },
    { tokens: usage.audioInputTokens ?? 0, price: prices.audioInput },
    { tokens: usage.outputTokens - reasoning, price: prices.output },
    { tokens: reasoning, price: prices.reasoning },
    { tokens: usage.audioOutputTokens ?? 0, price: prices.audioOutput },
  ];
}

/** A card with the fallbacks above filled in. */
function pricesOf(card: PriceCard): { readonly [Class in keyof PriceCard]-?: number } {
  const cacheWrite5m = card.cacheWrite5m ?? card.cacheWrite1h ?? card.input;
  return {
    input: card.input,
    cachedInput: card.cachedInput ?? card.input,
    cacheWrite5m,
    cacheWrite1h:
      card.cacheWrite1h ??
      (cacheWrite5m > card.input ? Math.max(2 * card.input, cacheWrite5m) : cacheWrite5m),
    audioInput: card.audioInput ?? card.input,
    output: card.output,
    reasoning: card.reasoning ?? card.output,
    audioOutput: card.audioOutput ?? card.output,
  };
}

/** Names that providers give to what their lists price plainly. */
const STANDARD_TIERS: readonly string[] = ['standard', 'default', 'on_demand'];

function tierPercent({ serviceTier, batch }: TokenUsage, price: Price): number {
  const tier = batch === true ? 'batch' : serviceTier;
  if (tier === undefined || STANDARD_TIERS.includes(tier)) return 100;
  const tiers = price.serviceTiers ?? {};
  const known = Object.hasOwn(tiers, tier) ? tiers[tier] : undefined;
  return known ?? dearestTierPercent(price);
}

function dearestTierPercent({ serviceTiers = {} }: Price): number {
  return Math.max(100, ...Object.values(serviceTiers));
}

/** Gemini's grounding at $35 per 1,000 is the dearest web search of the lists of 2026. */
const DEAREST_TOOL_CALL = 35_000_000;

function toolCost(calls: Partial<Record<BilledTool, number>>, { toolCalls = {} }: Price): NanoUsd {
  const searches = (calls.web_search ?? 0) * (toolCalls.web_search ?? DEAREST_TOOL_CALL);
  return nanoUsd(Math.min(searches, MAX_NANO_USD));
}
