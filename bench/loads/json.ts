import { MODELS } from '../models.ts';
import { quantile } from '../statistics.ts';
import { perCall, withCpu } from './cpu.ts';
import { endSilence } from './end-silence.ts';
import { callersOf, type Load, RATES } from './load.ts';

const QUESTION = { model: MODELS.saturated, isWhole: true };

/** Whole answers, first on time and then without a pause. */
export const json: Load = async ({ target, client }, { plan: { jsonCalls, jsonMs, leadInMs } }) => {
  const perSecond = RATES.jsonPerSecond;
  await endSilence(client, QUESTION, { perSecond, forMs: leadInMs });
  const arrival = { perSecond, calls: jsonCalls };
  const paced = await withCpu(target, () => client.paced(QUESTION, arrival));
  const limit = { concurrency: callersOf(target), durationMs: jsonMs };
  const saturated = await withCpu(target, () => client.saturated(QUESTION, limit));
  const overMs = paced.result.map((call) => call.overMs);
  return {
    jsonOverP50: quantile(overMs, 0.5),
    jsonOverP99: quantile(overMs, 0.99),
    jsonPacedCpu: perCall(paced.cpuMs, jsonCalls),
    jsonPerSecond: saturated.result.callsPerSecond,
    jsonCpu: perCall(saturated.cpuMs, saturated.result.calls),
  };
};
