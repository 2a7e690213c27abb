/**
 * A store that tries again where an attempt got no answer. Repeating is safe because every write has a condition that
 * its own effect makes false. A repeated write has copies, though, and one that was given up may arrive when its
 * call is over; so nobody but this file repeats writes, and it tells of every copy that may still travel (ADR 0009).
 */
import type { Clock } from '../clock.ts';
import { type AccountStore, type KeyedWrite, StoreFault } from './account-store.ts';

/** Resolves after a random part of so many milliseconds, at least half, so that many do not come back together. */
export type Pause = (longestMs: number) => Promise<void>;

export interface Patience {
  readonly attempts: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

/** Somebody waits for the answer. */
export const CALLERS_PATIENCE: Patience = { attempts: 3, firstPauseMs: 40, longestPauseMs: 80 };

/** Nobody waits, and a hold that is left open blocks its scope until it expires: about half a minute. */
export const CLOSERS_PATIENCE: Patience = {
  attempts: 10,
  firstPauseMs: 100,
  longestPauseMs: 5_000,
};

/** One attempt ends within so long, answered or not. */
export const ATTEMPT_MS = 800;
/** A caller reads within so long that its limits cannot be checked. */
const FAIL_CLOSED_MS = 2_000;

export interface PatientStoreOptions {
  readonly store: AccountStore;
  readonly patience: Patience;
  readonly pause: Pause;
  /** Asked before each attempt. */
  readonly hasTime?: () => boolean;
  /** These writes got no answer: they may be applied now, later or never. */
  readonly onDoubt?: (writes: readonly KeyedWrite[]) => void;
}

export function createPatientStore(options: PatientStoreOptions): AccountStore {
  const { store } = options;
  return {
    read: (key) => patiently(options, [], () => store.read(key)),
    write: (key, write) => patiently(options, [{ key, write }], () => store.write(key, write)),
    writeTogether: (writes) => patiently(options, writes, () => store.writeTogether(writes)),
  };
}

/** True as long as an attempt that begins now ends before a caller must have its answer. */
export function callersTime(clock: Clock): () => boolean {
  const lastStartMs = clock.nowMs() + FAIL_CLOSED_MS - ATTEMPT_MS;
  return () => clock.nowMs() <= lastStartMs;
}

async function patiently<T>(
  { patience, pause, hasTime = () => true, onDoubt = () => undefined }: PatientStoreOptions,
  writes: readonly KeyedWrite[],
  send: () => Promise<T>,
): Promise<T> {
  let last: unknown;
  for (let attempt = 1; attempt <= patience.attempts && hasTime(); attempt += 1) {
    try {
      return await send();
    } catch (fault) {
      last = fault;
      if (isDoubtful(fault)) onDoubt(writes);
    }
    if (attempt < patience.attempts)
      await pause(Math.min(patience.longestPauseMs, patience.firstPauseMs * 2 ** (attempt - 1)));
  }
  // Made here and not before: a fault takes its stack trace, and hardly any write ends in one.
  throw last ?? new StoreFault('no time is left', { isDoubtful: false });
}

/** What nobody has declared certain is not. */
function isDoubtful(fault: unknown): boolean {
  return !(fault instanceof StoreFault) || fault.isDoubtful;
}
