/**
 * `npm run faulted-calls`: calls to AWS that are slow, throttled, reset, refused for their credentials or their clock,
 * through the request path's own client. Prints how each kind ended, how long the slowest took, and the sockets, timers
 * and heap before and after. Fails where a call ended late or otherwise than the client promises, or anything grew.
 */
import { parseArgs } from 'node:util';
import * as z from 'zod/mini';
import { runFaultedCalls } from '../test/support/faulted-calls.ts';

const number = z.coerce.number().check(z.int(), z.positive());
const optionsSchema = z.object({
  calls: z._default(number, 10_000),
  callers: z._default(number, 50),
});
const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { calls: text, callers: text } });

const { kinds, before, after, problems } = await runFaultedCalls(optionsSchema.parse(values));
console.table(kinds);
console.table({ before, after });
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
