/** One call at a time at the CPU share of a memory size, before a table that answers after four milliseconds. */
import type { LoadClient } from '../load-client.ts';
import { MODELS } from '../models.ts';
import { quantile } from '../statistics.ts';
import type { Figures, Load } from './load.ts';

const QUESTION = { model: MODELS.short };
const SMALLEST_MB = 256;
const SIZES_MB = [SMALLEST_MB, 512, 1769] as const;

export const cpuShares: Load = async ({ target, client }, { plan, cpuShare }) => {
  if (cpuShare === undefined) return {};
  const pids = target.pids();
  try {
    cpuShare.hold(pids, SMALLEST_MB);
    // The first call after silence is a figure of its own (end-silence.ts).
    let figures: Figures = { share256First: (await client.call(QUESTION)).overMs };
    await callFor(client, plan.leadInMs);
    for (const size of SIZES_MB) {
      cpuShare.hold(pids, size);
      const overMs: number[] = [];
      for (let index = 0; index < plan.shareCalls; index += 1)
        overMs.push((await client.call(QUESTION)).overMs);
      figures = {
        ...figures,
        [`share${size}P50`]: quantile(overMs, 0.5),
        [`share${size}P99`]: quantile(overMs, 0.99),
      };
    }
    return figures;
  } finally {
    cpuShare.release(pids);
  }
};

async function callFor(client: LoadClient, ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs) await client.call(QUESTION);
}
