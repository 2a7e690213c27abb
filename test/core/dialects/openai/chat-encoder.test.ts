import * as fc from 'fast-check';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../core/dialects/answer.ts';
import { renderChatCompletion } from '../../../../core/dialects/openai/chat-completion.ts';
import {
  type ChatStyle,
  createChatEncoder,
} from '../../../../core/dialects/openai/chat-encoder.ts';
import { answers, CONTEXT, callsOf, foreignAnswers, textOf } from './answers.ts';
import { schemaErrors } from './published-schema.ts';

const PLAIN: ChatStyle = { wantsUsage: false, legacy: false };
const TEXT: readonly AnswerEvent[] = [
  { kind: 'begin', id: 'msg_1' },
  { kind: 'text', text: 'Hi' },
  { kind: 'stop', reason: 'end' },
  {
    kind: 'usage',
    usage: {
      inputTokens: 7,
      cachedInputTokens: 3,
      cacheWrite5mTokens: 2,
      outputTokens: 5,
      reasoningTokens: 1,
    },
  },
  { kind: 'end' },
];
const NO_ARGUMENTS: readonly AnswerEvent[] = [
  { kind: 'begin', id: undefined },
  { kind: 'tool-call', index: 0, id: 'toolu_1', name: 'now' },
  { kind: 'stop', reason: 'tool-calls' },
  { kind: 'end' },
];

function stream(events: readonly AnswerEvent[], style: Partial<ChatStyle> = {}): string {
  const encoder = createChatEncoder(CONTEXT, { ...PLAIN, ...style });
  return events.map(encoder.encode).join('');
}

function data(text: string): string[] {
  expect(text.endsWith('\n\n')).toBe(true);
  return text
    .slice(0, -2)
    .split('\n\n')
    .map((block) => {
      expect(block.startsWith('data: ')).toBe(true);
      return block.slice(6);
    });
}

function chunks(events: readonly AnswerEvent[], style: Partial<ChatStyle> = {}) {
  return data(stream(events, style))
    .slice(0, -1)
    .map((text) => JSON.parse(text));
}

function client(contentType: string, body: string): OpenAI {
  return new OpenAI({
    apiKey: 'test',
    maxRetries: 0,
    fetch: async () => new Response(body, { headers: { 'content-type': contentType } }),
  });
}

/** What the official SDK makes of the stream. */
function accumulated(text: string) {
  return client('text/event-stream', text)
    .chat.completions.stream({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] })
    .finalChatCompletion();
}

describe('a stream of chunks', () => {
  it('validates chunk by chunk against the published schema, whatever another dialect said', () => {
    fc.assert(
      fc.property(foreignAnswers, fc.boolean(), fc.boolean(), (events, wantsUsage, legacy) => {
        const all = data(stream(events, { wantsUsage, legacy }));
        expect(all.at(-1)).toBe('[DONE]');
        for (const text of all.slice(0, -1))
          expect(schemaErrors('CreateChatCompletionStreamResponse', JSON.parse(text))).toEqual([]);
      }),
    );
  });

  it('is put together again by the official SDK', async () => {
    await fc.assert(
      fc.asyncProperty(foreignAnswers, async (events) => {
        const { choices, id, model } = await accumulated(stream(events));
        const message = choices[0]?.message;
        expect([id, model]).toEqual([events[0]?.kind === 'begin' && events[0].id, CONTEXT.model]);
        expect(message?.content ?? '').toBe(textOf(events, 'text'));
        expect(message?.refusal ?? '').toBe(textOf(events, 'refusal'));
        expect(message?.tool_calls?.map((call) => [call.id, functionOf(call)]) ?? []).toEqual(
          callsOf(events).map(({ id, name, arguments: json }) => [
            id,
            { name, arguments: json || '{}' },
          ]),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('says the role first and the reason last, once each', () => {
    const all = chunks([
      ...TEXT.slice(0, 3),
      { kind: 'stop', reason: 'max-tokens' },
      { kind: 'end' },
    ]);
    expect(all.map(({ choices }) => choices[0].delta)).toEqual([
      { role: 'assistant', content: '' },
      { content: 'Hi' },
      {},
    ]);
    expect(all.map(({ choices }) => choices[0].finish_reason)).toEqual([null, null, 'stop']);
  });

  it('brings usage in a chunk of its own to the caller who asked, and a null in all others', () => {
    const all = chunks(TEXT, { wantsUsage: true });
    expect(all.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(all.at(-1)).toMatchObject({
      choices: [],
      usage: {
        prompt_tokens: 12,
        completion_tokens: 5,
        total_tokens: 17,
        prompt_tokens_details: { cached_tokens: 3, cache_write_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 1 },
      },
    });
    expect(stream(TEXT)).not.toContain('usage');
  });

  it('brings no zeros in place of a usage that nobody knows', () => {
    const unknown = TEXT.filter(({ kind }) => kind !== 'usage');
    expect(chunks(unknown, { wantsUsage: true }).at(-1)?.choices).toHaveLength(1);
  });

  it('gives a call without arguments an empty object, which clients parse', () => {
    const deltas = chunks(NO_ARGUMENTS).map(({ choices }) => choices[0].delta.tool_calls?.[0]);
    expect(deltas).toEqual([
      undefined,
      { index: 0, id: 'toolu_1', type: 'function', function: { name: 'now', arguments: '' } },
      { index: 0, function: { arguments: '{}' } },
      undefined,
    ]);
  });

  it('speaks of a function to the caller who asked with functions', async () => {
    const { choices } = await accumulated(stream(NO_ARGUMENTS, { legacy: true }));
    expect(choices[0]?.message.function_call).toEqual({ name: 'now', arguments: '{}' });
    expect(choices[0]?.finish_reason).toBe('function_call');
  });

  it('ends nothing behind an error', () => {
    const text = stream([...TEXT.slice(0, 2), { kind: 'error', cause: 'secret' }]);
    expect(text).not.toContain('[DONE]');
    expect(text).not.toContain('secret');
    expect(text).not.toContain('"finish_reason":"');
  });

  it.each<[AnswerEvent & { kind: 'stop' }, string]>([
    [{ kind: 'stop', reason: 'end' }, 'stop'],
    [{ kind: 'stop', reason: 'stop-sequence', stopSequence: 'X' }, 'stop'],
    [{ kind: 'stop', reason: 'max-tokens' }, 'length'],
    [{ kind: 'stop', reason: 'context-exceeded' }, 'length'],
    [{ kind: 'stop', reason: 'tool-calls' }, 'tool_calls'],
    [{ kind: 'stop', reason: 'refusal' }, 'content_filter'],
    [{ kind: 'stop', reason: 'content-filter' }, 'content_filter'],
    [{ kind: 'stop', reason: 'pause' }, 'stop'],
  ])('ends with %j as %s', (stop, reason) => {
    expect(chunks([stop, { kind: 'end' }]).at(-1)?.choices[0].finish_reason).toBe(reason);
  });
});

describe('a whole completion', () => {
  it('validates against the published schema and says what the stream says', async () => {
    await fc.assert(
      fc.asyncProperty(foreignAnswers, fc.boolean(), async (events, legacy) => {
        const style = { wantsUsage: true, legacy };
        const whole = JSON.parse(renderChatCompletion(events, CONTEXT, style));
        expect(schemaErrors('CreateChatCompletionResponse', whole)).toEqual([]);
        const { choices, usage } = await accumulated(stream(events, style));
        const said = choices[0];
        expect(said?.finish_reason).toBe(whole.choices[0].finish_reason);
        expect(said?.message.content ?? '').toBe(whole.choices[0].message.content ?? '');
        expect(usage ?? undefined).toEqual(whole.usage);
        expect(said?.message.tool_calls?.map(functionOf)).toEqual(
          whole.choices[0].message.tool_calls?.map(functionOf),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('shows thinking where clients look for it, and no content beside calls', () => {
    const events: AnswerEvent[] = [{ kind: 'thinking', text: 'Hm.' }, ...NO_ARGUMENTS];
    const { message } = JSON.parse(renderChatCompletion(events, CONTEXT, PLAIN)).choices[0];
    expect(message).toEqual({
      role: 'assistant',
      content: null,
      refusal: null,
      reasoning_content: 'Hm.',
      tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'now', arguments: '{}' } }],
    });
  });

  it('has no usage when nobody knows it', () => {
    fc.assert(
      fc.property(answers, (events) => {
        const whole = JSON.parse(renderChatCompletion(events, CONTEXT, PLAIN));
        expect('usage' in whole).toBe(events.some(({ kind }) => kind === 'usage'));
      }),
    );
  });
});

function functionOf(call: object) {
  const called: unknown = 'function' in call ? call.function : undefined;
  return called;
}
