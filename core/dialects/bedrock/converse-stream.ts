/**
 * A stream of ConverseStream as answer events. Blocks of text and reasoning begin with their first delta,
 * only tool calls are announced; the usage comes in `metadata`, after the stop and as the last message.
 * Source: Amazon Bedrock API reference, "ConverseStream".
 */
import { GatewayError } from '../../errors.ts';
import type { AnswerEvent } from '../answer.ts';
import type { AnswerDecoder } from '../call.ts';
import { asRecord, asText, type JsonRecord, parseRecord } from '../json-record.ts';
import { createEventStreamDecoder, type EventStreamMessage } from './event-stream.ts';
import { stopEventOf } from './stop-reason.ts';
import { parseBedrockUsage } from './usage.ts';

/** A tool call under way: its place among the tool calls, and whether anything of its arguments came. */
interface OpenTool {
  readonly index: number;
  hasArguments: boolean;
}

interface StreamState {
  hasBegun: boolean;
  /** Of `messageStop`; after it only the metadata may come. */
  stopped: 'no' | 'yes' | 'broken-off';
  toolCalls: number;
  /** By content block. */
  readonly openTools: Map<unknown, OpenTool>;
}

const NOTHING: readonly AnswerEvent[] = [];

export function createConverseDecoder(): AnswerDecoder {
  const framing = createEventStreamDecoder();
  const state: StreamState = {
    hasBegun: false,
    stopped: 'no',
    toolCalls: 0,
    openTools: new Map(),
  };
  return {
    push(chunk) {
      try {
        return framing.push(chunk).flatMap((message) => eventsOf(message, state));
      } catch (fault) {
        if (fault instanceof GatewayError) return failed(String(fault.cause));
        throw fault;
      }
    },
  };
}

function eventsOf(message: EventStreamMessage, state: StreamState): readonly AnswerEvent[] {
  const { headers, payload } = message;
  const type = headers.get(':message-type');
  // What an exception says may quote the prompt, and causes are logged: its name is enough.
  if (type !== 'event')
    return failed(
      `in the stream: ${headers.get(':exception-type') ?? headers.get(':error-code') ?? type}`,
    );
  const name = headers.get(':event-type');
  const data = parseRecord(payload.toString('utf8'));
  if (data === undefined) return failed(`${name} is no JSON object`);
  if (name === 'messageStart') return begin(state);
  if (!state.hasBegun) return failed(`${name} before messageStart`);
  if (name === 'metadata') return end(data, state);
  if (state.stopped !== 'no') return failed(`${name} after messageStop`);
  switch (name) {
    case 'contentBlockDelta':
      return delta(data, state);
    case 'contentBlockStart':
      return blockStart(data, state);
    case 'contentBlockStop':
      return blockStop(data, state);
    case 'messageStop':
      return stop(data, state);
    default:
      // Events of a kind that is not known yet carry nothing that was asked for.
      return NOTHING;
  }
}

function failed(cause: string): readonly AnswerEvent[] {
  return [{ kind: 'error', cause }];
}

/** A second beginning would splice two answers into one. */
function begin(state: StreamState): readonly AnswerEvent[] {
  if (state.hasBegun) return failed('a second messageStart');
  state.hasBegun = true;
  return [{ kind: 'begin', id: undefined }];
}

function delta(data: JsonRecord, state: StreamState): readonly AnswerEvent[] {
  const said = asRecord(data['delta']);
  if (said === undefined) return failed('a delta without a delta');
  const text = asText(said['text']);
  if (text !== undefined) return text === '' ? NOTHING : [{ kind: 'text', text }];
  const toolUse = asRecord(said['toolUse']);
  if (toolUse !== undefined) return toolArguments(data, toolUse, state);
  const reasoning = asRecord(said['reasoningContent']);
  return reasoning === undefined ? NOTHING : thinking(reasoning);
}

function toolArguments(
  data: JsonRecord,
  toolUse: JsonRecord,
  state: StreamState,
): readonly AnswerEvent[] {
  const tool = state.openTools.get(data['contentBlockIndex']);
  const json = asText(toolUse['input']);
  if (tool === undefined || json === undefined) return failed('arguments of no tool call');
  if (json === '') return NOTHING;
  tool.hasArguments = true;
  return [{ kind: 'tool-arguments', index: tool.index, json }];
}

function thinking(reasoning: JsonRecord): readonly AnswerEvent[] {
  const text = asText(reasoning['text']);
  if (text !== undefined) return text === '' ? NOTHING : [{ kind: 'thinking', text }];
  const signature = asText(reasoning['signature']);
  if (signature !== undefined) return [{ kind: 'thinking-signature', signature }];
  const data = asText(reasoning['redactedContent']);
  return data === undefined ? NOTHING : [{ kind: 'redacted-thinking', data }];
}

function blockStart(data: JsonRecord, state: StreamState): readonly AnswerEvent[] {
  const toolUse = asRecord(asRecord(data['start'])?.['toolUse']);
  if (toolUse === undefined) return NOTHING;
  const id = asText(toolUse['toolUseId']);
  const name = asText(toolUse['name']);
  const block = data['contentBlockIndex'];
  if (id === undefined || name === undefined || state.openTools.has(block))
    return failed('a tool call without id or name, or within another');
  const index = state.toolCalls++;
  state.openTools.set(block, { index, hasArguments: false });
  return [{ kind: 'tool-call', index, id, name }];
}

/** A call without arguments sends none, and an empty text is no JSON. */
function blockStop(data: JsonRecord, { openTools }: StreamState): readonly AnswerEvent[] {
  const tool = openTools.get(data['contentBlockIndex']);
  openTools.delete(data['contentBlockIndex']);
  if (tool === undefined || tool.hasArguments) return NOTHING;
  return [{ kind: 'tool-arguments', index: tool.index, json: '{}' }];
}

function stop(data: JsonRecord, state: StreamState): readonly AnswerEvent[] {
  const event = stopEventOf(data);
  state.stopped = event === undefined ? 'broken-off' : 'yes';
  return event === undefined ? NOTHING : [event];
}

/** What was broken off was generated all the same: its usage is told before its failure. */
function end(data: JsonRecord, { stopped }: StreamState): readonly AnswerEvent[] {
  if (stopped === 'no') return failed('metadata before messageStop');
  const usage = parseBedrockUsage(data['usage'], {
    serviceTier: asRecord(data['serviceTier'])?.['type'],
  });
  const told: AnswerEvent[] = usage === undefined ? [] : [{ kind: 'usage', usage }];
  if (stopped === 'broken-off') return [...told, ...failed('broken off by the model')];
  return [...told, { kind: 'end' }];
}
