/**
 * How many streams on time a target carries: the rate of arrivals is raised until the nearly slowest first token comes too late, and the
 * limit then narrowed down. Every target here works on one core; client and provider have the other.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadClient } from '../load-client.ts';
import { MODELS } from '../models.ts';
import { quantile } from '../statistics.ts';
import type { Load } from './load.ts';

const QUESTION = { model: MODELS.paced };
const LATE_MS = 50;
const SHARE = 0.99;
/** Streams a second. */
const FIRST_RATE = 100;
const LOWEST_RATE = 15;
const HIGHEST_RATE = 1_500;
const STEP = 1.5;
const NARROWINGS = 2;
/** Fewer calls than this say nothing of the slowest in a hundred. */
const FEWEST_CALLS = 100;
const PAUSE_MS = 200;

export const mostStreams: Load = async ({ client }, { plan: { capacityMs } }) => {
  const holds = (rate: number) => holdsRate(client, rate, capacityMs);
  return { mostStreams: await highest(holds) };
};

/** Between the highest rate that is known to hold and the lowest that does not, in steps of the same ratio. */
export async function highest(holds: (rate: number) => Promise<boolean>): Promise<number> {
  let held = 0;
  let broken = Infinity;
  let rate = FIRST_RATE;
  // Up until a rate is too much, or down until one is not.
  while ((held === 0 || broken === Infinity) && rate >= LOWEST_RATE && rate <= HIGHEST_RATE) {
    if (await holds(rate)) held = rate;
    else broken = rate;
    rate = held === 0 ? rate / STEP : rate * STEP;
  }
  if (held === 0 || broken === Infinity) return held;
  for (let count = 0; count < NARROWINGS; count += 1) {
    const between = Math.sqrt(held * broken);
    if (await holds(between)) held = between;
    else broken = between;
  }
  return held;
}

/** Once more where it does not: something else on the machine may have been in the way. */
async function holdsRate(client: LoadClient, rate: number, durationMs: number): Promise<boolean> {
  const calls = Math.max(FEWEST_CALLS, Math.ceil((rate * durationMs) / 1_000));
  for (const _attempt of ['first', 'second']) {
    const times = await client.paced(QUESTION, { perSecond: rate, calls });
    await sleep(PAUSE_MS);
    const overMs = times.map((call) => call.overMs);
    if (quantile(overMs, SHARE) <= LATE_MS) return true;
  }
  return false;
}
