import type { ServerResponse } from 'node:http';
import { randomFrom } from './answer.ts';
import type { Behaviour } from './behaviour.ts';
import type { Step } from './steps.ts';

interface Written {
  readonly end: 'complete' | 'client-left' | 'reset' | 'stalled';
  /** Output tokens generated until then. */
  readonly tokens: number;
  readonly usageReported: boolean;
}

/** Events that are due together leave in one write of about this size. */
const BATCH_BYTES = 16_384;
/** Streams do not wake more often than this; what became due meanwhile leaves together. */
const MIN_WAIT_MS = 5;
const RESET_AFTER_MS = 20;
const MAX_SPLIT_BYTES = 16;

/**
 * Performs the steps at the asked speed, with backpressure. `onEnd` is told once, before the last bytes
 * leave, so that whoever has seen the whole answer finds it in the ledger.
 */
export async function writeAnswer(
  response: ServerResponse,
  steps: Iterable<Step>,
  { behaviour, onEnd }: { behaviour: Behaviour; onEnd: (written: Written) => void },
): Promise<void> {
  const startedAt = performance.now();
  const writer = new Writer(response, behaviour);
  const tally = { tokens: 0, usageReported: false };
  let generated = 0;
  for (const step of steps) {
    if (step.kind === 'send') {
      generated += step.tokens;
      await writer.waitUntil(startedAt + dueAfterMs(generated, behaviour));
    }
    if (writer.clientLeft) {
      const tokens = Math.min(generated, generatedAfter(performance.now() - startedAt, behaviour));
      return onEnd({ end: 'client-left', ...tally, tokens: Math.max(tally.tokens, tokens) });
    }
    if (step.kind !== 'send') {
      onEnd({ end: step.kind === 'reset' ? 'reset' : 'stalled', ...tally });
      await writer.flush();
      if (step.kind === 'reset') await writer.reset();
      return;
    }
    tally.tokens = generated;
    tally.usageReported ||= step.reportsUsage ?? false;
    if (writer.add(step.bytes) >= BATCH_BYTES) await writer.flush();
  }
  onEnd({ end: 'complete', ...tally });
  await writer.flush();
  response.end();
}

function dueAfterMs(tokens: number, { speed }: Behaviour): number {
  const generating =
    speed.tokensPerSecond === undefined ? 0 : (tokens * 1000) / speed.tokensPerSecond;
  return speed.ttftMs + generating;
}

function generatedAfter(elapsedMs: number, { speed }: Behaviour): number {
  const generatingMs = Math.max(0, elapsedMs - speed.ttftMs);
  return Math.floor((generatingMs * (speed.tokensPerSecond ?? 0)) / 1000);
}

class Writer {
  readonly #response: ServerResponse;
  readonly #split: Behaviour['split'];
  readonly #random: () => number;
  #batch: Buffer[] = [];
  #batchBytes = 0;

  constructor(response: ServerResponse, { split, seed }: Behaviour) {
    this.#response = response;
    this.#split = split;
    this.#random = randomFrom(`split:${seed}`);
  }

  get clientLeft(): boolean {
    return this.#response.closed || this.#response.destroyed;
  }

  /** Adds to the batch; returns its size. */
  add(bytes: string | Buffer): number {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    this.#batch.push(buffer);
    this.#batchBytes += buffer.length;
    return this.#batchBytes;
  }

  /** Returns at once when the moment (of performance.now) is past; else sends what is batched and waits. */
  async waitUntil(moment: number): Promise<void> {
    if (performance.now() >= moment) return;
    await this.flush();
    const waitMs = Math.max(MIN_WAIT_MS, moment - performance.now());
    if (!this.clientLeft) await this.#closedOr((wake) => cancelable(setTimeout(wake, waitMs)));
  }

  async flush(): Promise<void> {
    if (this.#batchBytes === 0) return;
    const bytes = Buffer.concat(this.#batch);
    this.#batch = [];
    this.#batchBytes = 0;
    for (const piece of this.#pieces(bytes)) {
      if (this.clientLeft) return;
      if (!this.#response.write(piece)) await this.#closedOr((wake) => this.#onDrain(wake));
    }
  }

  /** What was written is given the time to reach the client: a reset overtakes what still waits. */
  async reset(): Promise<void> {
    await this.#closedOr((wake) => cancelable(setTimeout(wake, RESET_AFTER_MS)));
    this.#response.socket?.resetAndDestroy();
  }

  *#pieces(bytes: Buffer): Generator<Buffer> {
    if (this.#split === undefined) return yield bytes;
    for (let from = 0; from < bytes.length; ) {
      const size = this.#split === 'bytes' ? 1 : 1 + Math.floor(this.#random() * MAX_SPLIT_BYTES);
      yield bytes.subarray(from, from + size);
      from += size;
    }
  }

  #onDrain(wake: () => void): () => void {
    this.#response.once('drain', wake);
    return () => this.#response.off('drain', wake);
  }

  /** Waits for what `start` arranges or for the client to leave, and leaves no listener behind. */
  #closedOr(start: (wake: () => void) => () => void): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#response.off('close', wake);
        resolve();
      };
      const cancel = start(wake);
      this.#response.once('close', wake);
    });
  }
}

function cancelable(timer: NodeJS.Timeout): () => void {
  return () => clearTimeout(timer);
}
