/**
 * The measurement: rounds in which every target is asked for the same, one after the other, so that what
 * the machine does meanwhile hits all alike. The target that goes first changes with every round.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLoadClient, type LoadClient } from './load-client.ts';
import { LOADS } from './loads.ts';
import { cpuMsOf, descendantsOf, peakRssMb } from './process-usage.ts';
import { quantile } from './statistics.ts';
import type { Target, TargetName } from './targets.ts';

/** How much of each load a round holds. */
export interface Plan {
  readonly rounds: number;
  readonly pacedCalls: number;
  readonly longCalls: number;
  readonly burstMs: number;
  /** The longest that one target is warmed up. */
  readonly warmUpMs: number;
}

/** Times are in milliseconds, CPU times are those of one call. What is not known or not measured is absent. */
export type Figure =
  | 'ttftMsP50'
  | 'ttftMsP99'
  | 'totalMsP50'
  | 'cpuMsPaced50'
  | 'cpuMsPaced300'
  | 'cpuMsBurst50'
  | 'callsPerSecond'
  | 'rssMbPeak';
type Figures = { readonly [F in Figure]?: number | undefined };
export type Round = ReadonlyMap<TargetName, Figures>;

export const RATES = { pacedPerSecond: 20, longPerSecond: 8, burstConcurrency: 8 } as const;

/** A process is warm when its code is compiled, which takes so many calls; many environments share them. */
const WARM_UP = { callsPerProcess: 80, stepMs: 1_000, pacedCalls: 10 } as const;

/** Books are closed behind the last byte; their work belongs to the call. */
const BOOKS_MS = 200;
/** Nothing is measured while the last target still works: at most so much CPU in so short a time, or the patience ends. */
const QUIET = { cpuMs: 5, withinMs: 100, attempts: 20 } as const;

export async function measure(
  targets: readonly Target[],
  plan: Plan,
  progress: (line: string) => void,
): Promise<readonly Round[]> {
  const runners = targets.map((target) => ({ target, client: createLoadClient(target.endpoint) }));
  const rounds: Round[] = [];
  try {
    progress('warming up');
    await warmUp(runners, plan.warmUpMs);
    for (let round = 0; round < plan.rounds; round += 1) {
      progress(`round ${round + 1} of ${plan.rounds}`);
      const first = round % runners.length;
      const order = [...runners.slice(first), ...runners.slice(0, first)];
      rounds.push(await measureRound(order, plan));
    }
  } finally {
    for (const { client } of runners) client.close();
  }
  return rounds;
}

interface Runner {
  readonly target: Target;
  readonly client: LoadClient;
}

async function measureRound(runners: readonly Runner[], plan: Plan): Promise<Round> {
  const figures = new Map<TargetName, Figures>();
  for (const measurement of [paced50, paced300, burst50]) {
    for (const runner of runners) {
      await untilQuiet();
      const { name } = runner.target;
      figures.set(name, { ...figures.get(name), ...(await measurement(runner, plan)) });
    }
  }
  return figures;
}

async function warmUp(runners: readonly Runner[], longestMs: number): Promise<void> {
  const step = { concurrency: RATES.burstConcurrency, durationMs: WARM_UP.stepMs };
  for (const { target, client } of runners) {
    const untilMs = performance.now() + longestMs;
    let calls = 0;
    do {
      calls += (await client.saturated(LOADS.burst50, step)).calls;
    } while (calls < target.pids().length * WARM_UP.callsPerProcess && performance.now() < untilMs);
  }
  const arrival = { perSecond: RATES.pacedPerSecond, calls: WARM_UP.pacedCalls };
  for (const { client } of runners) await client.paced(LOADS.paced50, arrival);
}

type Measurement = (runner: Runner, plan: Plan) => Promise<Figures>;

const paced50: Measurement = async ({ target, client }, { pacedCalls }) => {
  const arrival = { perSecond: RATES.pacedPerSecond, calls: pacedCalls };
  const { result, cpuMs } = await withCpu(target, () => client.paced(LOADS.paced50, arrival));
  const ttftMs = result.map((call) => call.ttftMs);
  const totalMs = result.map((call) => call.totalMs);
  return {
    ttftMsP50: quantile(ttftMs, 0.5),
    ttftMsP99: quantile(ttftMs, 0.99),
    totalMsP50: quantile(totalMs, 0.5),
    cpuMsPaced50: perCall(cpuMs, pacedCalls),
  };
};

/** Only its CPU is of interest, so that the provider itself is not asked. */
const paced300: Measurement = async ({ target, client }, { longCalls }) => {
  if (target.pids().length === 0) return {};
  const arrival = { perSecond: RATES.longPerSecond, calls: longCalls };
  const { cpuMs } = await withCpu(target, () => client.paced(LOADS.paced300, arrival));
  return { cpuMsPaced300: perCall(cpuMs, longCalls) };
};

const burst50: Measurement = async ({ target, client }, { burstMs }) => {
  const limit = { concurrency: RATES.burstConcurrency, durationMs: burstMs };
  const { result, cpuMs } = await withCpu(target, () => client.saturated(LOADS.burst50, limit));
  const { calls, callsPerSecond } = result;
  const pids = target.pids();
  return {
    callsPerSecond,
    cpuMsBurst50: perCall(cpuMs, calls),
    rssMbPeak: pids.length === 0 ? undefined : peakRssMb(pids),
  };
};

function perCall(cpuMs: number | undefined, calls: number): number | undefined {
  return cpuMs === undefined ? undefined : cpuMs / calls;
}

/** `cpuMs`: what the target's processes used meanwhile; undefined where it has none or the system does not tell. */
async function withCpu<T>(
  target: Target,
  work: () => Promise<T>,
): Promise<{ result: T; cpuMs: number | undefined }> {
  const before = new Map(target.pids().map((pid) => [pid, cpuMsOf([pid])]));
  const result = await work();
  await sleep(BOOKS_MS);
  const pids = target.pids();
  const spent = cpuMsOf(pids);
  if (pids.length === 0 || spent === undefined) return { result, cpuMs: undefined };
  // Processes that started meanwhile count whole; those that ended drop out.
  const earlier = pids.reduce((sum, pid) => sum + (before.get(pid) ?? 0), 0);
  return { result, cpuMs: spent - earlier };
}

async function untilQuiet(): Promise<void> {
  for (let attempt = 0; attempt < QUIET.attempts; attempt += 1) {
    const pids = descendantsOf(process.pid);
    const before = cpuMsOf(pids) ?? 0;
    await sleep(QUIET.withinMs);
    if ((cpuMsOf(pids) ?? 0) - before <= QUIET.cpuMs) return;
  }
}
