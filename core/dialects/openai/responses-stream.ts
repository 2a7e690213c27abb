/**
 * Watches a Responses stream on its way to the caller: bytes pass untouched. It learns the usage, counts
 * what was said for the case that none comes, and knows whether the answer really ended: only the last
 * lifecycle event says so, when no item is left open, and the provider's own failure is told in the
 * gateway's words.
 */
import { createTokenEstimate, type TokenUsage } from '../../usage/tokens.ts';
import type { AnswerStream } from '../call.ts';
import { joined } from '../joined.ts';
import { createSseParser, type SseEvent } from '../sse.ts';
import { endOfResponse } from './responses-answer.ts';
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
  let stopReason: string | undefined;
  let nextNumber = 0;
  let created = false;
  let openItems = 0;

  /** True when nothing of this stream can be trusted from here on. */
  function isBroken(event: ResponsesEvent | undefined): boolean {
    switch (event?.type) {
      case undefined:
      case 'error':
      case 'response.failed':
        return true;
      case 'response.created':
        // A second one is another answer within this one.
        return created;
      case 'response.completed':
        return openItems > 0;
      default:
        return false;
    }
  }

  function relay({ data, raw }: SseEvent): Buffer {
    if (failed || complete || data === undefined) return NOTHING;
    const event = parseEvent(data);
    if (event?.response != null) usage = parseResponsesUsage(event.response) ?? usage;
    failed = isBroken(event);
    if (event === undefined || failed) return NOTHING;
    created ||= event.type === 'response.created';
    if (event.type === 'response.output_item.added') openItems += 1;
    if (event.type === 'response.output_item.done') openItems -= 1;
    complete = event.type === 'response.completed' || event.type === 'response.incomplete';
    if (complete) stopReason = endOfResponse(event.response);
    begun ||= !OPENING.has(event.type);
    if (typeof event.delta === 'string') said.add(event.delta);
    nextNumber = typeof event.number === 'number' ? event.number + 1 : nextNumber + 1;
    return raw;
  }

  return {
    push: (bytes) => joined(parser.push(bytes).map(relay)),
    hasBegun: () => begun,
    hasFailed: () => failed,
    isComplete: () => complete,
    usage: () => usage,
    estimatedOutputTokens: said.tokens,
    stopReason: () => stopReason,
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
