/** Errors and refusals as OpenAI's SDKs expect them: `{"error":{message,type,param,code}}`, all four always. */
import { ERRORS } from '../../errors.ts';
import { openAiRateHeaders } from '../../limits/rate-headers.ts';
import type { ErrorFacts } from '../error-facts.ts';
import type { Voice } from '../voice.ts';

export const openAiVoice: Voice = {
  error: errorBody,
  errorEvent: (facts) => `data: ${errorBody(facts)}\n\n`,
  keepAlive: Buffer.from(': ping\n\n'),
  rateHeaders: openAiRateHeaders,
};

function errorBody({ code, message, param, gateway }: ErrorFacts): string {
  const { type, code: openAiCode } = ERRORS[code].openai;
  return JSON.stringify({
    error: { message, type, param: param ?? null, code: openAiCode, gateway },
  });
}
