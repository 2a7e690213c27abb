import { MODELS } from '../models.ts';
import { quantile } from '../statistics.ts';
import { perCall, withCpu } from './cpu.ts';
import { endSilence } from './end-silence.ts';
import { type Load, RATES } from './load.ts';

const QUESTION = { model: MODELS.paced };

/** Open loop: about ten streams at a time, each token a write of its own. */
export const pacedStreams: Load = async (
  { target, client },
  { plan: { pacedCalls, leadInMs } },
) => {
  const perSecond = RATES.streamsPerSecond;
  const pacedFirstOver = await endSilence(client, QUESTION, { perSecond, forMs: leadInMs });
  await target.table?.take();
  const arrival = { perSecond, calls: pacedCalls };
  const { result, cpuMs } = await withCpu(target, () => client.paced(QUESTION, arrival));
  const counts = await target.table?.take();
  const overMs = result.map((call) => call.overMs);
  const { tokens } = QUESTION.model;
  return {
    pacedFirstOver,
    pacedOverP50: quantile(overMs, 0.5),
    pacedOverP99: quantile(overMs, 0.99),
    pacedTransitP50: quantile(
      result.flatMap((call) => call.transitsMs),
      0.5,
    ),
    pacedCpu: perCall(cpuMs, pacedCalls),
    pacedMergedPercent: (100 * sum(result.map((call) => call.merged))) / (tokens * pacedCalls),
    writesPerCall: counts && counts.writes / pacedCalls,
    unitsPerCall: counts && counts.units / pacedCalls,
    readsPerCall: counts && counts.reads / pacedCalls,
  };
};

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
