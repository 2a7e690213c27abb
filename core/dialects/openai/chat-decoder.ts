/**
 * A chat answer of a provider, event by event. Nothing looks finished that is not: `[DONE]` ends an answer
 * only behind a finish reason and without an error before it.
 */
import { GatewayError } from '../../errors.ts';
import type { AnswerEvent } from '../answer.ts';
import type { AnswerDecoder } from '../call.ts';
import { createSseParser } from '../sse.ts';
import { createChoiceReader } from './choice-reader.ts';
import { type Fields, parseRecord } from './record.ts';
import { parseOpenAiUsage } from './usage.ts';

export function createChatDecoder(): AnswerDecoder {
  const parser = createSseParser();
  const choice = createChoiceReader('delta');
  let begun = false;
  let closed = false;

  function close(last: AnswerEvent): AnswerEvent[] {
    closed = true;
    return [last];
  }

  function readChoices(chunk: Fields): AnswerEvent[] | undefined {
    const { choices } = chunk;
    // Azure opens with a verdict on the prompt, and the usage comes last: neither has a choice.
    if (choices == null || (Array.isArray(choices) && choices.length === 0)) return [];
    const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
    const id = answerId(chunk);
    const said = choice.read(first, id);
    if (said === undefined || begun) return said;
    begun = true;
    return [{ kind: 'begin', id }, ...said];
  }

  function decode(data: string): AnswerEvent[] {
    if (data === '[DONE]')
      return close(choice.hasStopped() ? { kind: 'end' } : broken('no finish reason'));
    const chunk = parseRecord(data);
    if (chunk === undefined) return close(broken('no JSON object'));
    if (isErrorChunk(chunk)) return close(broken('an error event'));
    const events = readChoices(chunk);
    if (events === undefined) return close(broken('no chunk of a chat completion'));
    const usage = parseOpenAiUsage(chunk['usage'], chunk['service_tier']);
    if (usage !== undefined) events.push({ kind: 'usage', usage });
    return events;
  }

  return {
    push(bytes) {
      const events: AnswerEvent[] = [];
      for (const { data } of parser.push(bytes))
        if (data !== undefined && !closed) events.push(...decode(data));
      return events;
    },
  };
}

/** Throws GatewayError `upstream_error` when the bytes are no chat completion (HTML, an empty body, a proxy's page). */
export function decodeChatAnswer(body: Buffer): readonly AnswerEvent[] {
  const answer = parseRecord(body.toString('utf8'));
  const choices = answer?.['choices'];
  const choice = createChoiceReader('message');
  const id = answer === undefined ? undefined : answerId(answer);
  const said = Array.isArray(choices) ? choice.read(choices[0], id) : undefined;
  if (answer === undefined || said === undefined || !choice.hasStopped())
    throw new GatewayError(
      'upstream_error',
      'The provider answered with something that is not a chat completion.',
    );
  const usage = parseOpenAiUsage(answer['usage'], answer['service_tier']);
  return [
    { kind: 'begin', id },
    ...said,
    ...(usage === undefined ? [] : [{ kind: 'usage' as const, usage }]),
    { kind: 'end' },
  ];
}

/** vLLM's older versions say an error without the envelope. */
export function isErrorChunk(chunk: Fields): boolean {
  return chunk['error'] != null || chunk['object'] === 'error';
}

function answerId({ id }: Fields): string | undefined {
  return typeof id === 'string' && id !== '' ? id : undefined;
}

function broken(what: string): AnswerEvent {
  return { kind: 'error', cause: `the provider's stream brought ${what}` };
}
