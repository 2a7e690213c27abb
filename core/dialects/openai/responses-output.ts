/**
 * The output items of a Responses answer as they grow: what is said or thought is one item at a time, tool
 * calls stay open until the answer stops, because their arguments may take turns.
 */
import type { AnswerEvent } from '../answer.ts';
import { carry } from './responses-reasoning.ts';

export type ItemStatus = 'completed' | 'incomplete';

type Fields = Readonly<Record<string, unknown>>;
type Emit = (type: string, fields: Fields) => void;
type Said = Exclude<AnswerEvent, { kind: 'begin' | 'stop' | 'usage' | 'error' | 'end' }>;

interface OutputOptions {
  readonly idSuffix: string;
  /** The caller asked for the text of the thinking. */
  readonly showsThinking: boolean;
  /** The caller asked for what the provider wants back in the next turn. */
  readonly carriesThinking: boolean;
}

/** An item that has been added and is not done. */
interface OpenItem {
  readonly kind: 'message' | 'reasoning' | 'call';
  add(event: Said): void;
  /** Tells what is left to tell of it and gives the item as it is in the end. */
  done(status: ItemStatus): Fields;
}

export interface Output {
  add(event: Said): void;
  /** Closes what is open. Closing again changes nothing. */
  close(status: ItemStatus): void;
  items(): readonly Fields[];
  /** A refusal was put into words. */
  refused(): boolean;
}

export function createOutput(emit: Emit, options: OutputOptions): Output {
  const items: Fields[] = [];
  const open = new Map<OpenItem, number>();
  const calls = new Map<number, OpenItem>();
  let speaking: OpenItem | undefined;
  let refused = false;

  const finish = (item: OpenItem | undefined, status: ItemStatus) => {
    const index = item === undefined ? undefined : open.get(item);
    if (item === undefined || index === undefined) return;
    open.delete(item);
    const done = item.done(status);
    items[index] = done;
    emit('response.output_item.done', { output_index: index, item: done });
  };
  const begin = (kind: OpenItem['kind'], event: Said): OpenItem => {
    finish(speaking, 'completed');
    speaking = undefined;
    const index = items.length;
    const place = { emit, index, id: `${PREFIX[kind]}_${options.idSuffix}${index}` };
    const { first, item } = OPENERS[kind](place, event, options);
    items.push(first);
    open.set(item, index);
    emit('response.output_item.added', { output_index: index, item: first });
    return item;
  };

  return {
    add(event) {
      if (event.kind === 'tool-arguments') return calls.get(event.index)?.add(event);
      const kind = KIND[event.kind];
      if (kind === 'call') {
        if (event.kind === 'tool-call') calls.set(event.index, begin('call', event));
        return;
      }
      refused ||= event.kind === 'refusal';
      if (speaking?.kind !== kind) speaking = begin(kind, event);
      speaking.add(event);
      // A signature ends its thinking: what is thought next is another item.
      if (event.kind !== 'thinking-signature' && event.kind !== 'redacted-thinking') return;
      finish(speaking, 'completed');
      speaking = undefined;
    },
    close(status) {
      for (const item of [...open.keys()]) finish(item, status);
      speaking = undefined;
    },
    items: () => items,
    refused: () => refused,
  };
}

const PREFIX = { message: 'msg', reasoning: 'rs', call: 'fc' } as const;

const KIND = {
  text: 'message',
  refusal: 'message',
  thinking: 'reasoning',
  'thinking-signature': 'reasoning',
  'redacted-thinking': 'reasoning',
  'tool-call': 'call',
} as const;

interface Place {
  readonly emit: Emit;
  readonly index: number;
  readonly id: string;
}

interface Opened {
  /** The item as it is added. */
  readonly first: Fields;
  readonly item: OpenItem;
}

const OPENERS: Readonly<
  Record<OpenItem['kind'], (place: Place, event: Said, options: OutputOptions) => Opened>
> = { message: openMessage, reasoning: openReasoning, call: openCall };

const PARTS = {
  text: {
    type: 'output_text',
    of: (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] }),
    delta: { logprobs: [] },
    done: (text: string) => ({ text, logprobs: [] }),
  },
  refusal: {
    type: 'refusal',
    of: (refusal: string) => ({ type: 'refusal', refusal }),
    delta: {},
    done: (refusal: string) => ({ refusal }),
  },
} as const;

function openMessage({ emit, index, id }: Place): Opened {
  const content: Fields[] = [];
  let part: { readonly kind: keyof typeof PARTS; text: string } | undefined;
  const at = () => ({ item_id: id, output_index: index, content_index: content.length });
  const closePart = () => {
    if (part === undefined) return;
    const { type, of, done } = PARTS[part.kind];
    const whole = of(part.text);
    emit(`response.${type}.done`, { ...at(), ...done(part.text) });
    emit('response.content_part.done', { ...at(), part: whole });
    content.push(whole);
    part = undefined;
  };
  const message = (status: string) => ({ id, type: 'message', status, role: 'assistant', content });
  return {
    first: { ...message('in_progress'), content: [] },
    item: {
      kind: 'message',
      add(event) {
        if (event.kind !== 'text' && event.kind !== 'refusal') return;
        const { type, of, delta } = PARTS[event.kind];
        if (part?.kind !== event.kind) {
          closePart();
          part = { kind: event.kind, text: '' };
          emit('response.content_part.added', { ...at(), part: of('') });
        }
        part.text += event.text;
        emit(`response.${type}.delta`, { ...at(), delta: event.text, ...delta });
      },
      done(status) {
        closePart();
        return message(status);
      },
    },
  };
}

function openReasoning(
  { emit, index, id }: Place,
  _event: Said,
  { showsThinking, carriesThinking }: OutputOptions,
): Opened {
  let text = '';
  let carried: string | undefined;
  const first = { id, type: 'reasoning', summary: [] };
  const at = { item_id: id, output_index: index, summary_index: 0 };
  const shown = () => showsThinking && text !== '';
  return {
    first,
    item: {
      kind: 'reasoning',
      add(event) {
        if (event.kind === 'redacted-thinking') carried = carry(event);
        if (event.kind === 'thinking-signature')
          carried = carry({ kind: 'thinking', text, signature: event.signature });
        if (event.kind !== 'thinking') return;
        const isFirst = !shown();
        text += event.text;
        if (!shown()) return;
        const part = { type: 'summary_text', text: '' };
        if (isFirst) emit('response.reasoning_summary_part.added', { ...at, part });
        emit('response.reasoning_summary_text.delta', { ...at, delta: event.text });
      },
      done() {
        const summary = shown() ? [{ type: 'summary_text', text }] : [];
        for (const part of summary) {
          emit('response.reasoning_summary_text.done', { ...at, text });
          emit('response.reasoning_summary_part.done', { ...at, part });
        }
        const encrypted = carriesThinking ? { encrypted_content: carried ?? null } : {};
        return { ...first, summary, ...encrypted };
      },
    },
  };
}

function openCall({ emit, index, id }: Place, event: Said): Opened {
  const { id: callId, name } = event.kind === 'tool-call' ? event : { id, name: '' };
  const at = { item_id: id, output_index: index };
  let json = '';
  const add = (delta: string) => {
    json += delta;
    emit('response.function_call_arguments.delta', { ...at, delta });
  };
  const call = (status: string) => ({
    id,
    type: 'function_call',
    status,
    arguments: json,
    call_id: callId,
    name,
  });
  return {
    first: call('in_progress'),
    item: {
      kind: 'call',
      add: (said) => (said.kind === 'tool-arguments' ? add(said.json) : undefined),
      done(status) {
        // Some providers say nothing where there are no arguments; clients parse JSON all the same.
        if (json === '' && status === 'completed') add('{}');
        emit('response.function_call_arguments.done', { ...at, name, arguments: json });
        return call(status);
      },
    },
  };
}
