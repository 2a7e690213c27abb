import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../core/dialects/answer.ts';
import { bedrockConverse } from '../../../../core/dialects/bedrock/converse.ts';
import { frame, readStream, toBytes, type WireMessage } from './wire.ts';

const THOUGHT_AND_CALLS: readonly AnswerEvent[] = [
  { kind: 'begin', id: undefined },
  { kind: 'thinking', text: 'Two places' },
  { kind: 'thinking', text: ' to look up.' },
  { kind: 'thinking-signature', signature: 'c2lnbmF0dXJl' },
  { kind: 'redacted-thinking', data: 'cmVkYWN0ZWQ=' },
  { kind: 'text', text: 'I look.' },
  { kind: 'tool-call', index: 0, id: 'tooluse_bpe71yCfRu2b5i-nKGDr5g', name: 'weather' },
  { kind: 'tool-arguments', index: 0, json: '{"city": "Mü' },
  { kind: 'tool-arguments', index: 0, json: 'nchen"}' },
  { kind: 'tool-call', index: 1, id: 'tooluse_qZ2mN0c8TfC1n2o3p4q5rA', name: 'now' },
  { kind: 'tool-arguments', index: 1, json: '{}' },
  { kind: 'stop', reason: 'tool-calls', word: 'tool_use' },
];

function decoded(bytes: Buffer, cuts: readonly number[] = []): AnswerEvent[] {
  const decoder = bedrockConverse.decoder();
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return edges
    .slice(1)
    .flatMap((edge, index) => [...decoder.push(bytes.subarray(edges[index], edge))]);
}

const start: WireMessage = { type: 'messageStart', payload: { role: 'assistant' } };
const stop: WireMessage = { type: 'messageStop', payload: { stopReason: 'end_turn' } };
const usage = { inputTokens: 1, outputTokens: 2 };
const metadata: WireMessage = { type: 'metadata', payload: { usage } };
const delta = (said: unknown): WireMessage => ({
  type: 'contentBlockDelta',
  payload: { contentBlockIndex: 0, delta: said },
});

describe('a stream of Converse', () => {
  it('becomes thinking, text and parallel tool calls, a call without arguments included', () => {
    const events = decoded(toBytes(readStream('thinking-and-tools')));
    expect(events.slice(0, -2)).toEqual(THOUGHT_AND_CALLS);
    expect(events.at(-2)).toMatchObject({
      kind: 'usage',
      usage: { inputTokens: 431, cachedInputTokens: 0, outputTokens: 118 },
    });
    expect(events.at(-1)).toEqual({ kind: 'end' });
  });

  it('ends with the usage that comes after the stop, and names the stop sequence', () => {
    const events = decoded(toBytes(readStream('text')));
    expect(events.slice(-3)).toMatchObject([
      { kind: 'stop', reason: 'stop-sequence', stopSequence: 'END' },
      { kind: 'usage', usage: { cachedInputTokens: 2000, outputTokens: 9 } },
      { kind: 'end' },
    ]);
  });

  it.each(['text', 'thinking-and-tools', 'throttled'])(
    'is the same at every single split of its bytes: %s',
    (name) => {
      const bytes = toBytes(readStream(name));
      const whole = decoded(bytes);
      for (let cut = 1; cut < bytes.length; cut += 1) expect(decoded(bytes, [cut])).toEqual(whole);
    },
  );

  it('is the same however its bytes are cut', () => {
    const bytes = toBytes(readStream('thinking-and-tools'));
    const whole = decoded(bytes);
    const cuts = fc.array(fc.nat(bytes.length), { maxLength: 60 });
    fc.assert(
      fc.property(cuts, (at) => {
        expect(decoded(bytes, at)).toEqual(whole);
      }),
      { numRuns: 1_000 },
    );
  });

  it('that an exception ends does not look finished, and its words stay out of the cause', () => {
    const events = decoded(toBytes(readStream('throttled')));
    expect(events.at(-1)).toEqual({ kind: 'error', cause: 'in the stream: throttlingException' });
    expect(events.map(({ kind }) => kind)).toEqual(['begin', 'text', 'error']);
  });

  it.each([
    ['an error of the framing', [frame({ ':message-type': 'error', ':error-code': 'Boom' }, '')]],
    ['a payload that is no JSON', [frame({ ':message-type': 'event', ':event-type': 'x' }, '{')]],
    ['no event stream at all', [Buffer.from('<html>not what was asked for</html>')]],
    ['content before the beginning', [toBytes([delta({ text: 'hi' })])]],
    ['a second beginning', [toBytes([start, delta({ text: 'hi' }), start])]],
    ['content after the stop', [toBytes([start, stop, delta({ text: 'hi' })])]],
    ['usage without a stop', [toBytes([start, metadata])]],
    ['arguments of no call', [toBytes([start, delta({ toolUse: { input: '{}' } })])]],
    ['a delta of nothing', [toBytes([start, { type: 'contentBlockDelta', payload: {} }])]],
    [
      'a call without a name',
      [
        toBytes([
          start,
          { type: 'contentBlockStart', payload: { start: { toolUse: { toolUseId: 'a' } } } },
        ]),
      ],
    ],
  ])('with %s is an error', (_, parts) => {
    expect(decoded(Buffer.concat(parts)).at(-1)).toMatchObject({ kind: 'error' });
  });

  it('with a damaged byte is an error, wherever it is', () => {
    const bytes = toBytes([start, delta({ text: 'hello' }), stop, metadata]);
    for (let at = 0; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0x40;
      expect(decoded(damaged).at(-1)).not.toEqual({ kind: 'end' });
    }
  });

  it('that the model broke off tells its usage and then fails', () => {
    const broken: WireMessage = {
      type: 'messageStop',
      payload: { stopReason: 'malformed_tool_use' },
    };
    expect(decoded(toBytes([start, broken, metadata]))).toMatchObject([
      { kind: 'begin' },
      { kind: 'usage', usage },
      { kind: 'error' },
    ]);
  });

  it.each([
    ['end_turn', 'end'],
    ['tool_use', 'tool-calls'],
    ['max_tokens', 'max-tokens'],
    ['stop_sequence', 'stop-sequence'],
    ['guardrail_intervened', 'content-filter'],
    ['content_filtered', 'content-filter'],
    ['model_context_window_exceeded', 'context-exceeded'],
  ])('that stops with %s tells %s', (stopReason, reason) => {
    const ended: WireMessage = { type: 'messageStop', payload: { stopReason } };
    expect(decoded(toBytes([start, ended]))[1]).toEqual({
      kind: 'stop',
      reason,
      word: stopReason,
    });
  });

  it('ignores events that are not known yet, and usage that is none is unknown', () => {
    const unknown: WireMessage = { type: 'novelty', payload: { a: 1 } };
    const junk: WireMessage = { type: 'metadata', payload: { usage: { inputTokens: -1 } } };
    expect(decoded(toBytes([start, unknown, stop, junk])).map(({ kind }) => kind)).toEqual([
      'begin',
      'stop',
      'end',
    ]);
  });
});
