/**
 * Virtual time: one event at a time, in order of time, ties broken by the seed. Between two events every
 * continuation that the first one set free has run, so a history is a function of its seed alone.
 */
import type { EpochMs } from '../../core/clock.ts';
import type { Random } from './random.ts';

export interface Scheduler {
  nowMs(): EpochMs;
  /** Number of the event being run. */
  step(): number;
  after(delayMs: number, run: () => void): void;
  sleep(delayMs: number): Promise<void>;
  /** Runs until no event is left or `stop` was called. */
  run(): Promise<void>;
  stop(): void;
}

interface Event {
  readonly atMs: EpochMs;
  readonly tie: number;
  readonly run: () => void;
}

export function createScheduler(random: Random, startMs: EpochMs): Scheduler {
  const heap: Event[] = [];
  let nowMs = startMs;
  let step = 0;
  let stopped = false;
  const after = (delayMs: number, run: () => void) =>
    push(heap, { atMs: nowMs + Math.max(0, Math.round(delayMs)), tie: random.fraction(), run });
  return {
    nowMs: () => nowMs,
    step: () => step,
    after,
    sleep: (delayMs) => new Promise((resolve) => after(delayMs, resolve)),
    stop: () => {
      stopped = true;
    },
    async run() {
      // What actors did before the clock started has continuations, too.
      await continuations(step);
      for (let next = pop(heap); next !== undefined && !stopped; next = pop(heap)) {
        nowMs = next.atMs;
        step += 1;
        next.run();
        await continuations(step);
      }
    },
  };
}

/**
 * Node's tick runs when the queue of continuations is empty, however long their chain was, and costs no
 * turn of the event loop. Now and then the loop gets one, because whoever runs the tests lives there.
 */
function continuations(step: number): Promise<void> {
  return new Promise((resolve) => {
    if (step % STEPS_PER_TURN === 0) setImmediate(resolve);
    else process.nextTick(resolve);
  });
}

const STEPS_PER_TURN = 1_000;

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie);
}

function push(heap: Event[], event: Event): void {
  let index = heap.push(event) - 1;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (parent === undefined || !isBefore(event, parent)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const moved = heap.pop();
  if (moved === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    const [childIndex, child] = smallerChild(heap, index);
    if (child === undefined || !isBefore(child, moved)) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = moved;
  return first;
}

function smallerChild(heap: readonly Event[], index: number): [number, Event | undefined] {
  const leftIndex = 2 * index + 1;
  const left = heap[leftIndex];
  const right = heap[leftIndex + 1];
  return left !== undefined && right !== undefined && isBefore(right, left)
    ? [leftIndex + 1, right]
    : [leftIndex, left];
}
