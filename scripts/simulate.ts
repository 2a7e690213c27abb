/**
 * The simulation of money on the command line. `--seed 7` replays one history and tells all of it;
 * `--seeds 100000` runs many on every core, within `--max-minutes`, and prints what they came to,
 * as a table or with `--json`. With `--hot` all callers are of one team that has several accounts.
 * `--requests-per-second 2000 --call-seconds 1` puts a steady load on one scope and counts what its busiest account takes; with
 * `--keys 1` all calls come by one key, and its accounts count too.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import * as z from 'zod/mini';
import { runHotScope } from '../test/simulation/hot-scope.ts';
import { runSimulation } from '../test/simulation/run.ts';

const number = z.coerce.number().check(z.positive());
const optionsSchema = z.object({
  seed: z.optional(number),
  seeds: z._default(number, 1_000),
  from: z._default(number, 1),
  operations: z._default(number, 60),
  callers: z._default(number, 8),
  workers: z._default(z.coerce.number(), 0),
  'max-minutes': z._default(number, 60),
  hot: z._default(z.boolean(), false),
  'requests-per-second': z.optional(number),
  'call-seconds': z._default(number, 0.02),
  keys: z.optional(number),
  json: z._default(z.boolean(), false),
});
type Options = z.infer<typeof optionsSchema>;

const shareSchema = z.object({
  operations: number,
  callers: number,
  isHot: z.boolean(),
  workers: z.number(),
  first: number,
  last: number,
  stride: number,
  deadlineMs: number,
});
type Share = z.infer<typeof shareSchema>;

const reportSchema = z.object({
  seeds: z.number(),
  operations: z.number(),
  steps: z.number(),
  counts: z.record(z.string(), z.number()),
  violations: z.array(z.object({ seed: z.number(), step: z.number(), what: z.string() })),
});
type Report = z.infer<typeof reportSchema>;

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      seed: text,
      seeds: text,
      from: text,
      operations: text,
      callers: text,
      workers: text,
      'max-minutes': text,
      hot: { type: 'boolean' },
      'requests-per-second': text,
      'call-seconds': text,
      keys: text,
      json: { type: 'boolean' },
    },
  });
  const options = optionsSchema.parse(values);
  process.exitCode = (await isSound(options)) ? 0 : 1;
}

async function isSound(options: Options): Promise<boolean> {
  const { seed, 'requests-per-second': requestsPerSecond } = options;
  if (requestsPerSecond !== undefined) return load(requestsPerSecond, options);
  return seed === undefined ? runMany(options) : replay(options, seed);
}

/** A partition of the table takes so many write units a second. */
const PARTITION_UNITS = 1_000;

/** What the busiest account of one scope takes when nine tenths of its limit are asked for. */
async function load(
  limit: number,
  { 'call-seconds': callSeconds, keys }: Options,
): Promise<boolean> {
  const few = keys === undefined ? {} : { keys };
  const report = await runHotScope({ limit, requestsPerSecond: 0.9 * limit, callSeconds, ...few });
  console.table({ limit, callSeconds, ...report });
  return Math.max(report.busiestUnits, report.busiestKeyUnits) <= PARTITION_UNITS;
}

async function replay(
  { operations, callers, workers, hot: isHot }: Options,
  seed: number,
): Promise<boolean> {
  const result = await runSimulation({
    seed,
    operations,
    callers,
    isHot,
    workers,
    trace: (line) => console.log(line),
  });
  console.log(result);
  return result.violations.length === 0;
}

async function runMany(options: Options): Promise<boolean> {
  const { seeds, from, operations, callers, workers, hot: isHot } = options;
  const stride = Math.min(seeds, availableParallelism());
  const startMs = performance.now();
  const deadlineMs = Date.now() + options['max-minutes'] * 60_000;
  const reports = await Promise.all(
    Array.from({ length: stride }, (_, index) =>
      runShare({
        operations,
        callers,
        isHot,
        workers,
        first: from + index,
        last: from + seeds - 1,
        stride,
        deadlineMs,
      }),
    ),
  );
  const total = reports.reduce(sumOf);
  const seconds = Math.round((performance.now() - startMs) / 1_000);
  if (options.json) console.log(JSON.stringify({ ...total, seconds }));
  else print(total, options, seconds);
  return total.violations.length === 0 && total.seeds > 0;
}

function print(total: Report, { seeds }: Options, seconds: number): void {
  console.table({
    seeds: total.seeds,
    operations: total.operations,
    steps: total.steps,
    ...total.counts,
    violations: total.violations.length,
    seconds,
  });
  printGoals(total);
  if (total.seeds < seeds) console.log(`Out of time after ${total.seeds} of ${seeds} seeds.`);
  for (const { seed, step, what } of total.violations.slice(0, 20))
    console.log(`seed ${seed} step ${step}: ${what}`);
}

/** The figures that the project promises, over these histories. Every invariant is checked at every write. */
function printGoals({ counts, violations }: Report): void {
  const broken = (...invariants: string[]) =>
    violations.filter(({ what }) => invariants.some((each) => what.startsWith(each))).length;
  const { overspent, crashed, posted, strayCharged, refused, phantomDenials } = counts;
  console.log(
    [
      `overspent (nano-USD and tokens above hard budgets): ${overspent}`,
      `money lost or charged twice: ${broken('I2', 'I4')} in ${crashed} crashed calls, ${posted} posted holds; charged for nobody: ${strayCharged}`,
      `holds left after a refusal or a closed call: ${broken('I3')} in ${refused} refusals`,
      `refused with room left (phantom denials): ${phantomDenials} in ${refused} refusals`,
      `violations of any invariant: ${violations.length}`,
    ].join('\n'),
  );
}

/** One thread's seeds. A thread that dies is a fault of its own, not a quiet success. */
function runShare(share: Share): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: share });
    worker.once('message', (report: unknown) => resolve(reportSchema.parse(report)));
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a thread ended with ${code}`)));
  });
}

async function work(): Promise<void> {
  const { first, last, stride, deadlineMs, ...size } = shareSchema.parse(workerData);
  // Faults are injected by the thousand, and nobody reads where they were made.
  Error.stackTraceLimit = 0;
  let total: Report = { seeds: 0, operations: 0, steps: 0, counts: {}, violations: [] };
  for (let seed = first; seed <= last && Date.now() < deadlineMs; seed += stride) {
    const { steps, counts, violations } = await runSimulation({ seed, ...size });
    total = sumOf(total, {
      seeds: 1,
      operations: size.operations,
      steps,
      counts: { ...counts },
      violations: [...violations],
    });
  }
  parentPort?.postMessage(total);
}

function sumOf(a: Report, b: Report): Report {
  const counts = { ...a.counts };
  for (const [name, count] of Object.entries(b.counts)) counts[name] = (counts[name] ?? 0) + count;
  return {
    seeds: a.seeds + b.seeds,
    operations: a.operations + b.operations,
    steps: a.steps + b.steps,
    counts,
    violations: [...a.violations, ...b.violations],
  };
}

await (isMainThread ? main() : work());
