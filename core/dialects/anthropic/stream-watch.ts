/**
 * Reads an Anthropic stream, whoever passes it on: each event once, by hand, because a schema would copy
 * every event of every stream. It knows what may follow what, so that a stream which was cut, spliced or
 * doubled never looks finished, and it puts the usage together from its parts.
 * Source: Anthropic API reference, "Streaming messages".
 */
import { mergeRawUsage } from '../../usage/merge-usage.ts';
import type { TokenUsage } from '../../usage/tokens.ts';
import { parseAnthropicUsage } from './usage.ts';

export type StreamEvent =
  | { readonly kind: 'start'; readonly id: string | undefined }
  | {
      readonly kind: 'block';
      readonly index: number;
      readonly type: string;
      readonly block: JsonObject;
    }
  | {
      readonly kind: 'delta';
      readonly index: number;
      readonly type: string;
      readonly delta: JsonObject;
    }
  | { readonly kind: 'block-end'; readonly index: number }
  | {
      readonly kind: 'message-delta';
      readonly stopReason: string | undefined;
      readonly stopSequence: string | undefined;
    }
  | { readonly kind: 'stop' }
  /** A ping, or an event that this gateway does not know: the API may grow. */
  | { readonly kind: 'other' }
  /** Nothing of this stream can be trusted from here on. */
  | { readonly kind: 'broken'; readonly cause: string };

export type JsonObject = Readonly<Record<string, unknown>>;

export interface StreamWatch {
  /** What the data of the next event says. */
  read(data: string): StreamEvent;
  /** As far as it was reported. */
  usage(): TokenUsage | undefined;
}

const OTHER: StreamEvent = { kind: 'other' };
const STOP: StreamEvent = { kind: 'stop' };

export function createStreamWatch(): StreamWatch {
  let isStarted = false;
  let isStopped = false;
  let hasReason = false;
  let isCounted = false;
  let rawUsage: JsonObject = {};
  const open = new Set<number>();

  function start({ message }: JsonObject): StreamEvent {
    if (isStarted) return broken('a second message_start');
    isStarted = true;
    if (!isObject(message)) return broken('message_start without a message');
    rawUsage = mergeRawUsage(rawUsage, message['usage']);
    const { id } = message;
    return { kind: 'start', id: typeof id === 'string' ? id : undefined };
  }

  function messageDelta({ delta, usage }: JsonObject): StreamEvent {
    rawUsage = mergeRawUsage(rawUsage, usage);
    isCounted ||= isObject(usage) && typeof usage['output_tokens'] === 'number';
    const { stop_reason: reason, stop_sequence: sequence } = isObject(delta) ? delta : {};
    const stopReason = typeof reason === 'string' ? reason : undefined;
    hasReason ||= stopReason !== undefined;
    const stopSequence = typeof sequence === 'string' ? sequence : undefined;
    return { kind: 'message-delta', stopReason, stopSequence };
  }

  function stop(): StreamEvent {
    if (open.size > 0) return broken('message_stop within a block');
    if (!hasReason) return broken('message_stop without a stop reason');
    isStopped = true;
    return STOP;
  }

  function take(event: JsonObject): StreamEvent {
    const { type } = event;
    if (type === 'message_start') return start(event);
    if (type === 'error') return broken(errorTypeOf(event));
    if (typeof type !== 'string') return broken('an event without a type');
    if (!PARTS_OF_A_MESSAGE.has(type)) return OTHER;
    if (!isStarted || isStopped) return broken(`${type} outside of a message`);
    switch (type) {
      case 'content_block_delta':
        return blockDelta(event, open);
      case 'content_block_start':
        return blockStart(event, open);
      case 'content_block_stop':
        return blockEnd(event, open);
      case 'message_delta':
        return messageDelta(event);
      default:
        return stop();
    }
  }

  return {
    read(data) {
      const event = parseObject(data);
      return event === undefined ? broken('an event that is no JSON object') : take(event);
    },
    usage() {
      const usage = parseAnthropicUsage(rawUsage);
      return usage === undefined || isCounted ? usage : { ...usage, isPartial: true };
    },
  };
}

const PARTS_OF_A_MESSAGE: ReadonlySet<string> = new Set([
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
  'message_delta',
  'message_stop',
]);

function blockStart({ index, content_block: block }: JsonObject, open: Set<number>): StreamEvent {
  if (typeof index !== 'number' || !isObject(block)) return broken('a block without its index');
  if (open.has(index)) return broken('a block within itself');
  open.add(index);
  return { kind: 'block', index, type: String(block['type']), block };
}

function blockDelta({ index, delta }: JsonObject, open: ReadonlySet<number>): StreamEvent {
  if (typeof index !== 'number' || !isObject(delta) || !open.has(index))
    return broken('a delta of no open block');
  return { kind: 'delta', index, type: String(delta['type']), delta };
}

function blockEnd({ index }: JsonObject, open: Set<number>): StreamEvent {
  if (typeof index !== 'number' || !open.delete(index)) return broken('an end of no open block');
  return { kind: 'block-end', index };
}

function broken(cause: string): StreamEvent {
  return { kind: 'broken', cause };
}

/** The type alone: a provider's message may quote the prompt. */
function errorTypeOf({ error }: JsonObject): string {
  const type = isObject(error) ? error['type'] : undefined;
  return typeof type === 'string' ? type.slice(0, 64) : 'error event';
}

function parseObject(data: string): JsonObject | undefined {
  try {
    const parsed: unknown = JSON.parse(data);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
