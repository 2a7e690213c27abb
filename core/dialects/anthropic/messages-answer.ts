/** A whole Anthropic message: its usage and its text, or its events for another dialect. */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import type { TokenUsage } from '../../usage/tokens.ts';
import type { AnswerEvent } from '../answer.ts';
import type { WholeAnswer } from '../call.ts';
import { heard } from '../heard.ts';
import { stopEvents, textEvents, textOf, thinkingEvents, wholeInput } from './decoder.ts';
import { isObject, type JsonObject } from './stream-watch.ts';
import { parseAnthropicUsage } from './usage.ts';

const messageSchema = z.looseObject({
  type: z.literal('message'),
  id: z.optional(z.nullable(z.string())),
  content: z.array(z.unknown()),
  stop_reason: z.string(),
  stop_sequence: z.optional(z.nullable(z.string())),
  usage: z.optional(z.unknown()),
});

/** Throws GatewayError `upstream_error` when the bytes are no message that has ended. */
export function readMessage(body: Buffer): Omit<WholeAnswer, 'body'> {
  return heard(decodeMessage(body, { isOurs: true }));
}

const countSchema = z.looseObject({ input_tokens: z.int().check(z.nonnegative()) });

/** Throws GatewayError `upstream_error` when the bytes are no count. A count uses nothing. */
export function readCount(body: Buffer): Omit<WholeAnswer, 'body'> {
  if (!countSchema.safeParse(parseJson(body)).success) throw notAMessage('not a count');
  return { usage: NO_USAGE, estimatedOutputTokens: 0, stopReason: undefined };
}

const NO_USAGE: TokenUsage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: undefined,
};

/** Throws GatewayError `upstream_error` when the bytes are no message, or one that only its own dialect can tell. */
export function decodeMessage(body: Buffer, { isOurs = false } = {}): readonly AnswerEvent[] {
  const parsed = messageSchema.safeParse(parseJson(body));
  if (!parsed.success) throw notAMessage('not a message');
  const { id, content, stop_reason, stop_sequence, usage: rawUsage } = parsed.data;
  const usage = parseAnthropicUsage(rawUsage);
  let tools = 0;
  const blocks = content.flatMap((block): AnswerEvent[] => {
    const events = isObject(block) ? eventsOf(block, tools) : undefined;
    if (events === undefined && !isOurs) throw notAMessage('a block of an unknown type');
    if (events?.[0]?.kind === 'tool-call') tools += 1;
    return events ?? [];
  });
  return [
    { kind: 'begin', id: id ?? undefined },
    ...blocks,
    ...stopEvents(stop_reason, stop_sequence ?? undefined),
    ...(usage === undefined ? [] : [{ kind: 'usage', usage } satisfies AnswerEvent]),
    { kind: 'end' },
  ];
}

function eventsOf(block: JsonObject, index: number): AnswerEvent[] | undefined {
  switch (block['type']) {
    case 'text':
      return textEvents(block['text']);
    case 'thinking':
      return thinkingEvents(block);
    case 'redacted_thinking':
      return [{ kind: 'redacted-thinking', data: textOf(block['data']) }];
    case 'tool_use':
      return [
        { kind: 'tool-call', index, id: textOf(block['id']), name: textOf(block['name']) },
        ...wholeInput(index, block['input']),
      ];
    default:
      return undefined;
  }
}

function notAMessage(cause: string): GatewayError {
  return new GatewayError(
    'upstream_error',
    'The provider answered with something that is no answer to this request.',
    { cause },
  );
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
