import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../core/dialects/answer.ts';
import { renderChatCompletion } from '../../../../core/dialects/openai/chat-completion.ts';
import {
  createChatDecoder,
  decodeChatAnswer,
} from '../../../../core/dialects/openai/chat-decoder.ts';
import { createChatEncoder } from '../../../../core/dialects/openai/chat-encoder.ts';
import { answers, CONTEXT, callsOf, comparable, textOf } from './answers.ts';

const STYLE = { wantsUsage: true, legacy: false };

function fixture(name: string): Buffer {
  return readFileSync(new URL(`../../../fixtures/openai/${name}.sse`, import.meta.url));
}

function decode(bytes: Buffer, cuts: readonly number[] = []): AnswerEvent[] {
  const decoder = createChatDecoder();
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return edges
    .slice(1)
    .flatMap((edge, index) => [...decoder.push(bytes.subarray(edges[index], edge))]);
}

function wire(...data: (object | string)[]): Buffer {
  const texts = data.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
  return Buffer.from(texts.map((text) => `data: ${text}\n\n`).join(''));
}

function chunk(delta: object, finish: string | null = null) {
  return { id: 'c1', choices: [{ index: 0, delta, finish_reason: finish }] };
}

const TIERED = { service_tier: 'flex', usage: { prompt_tokens: 5, completion_tokens: 2 } };

const kinds = (events: readonly AnswerEvent[]) => events.map(({ kind }) => kind);

describe('the tier that served a call', () => {
  const expected = { kind: 'usage', usage: { inputTokens: 5, serviceTier: 'flex' } };

  it('is told with the usage of a stream', () => {
    const events = decode(wire(chunk({ content: 'a' }, 'stop'), { choices: [], ...TIERED }));
    expect(events.find(({ kind }) => kind === 'usage')).toMatchObject(expected);
  });

  it('is told with the usage of a whole answer', () => {
    const choices = [{ message: { content: 'a' }, finish_reason: 'stop' }];
    const events = decodeChatAnswer(Buffer.from(JSON.stringify({ id: 'c1', choices, ...TIERED })));
    expect(events.find(({ kind }) => kind === 'usage')).toMatchObject(expected);
  });
});

describe('the stream of', () => {
  it('OpenAI with parallel tools brings each call once, and its arguments in pieces', () => {
    const events = decode(fixture('openai-parallel-tools'));
    expect(kinds(events)).toEqual([
      'begin',
      'tool-call',
      'tool-arguments',
      'tool-arguments',
      'tool-call',
      'tool-arguments',
      'stop',
      'usage',
      'end',
    ]);
    expect(callsOf(events)).toEqual([
      { id: 'call_a', name: 'get_weather', arguments: '{"city":"Zürich"}' },
      { id: 'call_b', name: 'get_time', arguments: '{}' },
    ]);
    expect(events.at(-2)).toMatchObject({
      usage: { inputTokens: 26, cachedInputTokens: 64, outputTokens: 40, reasoningTokens: 12 },
    });
  });

  it('Azure begins with its first choice, not with the verdict on the prompt', () => {
    expect(decode(fixture('azure-filter'))).toMatchObject([
      { kind: 'begin', id: 'chatcmpl-C1' },
      { kind: 'text', text: 'A story' },
      { kind: 'stop', reason: 'content-filter' },
      { kind: 'usage', usage: { inputTokens: 20, outputTokens: 9 } },
      { kind: 'end' },
    ]);
  });

  it('vLLM thinks before it speaks', () => {
    const events = decode(fixture('vllm-reasoning'));
    expect(textOf(events, 'thinking')).toBe('Let me think.');
    expect(textOf(events, 'text')).toBe('42');
    expect(events.at(-1)).toEqual({ kind: 'end' });
  });

  it('vLLM whose engine died is an error, although [DONE] follows', () => {
    expect(kinds(decode(fixture('vllm-engine-error')))).toEqual(['begin', 'error']);
    expect(JSON.stringify(decode(fixture('vllm-engine-error')))).not.toContain('EngineCore');
  });

  it.each(['openai-parallel-tools', 'azure-filter', 'vllm-reasoning', 'vllm-engine-error'])(
    '%s is the same at every cut',
    (name) => {
      const bytes = fixture(name);
      const whole = JSON.stringify(decode(bytes));
      for (let at = 0; at <= bytes.length; at += 1)
        expect(JSON.stringify(decode(bytes, [at]))).toBe(whole);
    },
  );
});

describe('a stream that is not lawful', () => {
  it.each<[string, (object | string)[]]>([
    ['ends before a finish reason', [chunk({ content: 'Hi' }), '[DONE]']],
    ['is empty', ['[DONE]']],
    ['brings HTML', ['<html>']],
    ['brings a list', ['[1]']],
    ['brings choices that are none', [{ choices: {} }]],
    ['brings a delta that is none', [{ choices: [{ delta: 'x' }] }]],
    ['brings content that is no text', [chunk({ content: [{ type: 'text', text: 'x' }] })]],
    [
      'brings a call without a name',
      [chunk({ tool_calls: [{ index: 0, id: 'a', function: {} }] })],
    ],
    [
      'brings arguments of no call',
      [chunk({ tool_calls: [{ index: 1, function: { arguments: 'x' } }] })],
    ],
    ['was aborted', [chunk({ content: 'x' }), chunk({}, 'abort'), '[DONE]']],
    ['says its error without an envelope', [{ object: 'error', message: 'secret' }, '[DONE]']],
    ['fails behind content', [chunk({ content: 'x' }), { error: { message: 'secret' } }, '[DONE]']],
  ])('is an error when it %s', (_what, data) => {
    const events = decode(wire(...data));
    expect(events.at(-1)?.kind).toBe('error');
    expect(kinds(events)).not.toContain('end');
    expect(JSON.stringify(events)).not.toContain('secret');
  });

  it('has no end when [DONE] is missing', () => {
    expect(kinds(decode(wire(chunk({ content: 'x' }, 'stop'))))).toEqual(['begin', 'text', 'stop']);
  });

  it('with two finish reasons ends for the first', () => {
    const events = decode(wire(chunk({ content: 'x' }, 'length'), chunk({}, 'stop'), '[DONE]'));
    expect(events.filter(({ kind }) => kind === 'stop')).toEqual([
      { kind: 'stop', reason: 'max-tokens', word: 'length' },
    ]);
  });

  it('says nothing behind [DONE]', () => {
    const events = decode(wire(chunk({}, 'stop'), '[DONE]', chunk({ content: 'more' }), '[DONE]'));
    expect(kinds(events)).toEqual(['begin', 'stop', 'end']);
  });
});

describe('compatible servers', () => {
  const called = (fields: object) => chunk({ tool_calls: [fields] });

  it.each<[string, object[]]>([
    [
      'give every call the same index',
      [
        called({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":1}' } }),
        called({ index: 0, id: 'b', function: { name: 'g', arguments: '{}' } }),
      ],
    ],
    [
      'give no index',
      [
        called({ id: 'a', function: { name: 'f', arguments: '{"x"' } }),
        called({ function: { arguments: ':1}' } }),
        called({ id: 'b', function: { name: 'g', arguments: '{}' } }),
      ],
    ],
    [
      'repeat id and name with every piece',
      [
        called({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x"' } }),
        called({ index: 0, id: 'a', function: { name: 'f', arguments: ':1}' } }),
        called({ index: 1, id: 'b', function: { name: 'g', arguments: '{}' } }),
      ],
    ],
    [
      'count from elsewhere',
      [
        called({ index: 3, id: 'a', function: { name: 'f', arguments: '{"x":1}' } }),
        called({ index: 7, id: 'b', function: { name: 'g', arguments: '{}' } }),
      ],
    ],
  ])('that %s are understood', (_what, chunks) => {
    const events = decode(wire(...chunks, chunk({}, 'stop'), '[DONE]'));
    expect(callsOf(events)).toEqual([
      { id: 'a', name: 'f', arguments: '{"x":1}' },
      { id: 'b', name: 'g', arguments: '{}' },
    ]);
    expect(events).toContainEqual(expect.objectContaining({ kind: 'stop', reason: 'tool-calls' }));
    expect(events.flatMap((event) => (event.kind === 'tool-call' ? [event.index] : []))).toEqual([
      0, 1,
    ]);
  });

  it('that give calls no ids get ids that no other answer has', () => {
    const events = decode(wire(called({ index: 0, function: { name: 'f', arguments: '{}' } })));
    expect(events).toContainEqual({ kind: 'tool-call', index: 0, id: 'call_c1_0', name: 'f' });
  });

  it('that speak of functions are understood', () => {
    const events = decode(
      wire(
        chunk({ function_call: { name: 'f', arguments: '' } }),
        chunk({ function_call: { arguments: '{}' } }),
        chunk({}, 'function_call'),
        '[DONE]',
      ),
    );
    expect(callsOf(events)).toMatchObject([{ name: 'f', arguments: '{}' }]);
    expect(events.at(-2)).toEqual({
      kind: 'stop',
      reason: 'tool-calls',
      word: 'function_call',
    });
  });

  it('that refuse in words end with a refusal', () => {
    const events = decode(wire(chunk({ refusal: 'No.' }), chunk({}, 'stop'), '[DONE]'));
    expect(events.slice(1)).toEqual([
      { kind: 'refusal', text: 'No.' },
      { kind: 'stop', reason: 'refusal', word: 'stop' },
      { kind: 'end' },
    ]);
  });
});

describe('a whole answer', () => {
  it('is the same events as its stream', () => {
    fc.assert(
      fc.property(answers, (events) => {
        const whole = decodeChatAnswer(Buffer.from(renderChatCompletion(events, CONTEXT, STYLE)));
        expect(sameness(whole)).toEqual(sameness(events));
      }),
    );
  });

  it.each([
    '',
    '<html>',
    '[]',
    '{}',
    '{"choices":[]}',
    '{"choices":[{"message":{"content":"x"}}]}',
    '{"choices":[{"message":{"content":3},"finish_reason":"stop"}]}',
    '{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}',
  ])('that says %s is refused', (body) => {
    expect(() => decodeChatAnswer(Buffer.from(body))).toThrow(/not a chat completion/);
  });
});

describe('an answer that went out as a chat stream', () => {
  it('comes back as it was, however its bytes are cut', () => {
    const cuts = fc.array(fc.nat(5_000), { maxLength: 30 });
    fc.assert(
      fc.property(answers, cuts, (events, at) => {
        const encoder = createChatEncoder(CONTEXT, STYLE);
        const bytes = Buffer.from(events.map(encoder.encode).join(''));
        const back = decode(
          bytes,
          at.map((position) => position % bytes.length),
        );
        expect(comparable(back)).toEqual(comparable(events));
      }),
      { numRuns: 300 },
    );
  });
});

/** What a whole answer can say: it has no order among text, thinking and calls. */
function sameness(events: readonly AnswerEvent[]) {
  return {
    text: textOf(events, 'text'),
    thinking: textOf(events, 'thinking'),
    calls: callsOf(events),
    rest: comparable(events.filter(({ kind }) => ['begin', 'stop', 'usage', 'end'].includes(kind))),
  };
}
