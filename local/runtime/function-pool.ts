/**
 * All environments of one function. An idle one (the most recently used first) takes the next invocation; while calls
 * wait, new ones start, up to a limit. It never shares an environment between two invocations.
 */
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Environment, type InvocationResult } from './environment.ts';
import type { FunctionDefinition } from './function-definition.ts';

/** Lambda's limit of a synchronous event. */
const MAX_EVENT_BYTES = 6 * 1024 * 1024;
const MAX_WAITING = 1_000;
const IDLE_REAP_MS = 5 * 60_000;
/** Calls in flight may close their books when the system stops. */
const CLOSE_GRACE_MS = 3_000;
const MAX_LOG_BYTES = 64 * 1024 * 1024;
const ENVIRONMENT_BYTES = 64 * 1024 * 1024;
/** A quarter of the machine's memory, and never more than a hundred processes. */
const DEFAULT_MAX_ENVIRONMENTS = Math.min(
  100,
  Math.max(8, Math.floor(totalmem() / 4 / ENVIRONMENT_BYTES)),
);
/** An environment that has just answered is free within this; starting another takes a hundred times as long. */
const SCALE_AFTER_MS = 5;
/** More simultaneous starts than this only make each of them slower. */
const MAX_STARTING = availableParallelism() * 2;

export type PoolResult =
  | InvocationResult
  | { readonly kind: 'throttled' }
  | { readonly kind: 'too-large' };

interface PoolOptions {
  readonly logsDir: string;
  readonly maxEnvironments?: number;
  readonly idleReapMs?: number;
}

export class FunctionPool {
  readonly definition: FunctionDefinition;
  readonly #logFile: string;
  readonly #maxEnvironments: number;
  readonly #idleReapMs: number;
  readonly #all = new Set<Environment>();
  readonly #idle: Environment[] = [];
  readonly #idleSinceMs = new Map<Environment, number>();
  readonly #waiting: {
    event: Buffer;
    settle: (result: PoolResult | Promise<PoolResult>) => void;
  }[] = [];
  readonly #reaper: NodeJS.Timeout;
  #starting = 0;
  #inFlight = 0;
  #closed = false;

  constructor(definition: FunctionDefinition, options: PoolOptions) {
    this.definition = definition;
    this.#logFile = openLog(options.logsDir, definition.logName);
    this.#maxEnvironments = options.maxEnvironments ?? DEFAULT_MAX_ENVIRONMENTS;
    this.#idleReapMs = options.idleReapMs ?? IDLE_REAP_MS;
    this.#reaper = setInterval(() => this.#reapIdle(), this.#idleReapMs / 5);
    this.#reaper.unref();
  }

  async invoke(event: unknown): Promise<PoolResult> {
    const payload = Buffer.from(JSON.stringify(event));
    if (payload.length > MAX_EVENT_BYTES) return { kind: 'too-large' };
    const allowed = this.definition.reservedConcurrency ?? Number.POSITIVE_INFINITY;
    if (this.#closed || this.#inFlight >= allowed || this.#waiting.length >= MAX_WAITING)
      return { kind: 'throttled' };
    this.#inFlight += 1;
    const result = await this.#dispatch(payload);
    this.#releaseAfter(result);
    return result;
  }

  /** Starts one environment before it is needed. */
  warm(): void {
    if (this.#all.size === 0) this.#start();
  }

  environments(): number {
    return this.#all.size;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#reaper);
    for (const waiter of this.#waiting.splice(0)) waiter.settle({ kind: 'throttled' });
    const deadlineMs = Date.now() + CLOSE_GRACE_MS;
    while (this.#inFlight > 0 && Date.now() < deadlineMs) await sleep(20);
    await Promise.all([...this.#all].map((environment) => environment.stop()));
  }

  #dispatch(payload: Buffer): Promise<PoolResult> {
    const environment = this.#idle.pop();
    if (environment !== undefined) return environment.invoke(payload);
    return new Promise((settle) => {
      this.#waiting.push({ event: payload, settle });
      if (this.#all.size === 0) this.#scale();
      else setTimeout(() => this.#scale(), SCALE_AFTER_MS);
    });
  }

  /** A streamed response holds its slot until its last byte. */
  #releaseAfter(result: PoolResult): void {
    const release = (): void => {
      this.#inFlight -= 1;
    };
    if (result.kind === 'response') result.body.once('close', release);
    else release();
  }

  #scale(): void {
    while (
      !this.#closed &&
      this.#waiting.length > this.#starting &&
      this.#starting < MAX_STARTING &&
      this.#all.size < this.#maxEnvironments
    ) {
      this.#start();
    }
  }

  #start(): void {
    let initialised = false;
    this.#starting += 1;
    const environment = new Environment({
      definition: this.definition,
      logFile: this.#logFile,
      onIdle: (idle) => {
        if (!initialised) this.#starting -= 1;
        initialised = true;
        this.#takeIdle(idle);
      },
      onEnd: (ended, initFailure) => {
        if (!initialised) this.#starting -= 1;
        this.#forget(ended);
        // Each failed start fails one waiting call, so a function that cannot start is an error and not a loop.
        if (initFailure !== undefined)
          this.#waiting.shift()?.settle({ kind: 'failed', reason: 'init', message: initFailure });
        this.#scale();
      },
    });
    this.#all.add(environment);
  }

  #takeIdle(environment: Environment): void {
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.settle(environment.invoke(waiter.event));
      this.#scale();
      return;
    }
    this.#idle.push(environment);
    this.#idleSinceMs.set(environment, Date.now());
  }

  #forget(environment: Environment): void {
    this.#all.delete(environment);
    this.#idleSinceMs.delete(environment);
    const index = this.#idle.indexOf(environment);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  #reapIdle(): void {
    const oldest = Date.now() - this.#idleReapMs;
    for (const environment of this.#idle.filter(
      (idle) => (this.#idleSinceMs.get(idle) ?? 0) <= oldest,
    )) {
      this.#forget(environment);
      void environment.stop();
    }
  }
}

function openLog(logsDir: string, logName: string): string {
  mkdirSync(logsDir, { recursive: true });
  const file = join(logsDir, `${logName}.log`);
  const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes > MAX_LOG_BYTES) renameSync(file, `${file}.1`);
  return file;
}
