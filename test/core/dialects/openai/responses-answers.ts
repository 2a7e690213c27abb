import * as fc from 'fast-check';
import type { AnswerEvent } from '../../../../core/dialects/answer.ts';
import { parseResponsesRequest } from '../../../../core/dialects/openai/responses-request.ts';

export const CONTEXT = {
  requestId: 'req_0123456789abcdefghijkl',
  model: 'smart',
  createdAtSeconds: 1_790_000_000,
};

export function asked(fields: Readonly<Record<string, unknown>> = {}) {
  return parseResponsesRequest(
    Buffer.from(JSON.stringify({ model: 'smart', input: 'Hello', ...fields })),
  ).body;
}

const word = fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' });

const said: fc.Arbitrary<AnswerEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('text' as const), text: word }) },
  fc.record({ kind: fc.constant('refusal' as const), text: word }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('thinking' as const), text: word }) },
  fc.record({ kind: fc.constant('thinking-signature' as const), signature: word }),
  fc.record({ kind: fc.constant('redacted-thinking' as const), data: word }),
);

/** Pieces of a call's arguments that are JSON together. */
const call = fc
  .tuple(word, fc.jsonValue({ maxDepth: 1 }), fc.integer({ min: 1, max: 5 }))
  .map(([name, value, size]) => {
    const json = JSON.stringify({ value });
    const pieces: string[] = [];
    for (let at = 0; at < json.length; at += size) pieces.push(json.slice(at, at + size));
    return { name, pieces };
  });

const reason = fc.constantFrom(
  ...(['end', 'max-tokens', 'stop-sequence', 'tool-calls', 'refusal', 'content-filter'] as const),
);

/** Whole answers: anything said in any order, tool calls whose arguments take turns, a stop, usage, the end. */
export const answers: fc.Arbitrary<AnswerEvent[]> = fc
  .tuple(fc.array(said, { maxLength: 12 }), fc.array(call, { maxLength: 3 }), reason, fc.boolean())
  .map(([before, calls, stop, hasUsage]) => {
    const turns = Math.max(0, ...calls.map(({ pieces }) => pieces.length));
    const args = Array.from({ length: turns }, (_, turn) =>
      calls.flatMap(({ pieces }, index): AnswerEvent[] =>
        pieces[turn] === undefined ? [] : [{ kind: 'tool-arguments', index, json: pieces[turn] }],
      ),
    ).flat();
    const usage = {
      inputTokens: 5,
      cachedInputTokens: 2,
      cacheWrite5mTokens: 3,
      outputTokens: 7,
      reasoningTokens: undefined,
    };
    return [
      { kind: 'begin', id: undefined },
      ...before,
      ...calls.map(
        ({ name }, index): AnswerEvent => ({ kind: 'tool-call', index, id: `call_${index}`, name }),
      ),
      ...args,
      { kind: 'stop', reason: stop },
      ...(hasUsage ? [{ kind: 'usage' as const, usage }] : []),
      { kind: 'end' },
    ];
  });

export function joined(
  events: readonly AnswerEvent[],
  kind: 'text' | 'refusal' | 'thinking',
): string {
  return events.map((event) => (event.kind === kind ? event.text : '')).join('');
}

export function argumentsOf(events: readonly AnswerEvent[], index: number): string {
  return events
    .map((event) => (event.kind === 'tool-arguments' && event.index === index ? event.json : ''))
    .join('');
}
