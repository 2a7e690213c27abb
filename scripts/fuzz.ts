/**
 * Bad bodies by the hundred thousand: `npm run fuzz -- --bodies 100000 --seed 7`. Prints what came of them
 * and fails on a fault, a hang or a heap that grows. `--from 123 --bodies 1` sends one of them again.
 */
import { parseArgs } from 'node:util';
import * as z from 'zod/mini';
import { runFuzz } from '../test/hostile/fuzz/run-fuzz.ts';

const MAX_HEAP_GROWTH = 0.1;

const number = z.coerce.number().check(z.int(), z.nonnegative());
const optionsSchema = z.object({
  bodies: z._default(number, 100_000),
  seed: z._default(number, 1),
  from: z._default(number, 0),
});

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { bodies: text, seed: text, from: text } });
const options = optionsSchema.parse(values);

const startMs = performance.now();
const { bodies, statuses, slowestMs, heapGrowth, failures } = await runFuzz(options);
const seconds = (performance.now() - startMs) / 1000;

console.table({
  bodies,
  ...Object.fromEntries(
    Object.entries(statuses).map(([status, count]) => [`status ${status}`, count]),
  ),
  'slowest, ms': Number(slowestMs.toFixed(1)),
  'heap growth, %': Number((heapGrowth * 100).toFixed(1)),
  'bodies a second': Math.round(bodies / seconds),
  failures: failures.length,
});
for (const failure of failures) console.error(failure);
const hasGrown = bodies >= 10_000 && heapGrowth > MAX_HEAP_GROWTH;
process.exitCode = failures.length > 0 || hasGrown ? 1 : 0;
