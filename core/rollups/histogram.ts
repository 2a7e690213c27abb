/**
 * Durations in sixteen buckets whose bounds double from 50 ms to 14 minutes: a quantile is right within its bucket, which
 * is enough to tell twice as slow from usual.
 */
export type Timing = 'latency' | 'ttft';

const FIRST_BOUND_MS = 50;
const BUCKETS = 16;

/** Attributes of the stored item, by bucket. */
const CODES: Readonly<Record<Timing, readonly string[]>> = {
  latency: Array.from({ length: BUCKETS }, (_, bucket) => `l${bucket}`),
  ttft: Array.from({ length: BUCKETS }, (_, bucket) => `f${bucket}`),
};

/** The attribute that counts durations like this one. */
export function bucketCode(timing: Timing, ms: number): string {
  const bucket = Math.ceil(Math.log2(Math.max(ms, 1) / FIRST_BOUND_MS));
  return CODES[timing][Math.min(Math.max(bucket, 0), BUCKETS - 1)] ?? '';
}

export interface Quantile {
  readonly ms: number;
  /** Durations that it was taken from. */
  readonly count: number;
}

/** Between the bounds of its bucket in proportion; undefined where nothing was counted. */
export function quantileOf(
  rollup: Readonly<Record<string, number>>,
  timing: Timing,
  share: number,
): Quantile | undefined {
  let count = 0;
  for (const code of CODES[timing]) count += rollup[code] ?? 0;
  if (count === 0) return undefined;
  let rest = share * count;
  for (const [bucket, code] of CODES[timing].entries()) {
    const inside = rollup[code] ?? 0;
    if (rest <= inside && inside > 0) {
      const low = bucket === 0 ? 0 : boundMs(bucket - 1);
      return { ms: Math.round(low + ((boundMs(bucket) - low) * rest) / inside), count };
    }
    rest -= inside;
  }
  return { ms: boundMs(BUCKETS - 1), count };
}

function boundMs(bucket: number): number {
  return FIRST_BOUND_MS * 2 ** bucket;
}
