import type { Clock, EpochMs } from '../../core/clock.ts';
import type { Pause } from '../../core/limits/patient-store.ts';

export interface VirtualTime extends Clock {
  readonly pause: Pause;
  /** Wakes whoever pauses until then, in order, and lets each run as far as it can. */
  advance(ms: number): Promise<void>;
}

/** A clock that only a test moves, and pauses of their full length. */
export function createVirtualTime(startMs: EpochMs): VirtualTime {
  let nowMs = startMs;
  let sleepers: { readonly atMs: EpochMs; readonly wake: () => void }[] = [];
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return {
    nowMs: () => nowMs,
    pause: (ms) =>
      new Promise((wake) => {
        sleepers = [...sleepers, { atMs: nowMs + ms, wake }].sort((a, b) => a.atMs - b.atMs);
      }),
    async advance(ms) {
      const untilMs = nowMs + ms;
      await settled();
      for (
        let [first] = sleepers;
        first !== undefined && first.atMs <= untilMs;
        [first] = sleepers
      ) {
        nowMs = Math.max(nowMs, first.atMs);
        sleepers = sleepers.slice(1);
        first.wake();
        await settled();
      }
      nowMs = untilMs;
    },
  };
}
