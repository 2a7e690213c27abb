/** Errors and refusals as Anthropic's SDKs expect them: `{"type":"error","error":{type,message},"request_id"}`. */
import { ERRORS } from '../../errors.ts';
import { anthropicRateHeaders } from '../../limits/rate-headers.ts';
import type { ErrorFacts } from '../error-facts.ts';
import type { Voice } from '../voice.ts';

export const anthropicVoice: Voice = {
  error: errorBody,
  errorEvent: (facts) => `event: error\ndata: ${errorBody(facts)}\n\n`,
  keepAlive: Buffer.from('event: ping\ndata: {"type":"ping"}\n\n'),
  rateHeaders: anthropicRateHeaders,
};

function errorBody({ code, message, param, gateway }: ErrorFacts): string {
  const error = { type: ERRORS[code].anthropic, message, param, gateway };
  return JSON.stringify({ type: 'error', error, request_id: gateway.request_id });
}

/**
 * One body for callers whose dialect is not known: both families of SDKs read their fields in it. The
 * type is Anthropic's, because programs in OpenAI's dialect decide by status and code.
 */
export function errorForEveryDialect({ code, message, gateway }: ErrorFacts): string {
  const { anthropic: type, openai } = ERRORS[code];
  const error = { message, type, param: null, code: openai.code, gateway };
  return JSON.stringify({ type: 'error', error, request_id: gateway.request_id });
}
