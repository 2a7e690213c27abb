/** An answer of Converse that came whole, as answer events. Source: Amazon Bedrock API reference, "Converse". */
import { GatewayError } from '../../errors.ts';
import type { AnswerEvent } from '../answer.ts';
import { asRecord, asText, type JsonRecord, parseRecord } from '../json-record.ts';
import { stopEventOf } from './stop-reason.ts';
import { parseBedrockUsage } from './usage.ts';

/** Throws GatewayError `upstream_error` when the bytes are no answer, or one that the model broke off. */
export function decodeConverseAnswer(body: Buffer): readonly AnswerEvent[] {
  const answer = parseRecord(body.toString('utf8'));
  const content = asRecord(asRecord(answer?.['output'])?.['message'])?.['content'];
  if (answer === undefined || !Array.isArray(content)) throw noAnswer('no message in the answer');
  const events: AnswerEvent[] = [{ kind: 'begin', id: undefined }];
  let toolCalls = 0;
  for (const each of content) {
    const block = asRecord(each) ?? {};
    const toolUse = asRecord(block['toolUse']);
    if (toolUse === undefined) events.push(...blockEvents(block));
    else events.push(...toolEvents(toolUse, toolCalls++));
  }
  events.push(stopEvent(answer));
  const usage = parseBedrockUsage(answer['usage'], {
    serviceTier: asRecord(answer['serviceTier'])?.['type'],
  });
  if (usage !== undefined) events.push({ kind: 'usage', usage });
  return [...events, { kind: 'end' }];
}

function blockEvents(block: JsonRecord): AnswerEvent[] {
  const text = asText(block['text']);
  if (text !== undefined) return [{ kind: 'text', text }];
  const reasoning = asRecord(block['reasoningContent']);
  const thought = asRecord(reasoning?.['reasoningText']);
  const redacted = asText(reasoning?.['redactedContent']);
  const said = asText(thought?.['text']);
  const signature = asText(thought?.['signature']);
  return [
    ...(said === undefined ? [] : [{ kind: 'thinking', text: said } as const]),
    ...(signature === undefined ? [] : [{ kind: 'thinking-signature', signature } as const]),
    ...(redacted === undefined ? [] : [{ kind: 'redacted-thinking', data: redacted } as const]),
  ];
}

function toolEvents(toolUse: JsonRecord, index: number): AnswerEvent[] {
  const id = asText(toolUse['toolUseId']);
  const name = asText(toolUse['name']);
  if (id === undefined || name === undefined) throw noAnswer('a tool call without id or name');
  return [
    { kind: 'tool-call', index, id, name },
    { kind: 'tool-arguments', index, json: JSON.stringify(toolUse['input'] ?? {}) },
  ];
}

function stopEvent(answer: JsonRecord): AnswerEvent {
  const stop = stopEventOf(answer);
  if (stop === undefined) throw noAnswer('broken off by the model');
  return stop;
}

function noAnswer(cause: string): GatewayError {
  return new GatewayError('upstream_error', 'The provider answered with no whole answer.', {
    cause,
  });
}
