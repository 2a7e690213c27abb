import { MODELS } from '../models.ts';
import { quantile } from '../statistics.ts';
import { perCall, withCpu } from './cpu.ts';
import { endSilence } from './end-silence.ts';
import type { Load } from './load.ts';

const QUESTION = { model: MODELS.saturated, promptBytes: 400_000 };
const PER_SECOND = 5;

/** A hundred messages of four kilobytes, one call at a time. */
export const largePrompts: Load = async (
  { target, client },
  { plan: { largeCalls, leadInMs } },
) => {
  await endSilence(client, QUESTION, { perSecond: PER_SECOND, forMs: leadInMs });
  const arrival = { perSecond: PER_SECOND, calls: largeCalls };
  const { result, cpuMs } = await withCpu(target, () => client.paced(QUESTION, arrival));
  return {
    largeOverP50: quantile(
      result.map((call) => call.overMs),
      0.5,
    ),
    largeCpu: perCall(cpuMs, largeCalls),
  };
};
