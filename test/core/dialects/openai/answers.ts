import * as fc from 'fast-check';
import type { AnswerEvent, StopReason } from '../../../../core/dialects/answer.ts';
import type { AnswerContext } from '../../../../core/dialects/call.ts';

export const CONTEXT: AnswerContext = {
  requestId: 'req_1',
  model: 'my "alias"',
  createdAtSeconds: 1_790_000_000,
};

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const count = fc.nat(1_000_000);

const usage: fc.Arbitrary<AnswerEvent> = fc
  .record({
    inputTokens: count,
    cachedInputTokens: count,
    outputTokens: count,
    reasoningTokens: fc.option(count, { nil: undefined }),
  })
  .map((tokens) => ({
    kind: 'usage',
    usage: {
      ...tokens,
      reasoningTokens:
        tokens.reasoningTokens === undefined
          ? undefined
          : Math.min(tokens.reasoningTokens, tokens.outputTokens),
    },
  }));

const said: fc.Arbitrary<AnswerEvent> = fc.oneof(
  words.map((text): AnswerEvent => ({ kind: 'text', text })),
  words.map((text): AnswerEvent => ({ kind: 'thinking', text })),
);

/** Calls in their order, the pieces of their arguments taking turns. */
const calls = fc
  .array(
    fc.record({
      name: fc.stringMatching(/^[a-z_]{1,10}$/),
      pieces: fc.array(words, { minLength: 1, maxLength: 4 }),
    }),
    { maxLength: 3 },
  )
  .map((all): AnswerEvent[] => [
    ...all.map(
      ({ name }, index): AnswerEvent => ({ kind: 'tool-call', index, id: `call_${index}`, name }),
    ),
    ...[0, 1, 2, 3].flatMap((round) =>
      all.flatMap(({ pieces }, index): AnswerEvent[] => {
        const json = pieces[round];
        return json === undefined ? [] : [{ kind: 'tool-arguments', index, json }];
      }),
    ),
  ]);

const ends = fc.constantFrom<StopReason>('end', 'max-tokens', 'content-filter');

/** Answers that chat completions can express whole. */
export const answers: fc.Arbitrary<readonly AnswerEvent[]> = fc
  .record({
    id: fc.stringMatching(/^msg_[a-z]{3}$/),
    says: fc.array(said, { maxLength: 6 }),
    calls,
    ends,
    usage: fc.option(usage),
  })
  .map(({ id, says, calls: called, ends: reason, usage: used }): readonly AnswerEvent[] => [
    { kind: 'begin', id },
    ...says,
    ...called,
    { kind: 'stop', reason: called.length > 0 && reason === 'end' ? 'tool-calls' : reason },
    ...(used === null ? [] : [used]),
    { kind: 'end' },
  ]);

/** Answers of other dialects: with what chat completions cannot say, and in orders that they never have. */
export const foreignAnswers: fc.Arbitrary<readonly AnswerEvent[]> = fc
  .record({
    answer: answers,
    early: usage,
    extra: fc.subarray(['signature', 'redacted', 'refusal', 'silent call'] as const),
    reason: fc.option(
      fc.constantFrom<StopReason>('refusal', 'pause', 'context-exceeded', 'stop-sequence'),
    ),
  })
  .map(({ answer: [begin, ...rest], early, extra, reason }) => [
    ...(begin === undefined ? [] : [begin]),
    early,
    ...rest.flatMap((event): AnswerEvent[] => {
      if (event.kind !== 'stop') return [event];
      const count = callsOf(rest).length;
      return [
        ...extra.map((what) => EXTRAS[what](count)),
        { kind: 'stop', reason: reason ?? event.reason },
      ];
    }),
  ]);

const EXTRAS: Readonly<
  Record<'signature' | 'redacted' | 'refusal' | 'silent call', (calls: number) => AnswerEvent>
> = {
  signature: () => ({ kind: 'thinking-signature', signature: 's' }),
  redacted: () => ({ kind: 'redacted-thinking', data: 'd' }),
  refusal: () => ({ kind: 'refusal', text: 'No.' }),
  'silent call': (index) => ({ kind: 'tool-call', index, id: 'call_none', name: 'no_arguments' }),
};

export function textOf(
  events: readonly AnswerEvent[],
  kind: 'text' | 'thinking' | 'refusal',
): string {
  return events.map((event) => (event.kind === kind ? event.text : '')).join('');
}

/** Calls with their whole arguments. */
export function callsOf(events: readonly AnswerEvent[]) {
  return events.flatMap((event) => {
    if (event.kind !== 'tool-call') return [];
    const pieces = events.map((other) =>
      other.kind === 'tool-arguments' && other.index === event.index ? other.json : '',
    );
    return [{ id: event.id, name: event.name, arguments: pieces.join('') }];
  });
}

/** Usage by its classes alone: who read it keeps the provider's own words beside them. */
export function comparable(events: readonly AnswerEvent[]): unknown[] {
  return events.map((event) => {
    if (event.kind === 'stop') return { kind: event.kind, reason: event.reason };
    if (event.kind !== 'usage') return event;
    const { inputTokens, cachedInputTokens, outputTokens, reasoningTokens } = event.usage;
    return { kind: 'usage', inputTokens, cachedInputTokens, outputTokens, reasoningTokens };
  });
}
