/**
 * Watches a Responses stream on its way to the caller: bytes pass untouched. It learns the usage, counts
 * what was said for the case that none comes, and knows whether the answer really ended: only the last
 * lifecycle event says so, and the provider's own failure is told in the gateway's words.
 */
import { createTokenEstimate, type TokenUsage } from '../../usage/tokens.ts';
import type { AnswerStream } from '../call.ts';
import { createSseParser, type SseEvent } from '../sse.ts';
import { parseResponsesUsage } from './responses-usage.ts';
import { responsesErrorEvent } from './responses-voice.ts';

const NOTHING = Buffer.alloc(0);

/** Sent before the model has said anything: no reason to commit to this provider yet. */
const OPENING = new Set(['response.created', 'response.queued', 'response.in_progress']);

export function createResponsesStream(): AnswerStream {
  const parser = createSseParser();
  const said = createTokenEstimate();
  let begun = false;
  let failed = false;
  let complete = false;
  let usage: TokenUsage | undefined;
  let nextNumber = 0;

  function relay({ data, raw }: SseEvent): Buffer {
    if (failed || complete || data === undefined) return NOTHING;
    const event = parseEvent(data);
    switch (event?.type) {
      case undefined:
      case 'error':
      case 'response.failed':
        usage = parseResponsesUsage(event?.response) ?? usage;
        failed = true;
        return NOTHING;
      case 'response.completed':
      case 'response.incomplete':
        usage = parseResponsesUsage(event?.response) ?? usage;
        complete = true;
        begun = true;
        break;
      default:
        begun ||= !OPENING.has(event?.type ?? '');
        if (typeof event?.delta === 'string') said.add(event.delta);
    }
    nextNumber = typeof event?.number === 'number' ? event.number + 1 : nextNumber + 1;
    return raw;
  }

  return {
    push: (bytes) => Buffer.concat(parser.push(bytes).map(relay)),
    hasBegun: () => begun,
    hasFailed: () => failed,
    isComplete: () => complete,
    usage: () => usage,
    estimatedOutputTokens: said.tokens,
    errorEvent: (facts) => responsesErrorEvent(facts, nextNumber),
  };
}

interface ResponsesEvent {
  readonly type: string;
  readonly number: unknown;
  readonly delta: unknown;
  readonly response: unknown;
}

/** By hand, because a schema would copy every event of every stream; undefined when it is no event. */
function parseEvent(data: string): ResponsesEvent | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const type = 'type' in parsed ? parsed.type : undefined;
  if (typeof type !== 'string') return undefined;
  return {
    type,
    number: 'sequence_number' in parsed ? parsed.sequence_number : undefined,
    delta: 'delta' in parsed ? parsed.delta : undefined,
    response: 'response' in parsed ? parsed.response : undefined,
  };
}
