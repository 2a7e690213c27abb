import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 1_000;

/** Repeats a step until the returned function is called, which waits for the last one. A step that throws is logged and comes again. */
export function startLoop(options: {
  name: string;
  step: (signal: AbortSignal) => Promise<void>;
  log: (line: string) => void;
}): () => Promise<void> {
  const { name, step, log } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await step(signal);
      } catch (error) {
        log(`${name}: ${String(error)}`);
        await sleep(PAUSE_MS, undefined, { ref: false, signal }).catch(() => undefined);
      }
    }
  }
  const running = run();
  return async () => {
    stopping.abort();
    await running;
  };
}
