/** An Anthropic stream as neutral answer events. */
import type { AnswerEvent, StopReason } from '../answer.ts';
import type { AnswerDecoder } from '../call.ts';
import { createSseParser } from '../sse.ts';
import { createStreamWatch, type JsonObject, type StreamEvent } from './stream-watch.ts';

export function createMessagesDecoder(): AnswerDecoder {
  const parser = createSseParser();
  const watch = createStreamWatch();
  /** Tool calls are counted from zero, blocks of all kinds are. */
  const tools = new Map<number, number>();

  function beginBlock({ index, type, block }: StreamEvent & { kind: 'block' }): AnswerEvent[] {
    switch (type) {
      case 'text':
        return textEvents(block['text']);
      case 'thinking':
        return thinkingEvents(block);
      case 'redacted_thinking':
        return [{ kind: 'redacted-thinking', data: textOf(block['data']) }];
      case 'tool_use': {
        const call = tools.size;
        tools.set(index, call);
        const [id, name] = [textOf(block['id']), textOf(block['name'])];
        return [{ kind: 'tool-call', index: call, id, name }, ...wholeInput(call, block['input'])];
      }
      default:
        return [{ kind: 'error', cause: 'a block of an unknown type' }];
    }
  }

  function deltaEvents({ index, type, delta }: StreamEvent & { kind: 'delta' }): AnswerEvent[] {
    switch (type) {
      case 'text_delta':
        return textEvents(delta['text']);
      case 'thinking_delta':
        return [{ kind: 'thinking', text: textOf(delta['thinking']) }];
      case 'signature_delta':
        return [{ kind: 'thinking-signature', signature: textOf(delta['signature']) }];
      case 'input_json_delta': {
        const call = tools.get(index);
        const json = textOf(delta['partial_json']);
        return call === undefined || json === ''
          ? []
          : [{ kind: 'tool-arguments', index: call, json }];
      }
      default:
        // Citations, and what else may come to a block: it adds to the text and is none.
        return [];
    }
  }

  function usageEvents(): AnswerEvent[] {
    const usage = watch.usage();
    return usage === undefined ? [] : [{ kind: 'usage', usage }];
  }

  function eventsOf(event: StreamEvent): AnswerEvent[] {
    switch (event.kind) {
      case 'start':
        return [{ kind: 'begin', id: event.id }, ...usageEvents()];
      case 'block':
        return beginBlock(event);
      case 'delta':
        return deltaEvents(event);
      case 'message-delta':
        return [...stopEvents(event.stopReason, event.stopSequence), ...usageEvents()];
      case 'stop':
        return [{ kind: 'end' }];
      case 'broken':
        return [{ kind: 'error', cause: event.cause }];
      case 'block-end':
      case 'other':
        return [];
    }
  }

  return {
    push: (chunk) =>
      parser
        .push(chunk)
        .flatMap(({ data }) => (data === undefined ? [] : eventsOf(watch.read(data)))),
  };
}

const STOP_REASONS: Readonly<Record<string, StopReason>> = {
  end_turn: 'end',
  max_tokens: 'max-tokens',
  stop_sequence: 'stop-sequence',
  tool_use: 'tool-calls',
  pause_turn: 'pause',
  refusal: 'refusal',
  model_context_window_exceeded: 'context-exceeded',
};

/** A reason that is not known yet ends the turn like any other. */
export function stopEvents(reason: string | undefined, sequence: string | undefined) {
  if (reason === undefined) return [];
  const known = Object.hasOwn(STOP_REASONS, reason) ? STOP_REASONS[reason] : undefined;
  const stopSequence = sequence === undefined ? {} : { stopSequence: sequence };
  return [
    { kind: 'stop', reason: known ?? 'end', word: reason, ...stopSequence } satisfies AnswerEvent,
  ];
}

export function textEvents(text: unknown): AnswerEvent[] {
  return typeof text === 'string' && text !== '' ? [{ kind: 'text', text }] : [];
}

export function thinkingEvents({ thinking, signature }: JsonObject): AnswerEvent[] {
  const text = textOf(thinking);
  const events: AnswerEvent[] = text === '' ? [] : [{ kind: 'thinking', text }];
  if (typeof signature === 'string' && signature !== '')
    events.push({ kind: 'thinking-signature', signature });
  return events;
}

/** Streams begin with an empty object and tell the input piece by piece; whole answers, and some servers, tell it at once. */
export function wholeInput(index: number, input: unknown): AnswerEvent[] {
  const json = JSON.stringify(input ?? {});
  return json === '{}' ? [] : [{ kind: 'tool-arguments', index, json }];
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
