/** Wakes those who wait for new work. A wait also ends by itself, so that a missed ring only costs time. */
export interface Doorbell {
  ring(): void;
  wait(maxMs: number, signal?: AbortSignal): Promise<void>;
}

export function createDoorbell(): Doorbell {
  const waiting = new Set<() => void>();
  return {
    ring() {
      for (const wake of waiting) wake();
    },
    wait(maxMs, signal) {
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          waiting.delete(done);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, signal?.aborted === true ? 0 : maxMs);
        waiting.add(done);
        signal?.addEventListener('abort', done);
      });
    },
  };
}
