/**
 * `npm run detect`: how many injected incidents the detectors find within five minutes, and how many alarms they give for
 * nothing. `--tenants`, `--days`, `--seed`, `--every-minute` (tenants that are looked at once a minute all the time). Tenants
 * are shared out to one thread a processor; the figures depend on the seed alone.
 */
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import * as z from 'zod/mini';
import { type Counts, evaluationOf } from '../test/simulation/detection/evaluate.ts';
import { INJECTED_KINDS } from '../test/simulation/detection/injected.ts';

const LEAST_RECALL = 0.95;
const MOST_FALSE_ALARMS = 1;

const number = z.coerce.number().check(z.nonnegative());
const optionsSchema = z.object({
  tenants: z._default(number, 1_000),
  days: z._default(number, 30),
  seed: z._default(number, 1),
  'every-minute': z._default(number, 20),
});
const { values } = parseArgs({
  options: {
    tenants: { type: 'string' },
    days: { type: 'string' },
    seed: { type: 'string' },
    'every-minute': { type: 'string' },
  },
});
const { 'every-minute': everyMinute, ...rest } = optionsSchema.parse(values);
const options = { ...rest, everyMinute };
const began = performance.now();
const parts = availableParallelism();
const result = evaluationOf(
  options,
  await Promise.all(Array.from({ length: parts }, (_, part) => countOnThread(part))),
);
const rows = INJECTED_KINDS.map((kind) => ({
  incident: kind,
  injected: result.injected[kind],
  'within 5 min': result.found[kind],
  'of its begin': result.foundAtOnce[kind],
  later: result.foundLater[kind],
  recall: round(result.found[kind] / result.injected[kind]),
}));
console.table(rows);
console.table(result.falseAlarms);
console.log(
  `false alarms per tenant and month: ${round(result.falseAlarmsPerTenantMonth)}; of tenants that are looked at every minute: ${round(result.falseAlarmsEveryMinute)}`,
);
console.log(`${Math.round((performance.now() - began) / 1000)} s, seed ${options.seed}`);
const isGood =
  rows.every(({ recall }) => recall >= LEAST_RECALL) &&
  Math.max(result.falseAlarmsPerTenantMonth, result.falseAlarmsEveryMinute) <= MOST_FALSE_ALARMS;
process.exitCode = isGood ? 0 : 1;

async function countOnThread(part: number): Promise<Counts> {
  const worker = new Worker(
    new URL('../test/simulation/detection/count-worker.ts', import.meta.url),
    { workerData: { options, share: { part, parts } } },
  );
  const [counts] = await once(worker, 'message');
  return counts;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
