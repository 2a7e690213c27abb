/**
 * `npm run slow-clients`: what healthy callers of a local gateway feel of 200 clients that dribble and 100
 * that never read. Fails when their slowest hundredth waits more than twice as long as without them.
 */
import { parseArgs } from 'node:util';
import * as z from 'zod/mini';
import { startHostileInstance } from '../test/hostile/hostile-instance.ts';
import { runSlowClients } from '../test/hostile/slow-clients.ts';

const MAX_RATIO = 2;
const ARRIVAL_MS = 20_000;

const number = z.coerce.number().check(z.int(), z.positive());
const optionsSchema = z.object({
  slowloris: z._default(number, 200),
  readers: z._default(number, 100),
  seconds: z._default(number, 8),
});
const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { slowloris: text, readers: text, seconds: text } });
const { slowloris, readers, seconds } = optionsSchema.parse(values);

const instance = await startHostileInstance();
try {
  const crowd = { slowloris, slowReaders: readers, healthyMs: seconds * 1_000 };
  const report = await runSlowClients(instance, { ...crowd, arrivalMs: ARRIVAL_MS });
  console.table({ [`${slowloris} dribble, ${readers} do not read`]: report });
  process.exitCode = report.ratio > MAX_RATIO || report.failures > 0 ? 1 : 0;
} finally {
  await instance.close();
}
