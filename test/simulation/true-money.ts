/** Usage, cost and calendar told again by plain arithmetic, so that the core is not judged by itself. */
import type { Price } from '../../core/catalog/snapshot.ts';
import type { EpochMs } from '../../core/clock.ts';
import type { CallRecord, ReportedUsage } from './call-record.ts';

/** Zones without summer time, so that the invariants can tell the calendar by plain arithmetic. */
export const ZONE_OFFSET_MS: Readonly<Record<string, number>> = {
  UTC: 0,
  'Asia/Kolkata': 19_800_000,
  'America/Phoenix': -25_200_000,
};

export interface Amount {
  readonly requests: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly nanoUsd: number;
}

export const NOTHING: Amount = { requests: 0, inputTokens: 0, outputTokens: 0, nanoUsd: 0 };

export function plus(a: Amount, b: Amount): Amount {
  return {
    requests: a.requests + b.requests,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    nanoUsd: a.nanoUsd + b.nanoUsd,
  };
}

export function minus(a: Amount, b: Amount): Amount {
  return plus(a, {
    requests: -b.requests,
    inputTokens: -b.inputTokens,
    outputTokens: -b.outputTokens,
    nanoUsd: -b.nanoUsd,
  });
}

export function tokensOf({ inputTokens, outputTokens }: Amount): number {
  return inputTokens + outputTokens;
}

/** Whole nano-dollars, rounded up once over all classes of tokens. */
export function trueCost(price: Price, usage: ReportedUsage): number {
  const { promptTokens, cachedTokens, writtenTokens, completionTokens } = usage;
  const reasoningPrice = price.reasoning ?? price.output;
  // Where nobody says how much of it was reasoning it is billed as the dearer of both.
  const untold = reasoningPrice > price.output ? completionTokens : 0;
  const reasoningTokens = usage.reasoningTokens ?? untold;
  const pico =
    BigInt(promptTokens - cachedTokens - writtenTokens) * BigInt(price.input) +
    BigInt(cachedTokens) * BigInt(price.cachedInput ?? price.input) +
    BigInt(writtenTokens) * BigInt(price.cacheWrite5m ?? price.input) +
    BigInt(completionTokens - reasoningTokens) * BigInt(price.output) +
    BigInt(reasoningTokens) * BigInt(reasoningPrice);
  const percent = BigInt(percentOf(price, usage.serviceTier));
  return Number((pico * percent + 99_999n) / 100_000n);
}

function percentOf({ serviceTiers = {} }: Price, tier: string | null): number {
  if (tier === null || tier === 'default') return 100;
  return serviceTiers[tier] ?? dearestPercent(serviceTiers);
}

function dearestPercent(tiers: Readonly<Record<string, number>>): number {
  return Math.max(100, ...Object.values(tiers));
}

/** What no usage of so many tokens exceeds. */
function dearest(price: Price, inputTokens: number, outputTokens: number): number {
  const input = Math.max(price.input, price.cachedInput ?? 0, price.cacheWrite5m ?? 0);
  const output = Math.max(price.output, price.reasoning ?? 0);
  const pico = BigInt(inputTokens) * BigInt(input) + BigInt(outputTokens) * BigInt(output);
  const percent = BigInt(dearestPercent(price.serviceTiers ?? {}));
  return Number((pico * percent + 99_999n) / 100_000n);
}

/** The most that the call can take: a token a byte, every output token, the dearest route. */
export function trueBound({ asked, decided }: CallRecord): Amount {
  const inputTokens = asked.bodyBytes + PRIMING_TOKENS;
  const { policy } = decided ?? {};
  const routes = (policy?.models[asked.alias]?.routes ?? []).filter(
    // Another limited pool than the first route's is not fallen back to.
    ({ provider }, index) =>
      index === 0 || Object.keys(policy?.providers[provider]?.limits ?? {}).length === 0,
  );
  const costs = routes.map(({ price }) =>
    price === undefined ? 0 : dearest(price, inputTokens, asked.outputTokens),
  );
  return {
    requests: 1,
    inputTokens,
    outputTokens: asked.outputTokens,
    nanoUsd: Math.max(...costs),
  };
}

/** The tokens that prime an answer come on top of the body's bytes. */
const PRIMING_TOKENS = 16;

/** The price that was in force for the call when it reserved. */
export function priceAtReserve({ decided }: CallRecord, model: string): Price | undefined {
  const aliases = Object.values(decided?.policy.models ?? {});
  return aliases.flatMap(({ routes }) => routes).find((route) => route.model === model)?.price;
}

/** The calendar day (YYYYMMDD) in a zone without summer time. */
export function dayOf(atMs: EpochMs, timeZone: string): number {
  const local = new Date(atMs + (ZONE_OFFSET_MS[timeZone] ?? 0));
  return local.getUTCFullYear() * 10_000 + (local.getUTCMonth() + 1) * 100 + local.getUTCDate();
}

/** When the day began in a zone without summer time. */
export function beginOf(day: number, timeZone: string): EpochMs {
  const [year, month, date] = [Math.floor(day / 10_000), Math.floor(day / 100) % 100, day % 100];
  return Date.UTC(year, month - 1, date) - (ZONE_OFFSET_MS[timeZone] ?? 0);
}

/** Weekday (1 is Monday) and minute of the day in a zone without summer time. */
export function localTime(atMs: EpochMs, timeZone: string): { weekday: number; minute: number } {
  const minutes = Math.floor((atMs + (ZONE_OFFSET_MS[timeZone] ?? 0)) / 60_000);
  // The first of January 1970 was a Thursday.
  return { weekday: ((Math.floor(minutes / 1_440) + 3) % 7) + 1, minute: minutes % 1_440 };
}

export function monthOf(day: number): number {
  return Math.floor(day / 100);
}
