/**
 * What a team or a tenant did lately, for people and dashboards: a bounded answer, however many calls, features and
 * models there were. Sums are as fresh as the usage monitor, which is seconds; quantiles are right within a bucket.
 */
import type { EpochMs } from '../clock.ts';
import { formatUsd, MAX_NANO_USD, nanoUsd } from '../money.ts';
import { amountOf, deniedByDimension, type Rollup, sumOf, tokensOf } from './amounts.ts';
import { quantileOf, type Timing } from './histogram.ts';
import type { RollupReader, StoredRollup } from './rollup-reader.ts';
import { nameOfMember, type Subject, WHOLE } from './subjects.ts';
import { GRANULARITIES, windowStart } from './windows.ts';

/** How far back, the running window included. */
const SPANS = { '1h': ['fiveMinutes', 12], '24h': ['hour', 24] } as const;

export type ActivitySpan = keyof typeof SPANS;

export function isActivitySpan(text: string): text is ActivitySpan {
  return Object.hasOwn(SPANS, text);
}

/** A part of a team: one of its features, or what it takes from one model. */
export interface Part {
  readonly kind: 'feature' | 'model';
  readonly name: string;
}

export interface ActivityAsked {
  readonly subject: Subject;
  readonly last: ActivitySpan;
  readonly nowMs: EpochMs;
  readonly maySee?: (part: Part) => boolean;
}

/** Of each kind; the others are counted. */
const MAX_PARTS = 20;

export async function readActivity(rollups: RollupReader, asked: ActivityAsked) {
  const { subject, last, nowMs, maySee = () => true } = asked;
  const [granularity, windows] = SPANS[last];
  const { lengthMs } = GRANULARITIES[granularity];
  const toMs = windowStart(granularity, nowMs);
  const fromMs = toMs - (windows - 1) * lengthMs;
  const stored = await rollups.readCollection(subject, { granularity, fromMs, toMs });
  const own = stored.filter(({ member }) => member === WHOLE);
  const partsOf = (kind: Part['kind']) =>
    biggest(stored, (part) => part.kind === kind && maySee(part));
  return {
    last,
    from: isoOf(fromMs),
    window_seconds: lengthMs / 1000,
    total: figuresOf(sumOf(own.map(({ rollup }) => rollup))),
    windows: own.map(({ startMs, rollup }) => ({ start: isoOf(startMs), ...figuresOf(rollup) })),
    features: partsOf('feature'),
    models: partsOf('model'),
  };
}

/** Parts with the most tokens first, each summed over the whole span. */
function biggest(stored: readonly StoredRollup[], isWanted: (part: Part) => boolean): object {
  const byMember = Map.groupBy(stored, ({ member }) => member);
  const sums = [...byMember].flatMap(([member, windows]) => {
    const part = nameOfMember(member);
    const sum = sumOf(windows.map(({ rollup }) => rollup));
    return part !== undefined && isWanted(part) ? [{ name: part.name, sum }] : [];
  });
  const shown = sums.toSorted((a, b) => tokensOf(b.sum) - tokensOf(a.sum)).slice(0, MAX_PARTS);
  return {
    data: shown.map(({ name, sum }) => ({ name, ...figuresOf(sum) })),
    left_out: sums.length - shown.length,
  };
}

function figuresOf(rollup: Rollup) {
  // Calls with absurd costs are counted at a bound each, and enough of them would leave the exact range.
  const usd = Math.min(amountOf(rollup, 'nanoUsd'), MAX_NANO_USD);
  return {
    requests: amountOf(rollup, 'requests'),
    input_tokens: amountOf(rollup, 'inputTokens'),
    output_tokens: amountOf(rollup, 'outputTokens'),
    cached_input_tokens: amountOf(rollup, 'cachedInputTokens'),
    usd: formatUsd(nanoUsd(usd)),
    nano_usd: usd,
    denied: amountOf(rollup, 'denied'),
    denied_by_dimension: Object.fromEntries(deniedByDimension(rollup)),
    errors: amountOf(rollup, 'errors'),
    fallbacks: amountOf(rollup, 'fallbacks'),
    cache_hits: amountOf(rollup, 'cacheHits'),
    latency_ms: quantilesOf(rollup, 'latency'),
    ttft_ms: quantilesOf(rollup, 'ttft'),
  };
}

/** Null where no call was answered whole. */
function quantilesOf(rollup: Rollup, timing: Timing) {
  const [p50, p95] = [quantileOf(rollup, timing, 0.5), quantileOf(rollup, timing, 0.95)];
  return p50 && p95 ? { p50: p50.ms, p95: p95.ms } : null;
}

function isoOf(ms: EpochMs): string {
  return new Date(ms).toISOString();
}
