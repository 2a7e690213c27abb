/**
 * The deterministic simulation of money: many gateways that run the real request path over a table, a
 * provider and a usage stream that fail, with the invariants of the design checked at every write. The
 * same seed gives the same history.
 */
import type { applyWrite } from '../../core/limits/account-write.ts';
import { startCallers } from './callers.ts';
import { changeOf } from './change.ts';
import { createCompany } from './company.ts';
import type { Sabotage } from './environment.ts';
import { type Arrival, createFakeDynamo } from './fake-dynamo.ts';
import { type Faults, PROMISED_FAULTS } from './faults.ts';
import { createRandom, type Random } from './random.ts';
import { startReaper } from './reaper.ts';
import { startReconciler } from './reconciler.ts';
import { createScheduler } from './scheduler.ts';
import { createUsageMonitor } from './usage-monitor.ts';
import { createFakeUsageStream } from './usage-stream.ts';
import { type Counts, createWatch } from './watch.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly operations: number;
  readonly callers: number;
  /** Environments that serve many calls at once, with leases. Limits are then so roomy that leases are taken. */
  readonly workers?: number;
  readonly faults?: Partial<Faults>;
  /** All calls are of one team, whose limits ask for several accounts. */
  readonly isHot?: boolean;
  readonly sabotage?: Sabotage & { readonly apply?: typeof applyWrite };
  /** Told everything that happens, for replays. */
  readonly trace?: (line: string) => void;
}

interface Violation {
  readonly seed: number;
  readonly step: number;
  readonly what: string;
}

export interface SimulationResult {
  readonly seed: number;
  readonly operations: number;
  readonly steps: number;
  readonly violations: readonly Violation[];
  readonly counts: Readonly<Counts>;
}

/** A gateway remembers a refusal so long. */
const MEMORY_MS = 1_000;
const USUAL = { callersPerTeam: 8, scale: 1, freeKeys: 0 };
/**
 * Several calls a second in an account, limits that some histories reach while in others there is plenty, and keys whose
 * settlements ride.
 */
const crowded = (random: Random) => ({
  ...{ callersPerTeam: 40, freeKeys: 0.5 },
  scale: random.pick([1, 2, 4]),
});
/** What comes after the first few is noise that the first one made. */
const MAX_VIOLATIONS = 5;

export async function runSimulation(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, operations, callers, workers = 0, sabotage = {} } = options;
  const random = createRandom(seed);
  // In every fourth history the clocks of environments are minutes apart.
  const clockSkewMs = workers === 0 && random.chance(0.25) ? 300_000 : PROMISED_FAULTS.clockSkewMs;
  const faults = { ...PROMISED_FAULTS, clockSkewMs, ...options.faults };
  const scheduler = createScheduler(random, startMs(random));
  const violations: Violation[] = [];
  const trace = (what: string) =>
    options.trace?.(`${scheduler.step()} ${new Date(scheduler.nowMs()).toISOString()} ${what}`);
  const violation = (what: string) => {
    trace(`VIOLATION ${what}`);
    violations.push({ seed, step: scheduler.step(), what });
    if (violations.length === MAX_VIOLATIONS) scheduler.stop();
  };
  const watch = createWatch({
    violation,
    shardsOf: (scope) => dynamo.shardsOf(scope),
    latestMs: () => scheduler.nowMs() + faults.clockSkewMs,
    nowMs: scheduler.nowMs,
    longestIdleMs: areWritesSure(faults) ? LONGEST_IDLE_MS : Number.POSITIVE_INFINITY,
    isFresh: () => scheduler.nowMs() < company.changedAtMs() + MEMORY_MS,
  });
  const world = { scheduler, random, faults, trace, onSent: watch.sent, onShown: watch.shown };
  let isOver = false;

  const dynamo = createFakeDynamo({
    ...world,
    ...(sabotage.apply === undefined ? {} : { apply: sabotage.apply }),
    onArrival(arrival) {
      if (options.trace !== undefined) trace(described(arrival));
      watch.arrived(arrival);
    },
  });
  const company = createCompany({
    ...world,
    ...{ dynamo, operations, callers },
    ...(workers === 0 ? USUAL : crowded(random)),
    isHot: options.isHot === true,
    isOver: () => isOver,
    onSetup: watch.setUp,
  });
  const usageStream = createFakeUsageStream({
    ...world,
    onDurable: watch.durable,
    onDelivery: createUsageMonitor({ ...world, dynamo, company, checks: watch.softChecks }),
  });
  const { unchecked: onUnchecked, leased: onLeased } = watch;
  const places = {
    ...{ ...world, dynamo, usageStream, company, sabotage, onUnchecked, onLeased },
    ...{ onDecided: watch.decided, onBegunAgain: watch.begunAgain },
  };
  startReaper({ ...places, isOver: () => isOver, violation });
  startReconciler({ ...places, isOver: () => isOver });
  startCallers({
    ...places,
    callers,
    operations,
    // Half of the histories are on Lambda functions, half on multi-concurrent compute.
    callsAtOnce: random.pick([1, 4]),
    workers,
    onCall: watch.begun,
    onAnswer: watch.answered,
    onClosed: watch.closed,
    onOver: () => {
      isOver = true;
    },
  });
  await scheduler.run();
  if (violations.length < MAX_VIOLATIONS) watch.ended(usageStream.ledger);
  return { seed, operations, steps: scheduler.step(), violations, counts: watch.counts };
}

/** Two rounds of a lease, and what comes on top on a slow network. */
const LONGEST_IDLE_MS = 2_000;

function areWritesSure({ crashes, throttles, timeouts }: Faults): boolean {
  return crashes + throttles + timeouts === 0;
}

/** Half of the histories cross the end of a year, in one zone or another; the others are anywhere. */
function startMs(random: Random): number {
  const newYearMs = Date.UTC(2027, 0, 1) + random.pick([0, -19_800_000, 25_200_000]);
  return random.chance(0.5)
    ? newYearMs - random.between(0, 20_000)
    : newYearMs - random.between(40_000_000, 400_000_000);
}

function described(arrival: Arrival): string {
  const { key, after, isLate } = arrival;
  const { kind, holdId } = changeOf(arrival) ?? { kind: 'write', holdId: '' };
  const outcome = after === undefined ? 'refused' : 'applied';
  return `${kind} ${holdId} ${outcome} at ${key}${isLate ? ', late' : ''}`;
}
