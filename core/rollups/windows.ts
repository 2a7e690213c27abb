/** The two lengths of windows that rollups have, and for how long each is kept. Windows begin at whole multiples in UTC. */
import type { EpochMs } from '../clock.ts';

const DAY_SECONDS = 86_400;

export const GRANULARITIES = {
  /** What detectors watch. Two days let people look at last night. */
  fiveMinutes: { code: '5m', lengthMs: 300_000, keptSeconds: 2 * DAY_SECONDS },
  /** What detectors compare with: five weeks of the same hour, and some days more. */
  hour: { code: '1h', lengthMs: 3_600_000, keptSeconds: 40 * DAY_SECONDS },
} as const;

export type Granularity = keyof typeof GRANULARITIES;

export const GRANULARITY_NAMES: readonly Granularity[] = ['fiveMinutes', 'hour'];

export function windowStart(granularity: Granularity, atMs: EpochMs): EpochMs {
  const { lengthMs } = GRANULARITIES[granularity];
  return Math.floor(atMs / lengthMs) * lengthMs;
}

/** When the store may forget the window, epoch seconds. */
export function windowExpiry(granularity: Granularity, startMs: EpochMs): number {
  return Math.floor(startMs / 1000) + GRANULARITIES[granularity].keptSeconds;
}

/** A clock that runs ahead by more than this is not believed, and the stream's own time of arrival is. */
const LONGEST_AHEAD_MS = 300_000;

/** Of a clock far ahead, or of a five-minute window that is forgotten already. */
export function isOutOfTime(eventTimeMs: EpochMs, arrivedAtMs: EpochMs): boolean {
  const isForgotten = windowExpiry('fiveMinutes', eventTimeMs) * 1000 <= arrivedAtMs;
  return isForgotten || momentOfEvent(eventTimeMs, arrivedAtMs) !== eventTimeMs;
}

/** The moment whose windows an event counts in. The record's arrival is the same at every redelivery; our own clock is not. */
export function momentOfEvent(eventTimeMs: EpochMs, arrivedAtMs: EpochMs): EpochMs {
  return eventTimeMs > arrivedAtMs + LONGEST_AHEAD_MS ? arrivedAtMs : eventTimeMs;
}
