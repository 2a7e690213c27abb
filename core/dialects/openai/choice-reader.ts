/**
 * What a choice of a chat answer says, piece by piece: the deltas of a stream, or the one message of a
 * whole answer. Servers that are compatible with OpenAI differ in how they number tool calls and where
 * they put their reasoning.
 */
import type { AnswerEvent } from '../answer.ts';
import { stopReason } from './finish-reasons.ts';
import { type Fields, isRecord } from './record.ts';

export interface ChoiceReader {
  /** Undefined when this is no choice of the dialect. `answerId` makes ids for calls that came without. */
  read(choice: unknown, answerId: string | undefined): AnswerEvent[] | undefined;
  /** True from the first finish reason; later ones say nothing new. */
  hasStopped(): boolean;
}

interface OpenCall {
  readonly index: number;
  readonly id: string | undefined;
}

export function createChoiceReader(piece: 'delta' | 'message'): ChoiceReader {
  const said = { refusal: false, toolCalls: false };
  const calls = new Map<number, OpenCall>();
  let latest: OpenCall | undefined;
  let idPrefix = 'call_';
  let count = 0;
  let stopped = false;

  function readCall(raw: Fields, key: unknown, events: AnswerEvent[]): boolean {
    const { id, function: called } = raw;
    if (!isRecord(called)) return false;
    const { name, arguments: json } = called;
    const known = typeof key === 'number' ? calls.get(key) : isText(name) ? undefined : latest;
    // Some servers give every call the same index: another id with a name is another call.
    const isAnother = known !== undefined && isText(name) && isText(id) && id !== known.id;
    let open = known;
    if (open === undefined || isAnother) {
      if (!isText(name)) return false;
      open = { index: count, id: isText(id) ? id : undefined };
      count += 1;
      events.push({
        kind: 'tool-call',
        index: open.index,
        id: open.id ?? `${idPrefix}${open.index}`,
        name,
      });
      said.toolCalls = true;
    }
    latest = open;
    if (typeof key === 'number') calls.set(key, open);
    return push(json, (text) =>
      events.push({ kind: 'tool-arguments', index: open.index, json: text }),
    );
  }

  function readCalls(raw: unknown, events: AnswerEvent[]): boolean {
    if (raw == null) return true;
    return (
      Array.isArray(raw) &&
      raw.every((each) => isRecord(each) && readCall(each, each['index'], events))
    );
  }

  function readPiece(fields: Fields, events: AnswerEvent[]): boolean {
    const { content, refusal, function_call: legacy, tool_calls } = fields;
    return (
      push(fields['reasoning_content'] ?? fields['reasoning'], (text) =>
        events.push({ kind: 'thinking', text }),
      ) &&
      push(content, (text) => events.push({ kind: 'text', text })) &&
      push(refusal, (text) => {
        said.refusal = true;
        events.push({ kind: 'refusal', text });
      }) &&
      readCalls(tool_calls, events) &&
      (legacy == null || readCall({ function: legacy }, 0, events))
    );
  }

  return {
    hasStopped: () => stopped,
    read(choice, answerId) {
      if (!isRecord(choice)) return undefined;
      if (answerId !== undefined) idPrefix = `call_${answerId}_`;
      const events: AnswerEvent[] = [];
      const fields = choice[piece] ?? {};
      if (!isRecord(fields) || !readPiece(fields, events)) return undefined;
      const { finish_reason: word } = choice;
      if (word == null || stopped) return events;
      const reason = typeof word === 'string' ? stopReason(word, said) : undefined;
      if (reason === undefined) return undefined;
      stopped = true;
      events.push({ kind: 'stop', reason, word: String(word) });
      return events;
    },
  };
}

/** Says a text that is there and not empty. False when it is no text. */
function push(value: unknown, say: (text: string) => void): boolean {
  if (value == null || value === '') return true;
  if (typeof value !== 'string') return false;
  say(value);
  return true;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
