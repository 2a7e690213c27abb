import type { Clock } from '../../core/clock.ts';

export interface Throttle {
  /** False: over the rate, refuse. */
  take(): boolean;
}

/** A stage's token bucket: `burst` deep, refilled at `ratePerSecond`. */
export function createThrottle(
  limit: { readonly ratePerSecond: number; readonly burst: number } | undefined,
  clock: Clock,
): Throttle {
  if (limit === undefined) return { take: () => true };
  let tokens = limit.burst;
  let filledAtMs = clock.nowMs();
  return {
    take() {
      const nowMs = clock.nowMs();
      tokens = Math.min(limit.burst, tokens + ((nowMs - filledAtMs) / 1000) * limit.ratePerSecond);
      filledAtMs = nowMs;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
