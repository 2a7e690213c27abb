/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = number;

/** The only source of time in the domain; tests and the simulation bring their own. */
export interface Clock {
  nowMs(): EpochMs;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

/** The only way to wait in the domain. */
export interface Timer {
  /** Resolves after so long, or as soon as the signal is aborted. */
  after(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemTimer: Timer = {
  after: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
    }),
};
