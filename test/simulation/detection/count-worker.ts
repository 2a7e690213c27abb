/** One thread of `npm run detect`: counts its share of the tenants and says what it counted. */
import { parentPort, workerData } from 'node:worker_threads';
import * as z from 'zod/mini';
import { countTenants } from './evaluate.ts';

const number = z.number();
const { options, share } = z
  .object({
    options: z.object({ tenants: number, days: number, seed: number, everyMinute: number }),
    share: z.object({ part: number, parts: number }),
  })
  .parse(workerData);

parentPort?.postMessage(countTenants(options, share));
