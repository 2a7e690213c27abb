/** `npm run prove:ledger`: the proof of the ledger at full size; prints what it came to. `--requests`, `--seed`. */
import { parseArgs } from 'node:util';
import * as z from 'zod/mini';
import { proveLedger } from '../test/simulation/ledger/prove.ts';

const QUARTER_MS = 15 * 60_000;
const number = z.coerce.number().check(z.positive());
const optionsSchema = z.object({
  requests: z._default(number, 100_000),
  seed: z._default(number, 1),
});

const { values } = parseArgs({
  options: { requests: { type: 'string' }, seed: { type: 'string' } },
});
const options = optionsSchema.parse(values);
const { differences, counts, ...proof } = await proveLedger({ ...options, runEveryMs: QUARTER_MS });
console.table({ ...proof, ...counts });
console.table(differences);
process.exitCode = Object.values(differences).every((difference) => difference === 0) ? 0 : 1;
