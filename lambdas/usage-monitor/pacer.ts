/** Says of each name whether it is due: at most once in so long, in this environment. */
import type { Clock } from '../../core/clock.ts';

const MAX_NAMES = 20_000;

export function createPacer(clock: Clock, everyMs: number): (name: string) => boolean {
  const last = new Map<string, number>();
  return (name) => {
    const nowMs = clock.nowMs();
    if (nowMs - (last.get(name) ?? Number.NEGATIVE_INFINITY) < everyMs) return false;
    if (last.size >= MAX_NAMES) last.clear();
    last.set(name, nowMs);
    return true;
  };
}
