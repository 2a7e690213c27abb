import { MODELS } from '../models.ts';
import { forgetPeakRss, peakRssMb } from '../process-usage.ts';
import { perCall, withCpu } from './cpu.ts';
import { callersOf, type Load } from './load.ts';

const QUESTION = { model: MODELS.saturated };

/** Closed loop: callers that never pause, and a provider that does not either. */
export const saturatedStreams: Load = async ({ target, client }, { plan: { streamMs } }) => {
  forgetPeakRss(target.pids());
  await target.table?.take();
  const limit = { concurrency: callersOf(target), durationMs: streamMs };
  const { result, cpuMs } = await withCpu(target, () => client.saturated(QUESTION, limit));
  const counts = await target.table?.take();
  const pids = target.pids();
  return {
    streamsPerSecond: result.callsPerSecond,
    streamCpu: perCall(cpuMs, result.calls),
    streamRssMb: pids.length === 0 ? undefined : peakRssMb(pids),
    saturatedWrites: counts && counts.writes / result.calls,
    saturatedUnits: counts && counts.units / result.calls,
  };
};
