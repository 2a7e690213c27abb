/**
 * What the kernel knows of kept connections and this process does not yet. A server that hung up while nobody looked (a function is
 * frozen between calls), or sent what nobody asked for, has told the kernel, and the event loop asks the kernel
 * between one immediate and the next. One look serves all connections of the process for as long as it is recent: what
 * a server does after it is no different from a hang-up that is still on its way.
 */
import { systemClock } from '../../core/clock.ts';

/** By the wall clock, which counts on while a function is frozen. */
const RECENT_MS = 20;

let lookedAtMs = Number.NEGATIVE_INFINITY;
let isLooking = false;

/** At once where the last look is recent, else after the next. */
export function onceLooked(then: () => void): void {
  if (isRecent(RECENT_MS)) then();
  else
    setImmediate(setImmediate, () => {
      lookedAtMs = systemClock.nowMs();
      then();
    });
}

/** The kernel is being asked, since it has brought something; when all of that is handled, that was a look. */
export function noteLook(): void {
  if (isLooking || isRecent(RECENT_MS / 2)) return;
  isLooking = true;
  setImmediate(() => {
    isLooking = false;
    lookedAtMs = systemClock.nowMs();
  });
}

/** A clock that was set back makes no look recent. */
function isRecent(withinMs: number): boolean {
  const agoMs = systemClock.nowMs() - lookedAtMs;
  return agoMs >= 0 && agoMs < withinMs;
}
