import { describe, expect, it } from 'vitest';
import { bedrockConverse } from '../../../../core/dialects/bedrock/converse.ts';
import { readAnswer } from './wire.ts';

const { decodeWhole } = bedrockConverse;
const whole = (answer: unknown) => decodeWhole(Buffer.from(JSON.stringify(answer)));
const message = (...content: unknown[]) => ({
  output: { message: { role: 'assistant', content } },
});

describe('a whole answer of Converse', () => {
  it('becomes the events that its stream would', () => {
    expect(decodeWhole(readAnswer('thinking-and-tools'))).toMatchObject([
      { kind: 'begin' },
      { kind: 'thinking', text: 'Two places to look up.' },
      { kind: 'thinking-signature', signature: 'c2lnbmF0dXJl' },
      { kind: 'redacted-thinking', data: 'cmVkYWN0ZWQ=' },
      { kind: 'text', text: 'I look.' },
      { kind: 'tool-call', index: 0, name: 'weather' },
      { kind: 'tool-arguments', index: 0, json: '{"city":"München"}' },
      { kind: 'tool-call', index: 1, name: 'now' },
      { kind: 'tool-arguments', index: 1, json: '{}' },
      { kind: 'stop', reason: 'tool-calls' },
      { kind: 'usage', usage: { inputTokens: 431, outputTokens: 118 } },
      { kind: 'end' },
    ]);
  });

  it('without usage has none, and says which stop sequence it met', () => {
    const additionalModelResponseFields = { delta: { stop_sequence: 'END' } };
    const answer = { ...message({ text: 'a' }), stopReason: 'stop_sequence' };
    expect(whole({ ...answer, additionalModelResponseFields })).toEqual([
      { kind: 'begin', id: undefined },
      { kind: 'text', text: 'a' },
      { kind: 'stop', reason: 'stop-sequence', word: 'stop_sequence', stopSequence: 'END' },
      { kind: 'end' },
    ]);
  });

  it.each([
    ['a page', '<html>'],
    ['an error', { message: 'nope' }],
    ['no content', { output: { message: {} }, stopReason: 'end_turn' }],
    [
      'a call without a name',
      { ...message({ toolUse: { toolUseId: 'a' } }), stopReason: 'end_turn' },
    ],
    ['no reason to stop', message({ text: 'a' })],
    [
      'a text that was broken off',
      { ...message({ text: 'a' }), stopReason: 'malformed_model_output' },
    ],
  ])('that is %s is refused', (_, answer) => {
    expect(() => whole(answer)).toThrow('upstream_error');
  });
});
