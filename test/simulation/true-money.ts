/** Usage, cost and calendar told again by plain arithmetic, so that the core is not judged by itself. */
import type { Price } from '../../core/catalog/snapshot.ts';
import type { EpochMs } from '../../core/clock.ts';
import type { CallRecord, ReportedUsage } from './call-record.ts';
import { ZONE_OFFSET_MS } from './policies.ts';

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
  const fresh = BigInt(usage.promptTokens - usage.cachedTokens) * BigInt(price.input);
  const cached = BigInt(usage.cachedTokens) * BigInt(price.cachedInput ?? price.input);
  const pico = fresh + cached + BigInt(usage.completionTokens) * BigInt(price.output);
  return Number(pico / 1_000n + (pico % 1_000n === 0n ? 0n : 1n));
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
    price === undefined
      ? 0
      : trueCost(price, {
          promptTokens: inputTokens,
          cachedTokens: 0,
          completionTokens: asked.outputTokens,
        }),
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

export function monthOf(day: number): number {
  return Math.floor(day / 100);
}
