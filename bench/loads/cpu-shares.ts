/** One call at a time at the CPU share of a memory size, before a table that answers after four milliseconds. */
import { MODELS } from '../models.ts';
import { quantile } from '../statistics.ts';
import type { Figures, Load } from './load.ts';

const QUESTION = { model: MODELS.short };
const SIZES_MB = [256, 512, 1769] as const;

export const cpuShares: Load = async ({ target, client }, { plan, cpuShare }) => {
  if (cpuShare === undefined) return {};
  const pids = target.pids();
  let figures: Figures = {};
  try {
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
  } finally {
    cpuShare.release(pids);
  }
  return figures;
};
