/** OpenAI's words, and the events of a Responses stream, which are numbered and named. */
import { ERRORS } from '../../errors.ts';
import type { ErrorFacts } from '../error-facts.ts';
import type { Voice } from '../voice.ts';
import { openAiVoice } from './voice.ts';

export const responsesVoice: Voice = {
  ...openAiVoice,
  errorEvent: (facts) => responsesErrorEvent(facts, 0),
};

/**
 * Flat as the API reference has it, and nested as the service has been seen to send it: SDKs read either.
 * `sequenceNumber` is the one after the last event that the caller got.
 */
export function responsesErrorEvent(facts: ErrorFacts, sequenceNumber: number): string {
  const { code, message, param = null, gateway } = facts;
  const { type, code: openAiCode } = ERRORS[code].openai;
  return eventText('error', sequenceNumber, {
    code: openAiCode,
    message,
    param,
    error: { message, type, param, code: openAiCode, gateway },
  });
}

export function eventText(
  type: string,
  sequenceNumber: number,
  fields: Readonly<Record<string, unknown>>,
): string {
  const data = JSON.stringify({ type, sequence_number: sequenceNumber, ...fields });
  return `event: ${type}\ndata: ${data}\n\n`;
}
