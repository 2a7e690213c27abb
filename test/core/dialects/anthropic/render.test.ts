import { createAnthropic } from '@ai-sdk/anthropic';
import { streamText } from 'ai';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { AnswerEvent } from '../../../../core/dialects/answer.ts';
import { createMessagesDecoder } from '../../../../core/dialects/anthropic/decoder.ts';
import { decodeMessage } from '../../../../core/dialects/anthropic/messages-answer.ts';
import {
  createMessagesEncoder,
  renderMessage,
} from '../../../../core/dialects/anthropic/render.ts';
import { accumulated } from './sse-text.ts';

const CONTEXT = {
  requestId: 'req_abc',
  model: 'my-alias',
  createdAtSeconds: 0,
  estimatedInputTokens: () => 7,
};
const USAGE = {
  inputTokens: 40,
  cachedInputTokens: 5,
  cacheWrite5mTokens: 2,
  cacheWrite1hTokens: 1,
  outputTokens: 9,
  reasoningTokens: 3,
};

function encoded(events: readonly AnswerEvent[]): string {
  const encoder = createMessagesEncoder(CONTEXT);
  return events.map((event) => encoder.encode(event)).join('');
}

function dataOf(text: string): { type: string; index?: number; [field: string]: unknown }[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => JSON.parse(block.slice(block.indexOf('data: ') + 6)));
}

const BEGIN: AnswerEvent = { kind: 'begin', id: 'chatcmpl-1' };
const END: AnswerEvent = { kind: 'end' };

describe('an encoded stream', () => {
  it('tells text, thinking, tools and usage as Anthropic does', () => {
    const text = encoded([
      BEGIN,
      { kind: 'thinking', text: 'Hm.' },
      { kind: 'thinking-signature', signature: 'sig' },
      { kind: 'text', text: 'Let me' },
      { kind: 'text', text: ' look.' },
      { kind: 'tool-call', index: 0, id: 'call_1', name: 'look' },
      { kind: 'tool-arguments', index: 0, json: '{"at":"sky"}' },
      { kind: 'stop', reason: 'tool-calls' },
      { kind: 'usage', usage: USAGE },
      END,
    ]);
    const types = dataOf(text).map(({ type, index }) =>
      index === undefined ? type : `${type} ${index}`,
    );
    expect(types).toEqual([
      'message_start',
      'content_block_start 0',
      'content_block_delta 0',
      'content_block_delta 0',
      'content_block_stop 0',
      'content_block_start 1',
      'content_block_delta 1',
      'content_block_delta 1',
      'content_block_stop 1',
      'content_block_start 2',
      'content_block_delta 2',
      'content_block_stop 2',
      'message_delta',
      'message_stop',
    ]);
  });

  it('starts with an estimate of the input and ends with the provider’s numbers', async () => {
    const events: AnswerEvent[] = [
      BEGIN,
      { kind: 'text', text: 'Hi' },
      { kind: 'stop', reason: 'end' },
      { kind: 'usage', usage: USAGE },
      END,
    ];
    const [start] = dataOf(encoded(events));
    expect(start).toMatchObject({
      message: { id: 'msg_abc', model: 'my-alias', usage: { input_tokens: 7, output_tokens: 1 } },
    });
    expect((await accumulated(encoded(events))).usage).toMatchObject({
      input_tokens: 40,
      output_tokens: 9,
      cache_read_input_tokens: 5,
      cache_creation_input_tokens: 3,
    });
  });

  it('starts with the provider’s numbers where they come first', () => {
    const [start] = dataOf(
      encoded([BEGIN, { kind: 'usage', usage: USAGE }, { kind: 'text', text: 'Hi' }]),
    );
    expect(start).toMatchObject({
      message: { usage: { input_tokens: 40, cache_read_input_tokens: 5 } },
    });
  });

  it('counts by itself where the provider reports nothing', async () => {
    const message = await accumulated(
      encoded([BEGIN, { kind: 'text', text: 'Hello there' }, { kind: 'stop', reason: 'end' }, END]),
    );
    expect(message.usage.input_tokens).toBe(7);
    expect(message.usage.output_tokens).toBeGreaterThan(1);
  });

  it('streams tools that take turns one after the other, and holds back only what is out of turn', async () => {
    const encoder = createMessagesEncoder(CONTEXT);
    const pieces = (
      [
        BEGIN,
        { kind: 'tool-call', index: 0, id: 'a', name: 'one' },
        { kind: 'tool-call', index: 1, id: 'b', name: 'two' },
        { kind: 'tool-arguments', index: 1, json: '{"y":' },
        { kind: 'tool-arguments', index: 0, json: '{"x":"\\"}' },
        { kind: 'tool-arguments', index: 0, json: '"}' },
        { kind: 'tool-arguments', index: 1, json: '2}' },
        { kind: 'stop', reason: 'tool-calls' },
        END,
      ] satisfies AnswerEvent[]
    ).map((event) => encoder.encode(event));
    expect(pieces[3]).toBe('');
    expect(pieces[5]).toContain('"content_block_stop","index":0');
    expect(pieces[5]).toContain('{\\"y\\":');
    const { content, stop_reason } = await accumulated(pieces.join(''));
    expect(content).toMatchObject([
      { type: 'tool_use', id: 'a', input: { x: '"}' } },
      { type: 'tool_use', id: 'b', input: { y: 2 } },
    ]);
    expect(stop_reason).toBe('tool_use');
  });

  it.each([
    ['end', 'end_turn'],
    ['max-tokens', 'max_tokens'],
    ['tool-calls', 'tool_use'],
    ['refusal', 'refusal'],
    ['content-filter', 'refusal'],
    ['pause', 'pause_turn'],
    ['context-exceeded', 'model_context_window_exceeded'],
  ] as const)('says of a stop by %s: %s', async (reason, expected) => {
    const events: AnswerEvent[] = [
      BEGIN,
      { kind: 'text', text: 'x' },
      { kind: 'stop', reason },
      END,
    ];
    expect((await accumulated(encoded(events))).stop_reason).toBe(expected);
    expect(JSON.parse(renderMessage(events, CONTEXT)).stop_reason).toBe(expected);
  });

  it('names the stop sequence, and takes a refusal for one', async () => {
    const stopped = await accumulated(
      encoded([BEGIN, { kind: 'stop', reason: 'stop-sequence', stopSequence: '###' }, END]),
    );
    expect(stopped).toMatchObject({
      stop_reason: 'stop_sequence',
      stop_sequence: '###',
      content: [],
    });
    const refused = await accumulated(
      encoded([BEGIN, { kind: 'refusal', text: 'No.' }, { kind: 'stop', reason: 'end' }, END]),
    );
    expect(refused).toMatchObject({ stop_reason: 'refusal', content: [{ text: 'No.' }] });
  });

  it('says that tools are to be run where the provider only says that it stopped', async () => {
    const events: AnswerEvent[] = [
      BEGIN,
      { kind: 'tool-call', index: 0, id: 'a', name: 'one' },
      { kind: 'stop', reason: 'end' },
      END,
    ];
    const message = await accumulated(encoded(events));
    expect(message).toMatchObject({ stop_reason: 'tool_use', content: [{ id: 'a', input: {} }] });
    expect(JSON.parse(renderMessage(events, CONTEXT)).stop_reason).toBe('tool_use');
  });

  it('does not look finished without an end', async () => {
    const cut = encoded([BEGIN, { kind: 'text', text: 'Hi' }, { kind: 'stop', reason: 'end' }]);
    expect(cut).not.toContain('message_stop');
    await expect(accumulated(cut)).rejects.toThrow();
  });

  it('is understood by the AI SDK', async () => {
    const body = encoded([
      BEGIN,
      { kind: 'thinking', text: 'Hm.' },
      { kind: 'thinking-signature', signature: 'sig' },
      { kind: 'text', text: 'Grüße 🙂' },
      { kind: 'tool-call', index: 0, id: 'call_1', name: 'look' },
      { kind: 'tool-arguments', index: 0, json: '{"at":' },
      { kind: 'tool-arguments', index: 0, json: '"sky"}' },
      { kind: 'stop', reason: 'tool-calls' },
      { kind: 'usage', usage: USAGE },
      END,
    ]);
    const anthropic = createAnthropic({
      apiKey: 'k',
      fetch: async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } }),
    });
    const result = streamText({
      model: anthropic('claude-sonnet-4-5'),
      prompt: 'Hi',
      tools: { look: { inputSchema: z.object({ at: z.string() }) } },
    });
    expect(await result.text).toBe('Grüße 🙂');
    expect(await result.reasoningText).toBe('Hm.');
    expect(await result.finishReason).toBe('tool-calls');
    expect(await result.toolCalls).toMatchObject([{ toolName: 'look', input: { at: 'sky' } }]);
    expect((await result.usage).inputTokens).toBe(48);
    expect((await result.usage).outputTokens).toBe(9);
  });
});

const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
const json = fc.dictionary(word, fc.oneof(word, fc.integer(), fc.boolean()), { maxKeys: 3 });

interface Tool {
  readonly id: string;
  readonly name: string;
  readonly pieces: readonly string[];
}
const tool: fc.Arbitrary<Tool> = fc
  .tuple(word, word, json, fc.nat(10))
  .map(([id, name, input, at]) => {
    const text = JSON.stringify(input);
    return {
      id,
      name,
      pieces: [text.slice(0, at), text.slice(at)].filter((piece) => piece !== ''),
    };
  });

/** Text and thinking, then tools whose arguments take turns in any order. */
const answer: fc.Arbitrary<AnswerEvent[]> = fc
  .record({
    said: fc.array(
      fc.oneof(
        word.map((text): AnswerEvent[] => [{ kind: 'text', text }]),
        fc.tuple(word, word).map(([text, signature]): AnswerEvent[] => [
          { kind: 'thinking', text },
          { kind: 'thinking-signature', signature },
        ]),
        word.map((data): AnswerEvent[] => [{ kind: 'redacted-thinking', data }]),
      ),
      { maxLength: 6 },
    ),
    tools: fc.array(tool, { maxLength: 4 }),
    order: fc.array(fc.nat(20), { maxLength: 12 }),
  })
  .map(({ said, tools, order }) => {
    const rests = tools.map(({ pieces }) => [...pieces]);
    const turns = order.concat(tools.flatMap(({ pieces }, index) => pieces.map(() => index)));
    const calls = turns.flatMap((turn): AnswerEvent[] => {
      const index = tools.length === 0 ? 0 : turn % tools.length;
      const piece = rests[index]?.shift();
      return piece === undefined ? [] : [{ kind: 'tool-arguments', index, json: piece }];
    });
    return [
      BEGIN,
      ...said.flat(),
      ...tools.map(({ id, name }, index): AnswerEvent => ({ kind: 'tool-call', index, id, name })),
      ...calls,
      { kind: 'stop', reason: tools.length > 0 ? 'tool-calls' : 'end' },
      { kind: 'usage', usage: USAGE },
      END,
    ];
  });

/** The same answer, its neighbouring pieces joined. */
function joined(events: readonly AnswerEvent[]) {
  const texts: string[] = [];
  const tools: { id: string; name: string; json: string }[] = [];
  const rest: AnswerEvent[] = [];
  for (const event of events) {
    if (event.kind === 'text' || event.kind === 'thinking') texts.push(event.kind, event.text);
    else if (event.kind === 'tool-call') tools.push({ id: event.id, name: event.name, json: '' });
    else if (event.kind === 'tool-arguments') {
      const of = tools[event.index];
      if (of !== undefined) of.json += event.json;
    } else if (event.kind === 'stop') {
      // The provider's word is the reader's to keep.
      const { word: _word, ...stop } = event;
      rest.push(stop);
    } else if (event.kind !== 'begin' && event.kind !== 'usage') rest.push(event);
  }
  const inputs = tools.map(({ json: text, ...each }) => ({
    ...each,
    input: JSON.parse(text || '{}'),
  }));
  return { text: texts.join('|').replaceAll('|text|', '').replaceAll('text|', ''), inputs, rest };
}

describe('any answer', () => {
  it('passes the official accumulator and says the same whole, with contiguous blocks that never overlap', async () => {
    await fc.assert(
      fc.asyncProperty(answer, async (events) => {
        const text = encoded(events);
        let open: number | undefined;
        let next = 0;
        for (const { type, index } of dataOf(text)) {
          if (type === 'content_block_start') {
            expect([open, index]).toEqual([undefined, next]);
            open = index;
            next += 1;
          } else if (type === 'content_block_delta') expect(index).toBe(open);
          else if (type === 'content_block_stop') {
            expect(index).toBe(open);
            open = undefined;
          }
        }
        const streamed = await accumulated(text);
        const whole = JSON.parse(renderMessage(events, CONTEXT));
        expect(JSON.parse(JSON.stringify(streamed.content))).toEqual(whole.content);
        expect(streamed.stop_reason).toBe(whole.stop_reason);
        expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
      }),
      { numRuns: 150 },
    );
  });

  it('comes back as it was, streamed and whole', () => {
    fc.assert(
      fc.property(answer, (events) => {
        const streamed = createMessagesDecoder().push(Buffer.from(encoded(events)));
        const whole = decodeMessage(Buffer.from(renderMessage(events, CONTEXT)));
        expect(joined(streamed)).toEqual(joined(events));
        expect(joined(whole)).toEqual(joined(events));
      }),
      { numRuns: 150 },
    );
  });
});
