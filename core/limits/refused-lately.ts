/**
 * The keys whose last call this environment refused a moment ago: their next one will probably be refused too. A guess that is
 * wrong now and then, so no money and no refusal may depend on it.
 */
import type { EpochMs } from '../clock.ts';

export interface RefusedLately {
  has(leadKey: string, nowMs: EpochMs): boolean;
  /** How the last call ended, by the key of its lead's account. */
  note(leadKey: string, nowMs: EpochMs, isRefused: boolean): void;
}

const LONGEST_MS = 30_000;
const MAX_KEYS = 10_000;

export function createRefusedLately(): RefusedLately {
  const refusedAtMs = new Map<string, EpochMs>();
  return {
    has: (leadKey, nowMs) =>
      nowMs < (refusedAtMs.get(leadKey) ?? Number.NEGATIVE_INFINITY) + LONGEST_MS,
    note(leadKey, nowMs, isRefused) {
      if (!isRefused) {
        refusedAtMs.delete(leadKey);
        return;
      }
      if (refusedAtMs.size >= MAX_KEYS) refusedAtMs.clear();
      refusedAtMs.set(leadKey, nowMs);
    },
  };
}
