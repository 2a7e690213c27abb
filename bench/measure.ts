/**
 * The measurement: rounds in which every target is asked for the same, one after the other, so that what
 * the machine does meanwhile hits all alike. The target that goes first changes with every round.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createLoadClient } from './load-client.ts';
import { cpuShares } from './loads/cpu-shares.ts';
import { departures } from './loads/departures.ts';
import { json } from './loads/json.ts';
import { largePrompts } from './loads/large-prompts.ts';
import { type Context, callersOf, type Figures, type Load, type Runner } from './loads/load.ts';
import { mostStreams } from './loads/most-streams.ts';
import { pacedStreams } from './loads/paced-streams.ts';
import { saturatedStreams } from './loads/saturated-streams.ts';
import { strangers } from './loads/strangers.ts';
import { MODELS } from './models.ts';
import { cpuMsOf, descendantsOf } from './process-usage.ts';
import { TARGET_NAMES, type Target, type TargetName } from './targets/targets.ts';

export type Round = ReadonlyMap<TargetName, Figures>;

interface Part {
  readonly load: Load;
  /** Absent: all but the few that are there for one figure. */
  readonly only?: readonly TargetName[];
}

/** Measured on time only, at CPU shares only, and for its client's CPU only. */
const FEW: readonly TargetName[] = ['directAgain', 'stub4Sdk', 'dynoxide'];
const ALL = TARGET_NAMES.filter((name) => !FEW.includes(name));
const PARTS: readonly Part[] = [
  { load: pacedStreams, only: [...ALL, 'directAgain', 'dynoxide'] },
  { load: saturatedStreams, only: [...ALL, 'dynoxide'] },
  { load: json },
  { load: largePrompts },
  { load: strangers, only: ['stub4', 'managed'] },
  { load: departures, only: ['stub0', 'managed'] },
  { load: mostStreams, only: ['barePipe', 'portkeyImage', 'portkey', 'stub0'] },
  { load: cpuShares, only: ['barePipe', 'portkey', 'stub4', 'stub4Sdk'] },
];

/** A process is warm when its code is compiled, which takes so many calls of a kind; many environments share them (ADR 0029). */
const WARM_UP = { callsPerProcess: 3_000, stepMs: 300, pacedCalls: 6, perSecond: 20 } as const;

/** Nothing is measured while the last target still works: at most so much CPU in so short a time, or the patience ends. */
const QUIET = { cpuMs: 3, withinMs: 50, attempts: 12 } as const;

export async function measure(
  targets: readonly Target[],
  context: Context,
  progress: (line: string) => void,
): Promise<readonly Round[]> {
  const runners = targets.map((target) => ({ target, client: createLoadClient(target.endpoint) }));
  const { plan } = context;
  const rounds: Round[] = [];
  try {
    for (const runner of runners) {
      progress(`warming up ${runner.target.name}`);
      // The stage behind `npm start` takes so many calls a second and no more; its environments are never as warm anyway.
      await warmUp(runner, runner.target.name === 'runtimeApi' ? WARM_UP.stepMs : plan.warmUpMs);
    }
    for (let round = 0; round < plan.rounds; round += 1) {
      progress(`round ${round + 1} of ${plan.rounds}`);
      const first = round % runners.length;
      const order = [...runners.slice(first), ...runners.slice(0, first)];
      rounds.push(await measureRound(order, context));
    }
  } finally {
    for (const { client } of runners) client.close();
  }
  return rounds;
}

async function measureRound(runners: readonly Runner[], context: Context): Promise<Round> {
  const figures = new Map<TargetName, Figures>();
  for (const { load, only = ALL } of PARTS) {
    for (const runner of runners.filter(({ target }) => only.includes(target.name))) {
      const { name } = runner.target;
      await untilQuiet();
      figures.set(name, { ...figures.get(name), ...(await load(runner, context)) });
    }
  }
  return figures;
}

async function warmUp({ target, client }: Runner, longestMs: number): Promise<void> {
  const step = { concurrency: callersOf(target), durationMs: WARM_UP.stepMs };
  for (const isWhole of [false, true]) {
    const question = { model: MODELS.saturated, isWhole };
    const untilMs = performance.now() + longestMs;
    let calls = 0;
    do {
      calls += (await client.saturated(question, step)).calls;
    } while (calls < target.pids().length * WARM_UP.callsPerProcess && performance.now() < untilMs);
  }
  const arrival = { perSecond: WARM_UP.perSecond, calls: WARM_UP.pacedCalls };
  await client.paced({ model: MODELS.paced }, arrival);
}

async function untilQuiet(): Promise<void> {
  for (let attempt = 0; attempt < QUIET.attempts; attempt += 1) {
    const pids = descendantsOf(process.pid);
    const before = cpuMsOf(pids) ?? 0;
    await sleep(QUIET.withinMs);
    if ((cpuMsOf(pids) ?? 0) - before <= QUIET.cpuMs) return;
  }
}
