import { readFileSync } from 'node:fs';
import { createOpenAI } from '@ai-sdk/openai';
import type { AIMessageChunk } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { streamText } from 'ai';
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../core/dialects/answer.ts';
import { responsesCall } from '../../../../core/dialects/openai/responses-call.ts';
import { createResponsesEncoder } from '../../../../core/dialects/openai/responses-encoder.ts';
import { uncarry } from '../../../../core/dialects/openai/responses-reasoning.ts';
import { answers, argumentsOf, asked, CONTEXT, joined } from './responses-answers.ts';

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(
  JSON.parse(readFileSync('test/fixtures/openai/responses-schemas.json', 'utf8')),
  'openai',
);

/** What is wrong with the value as one of OpenAI's component schemas; empty where nothing is. */
function flaws(name: string, value: unknown): string {
  const validate = ajv.getSchema(`openai#/components/schemas/${name}`);
  if (validate === undefined) throw new Error(`no schema ${name}`);
  return validate(value) ? '' : `${name}: ${ajv.errorsText(validate.errors)}`;
}

const SCHEMAS: Readonly<Record<string, string>> = {
  'response.created': 'ResponseCreatedEvent',
  'response.in_progress': 'ResponseInProgressEvent',
  'response.completed': 'ResponseCompletedEvent',
  'response.incomplete': 'ResponseIncompleteEvent',
  'response.output_item.added': 'ResponseOutputItemAddedEvent',
  'response.output_item.done': 'ResponseOutputItemDoneEvent',
  'response.content_part.added': 'ResponseContentPartAddedEvent',
  'response.content_part.done': 'ResponseContentPartDoneEvent',
  'response.output_text.delta': 'ResponseTextDeltaEvent',
  'response.output_text.done': 'ResponseTextDoneEvent',
  'response.refusal.delta': 'ResponseRefusalDeltaEvent',
  'response.refusal.done': 'ResponseRefusalDoneEvent',
  'response.function_call_arguments.delta': 'ResponseFunctionCallArgumentsDeltaEvent',
  'response.function_call_arguments.done': 'ResponseFunctionCallArgumentsDoneEvent',
  'response.reasoning_summary_part.added': 'ResponseReasoningSummaryPartAddedEvent',
  'response.reasoning_summary_part.done': 'ResponseReasoningSummaryPartDoneEvent',
  'response.reasoning_summary_text.delta': 'ResponseReasoningSummaryTextDeltaEvent',
  'response.reasoning_summary_text.done': 'ResponseReasoningSummaryTextDoneEvent',
  error: 'ResponseErrorEvent',
};

const THINKS = {
  stream: true,
  reasoning: { effort: 'low', summary: 'auto' },
  include: ['reasoning.encrypted_content'],
  tools: [{ type: 'function', name: 'f', parameters: { type: 'object', properties: {} } }],
};

function encoded(
  events: readonly AnswerEvent[],
  fields: Readonly<Record<string, unknown>> = THINKS,
) {
  const encoder = createResponsesEncoder(asked(fields), CONTEXT);
  const text = events.map((event) => encoder.encode(event)).join('');
  return { text, encoder, events: eventsOf(text) };
}

interface Event {
  readonly type: string;
  readonly sequence_number: number;
  readonly output_index?: number;
  readonly item_id?: string;
  readonly item?: { readonly id: string };
  readonly content_index?: number;
  readonly summary_index?: number;
}

function eventsOf(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [name = '', data = ''] = block.split('\n');
      const event: Event = JSON.parse(data.slice('data: '.length));
      expect(name).toBe(`event: ${event.type}`);
      return event;
    });
}

function answering(text: string): typeof fetch {
  return async () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
}

const client = (text: string) =>
  new OpenAI({ apiKey: 'k', baseURL: 'http://gateway', fetch: answering(text), maxRetries: 0 });

describe('any answer as a Responses stream', () => {
  it('is numbered without a gap, and every item and part that is added is done once', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const { events } = encoded(answer);
        expect(events.map((event) => event.sequence_number)).toEqual(
          events.map((_, index) => index),
        );
        const named = (suffix: string) =>
          events
            .filter(({ type }) => type.endsWith(suffix))
            .map(({ output_index, content_index, summary_index }) =>
              [output_index, content_index, summary_index].join('/'),
            )
            .toSorted();
        for (const thing of ['output_item', 'content_part', 'reasoning_summary_part']) {
          expect(named(`${thing}.done`)).toEqual(named(`${thing}.added`));
          expect(new Set(named(`${thing}.added`)).size).toBe(named(`${thing}.added`).length);
        }
        const last = events.at(-1)?.type ?? '';
        expect(['response.completed', 'response.incomplete']).toContain(last);
      }),
    );
  });

  it('is valid by the published schema, event by event, and so is the whole answer', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const { events, encoder } = encoded(answer);
        for (const event of events)
          expect(flaws(SCHEMAS[event.type] ?? event.type, event)).toBe('');
        expect(flaws('Response', encoder.response())).toBe('');
      }),
      { numRuns: 60 },
    );
  });

  it('is accumulated by the official SDK to the same text, refusal and arguments', async () => {
    await fc.assert(
      fc.asyncProperty(answers, async (answer) => {
        const { text, encoder } = encoded(answer);
        const stream = client(text).responses.stream({ model: 'smart', input: 'Hello' });
        const final = await stream.finalResponse();
        const output = final.output;
        expect(final.output_text).toBe(joined(answer, 'text'));
        const calls = output.filter((item) => item.type === 'function_call');
        expect(calls.map((item) => item.arguments)).toEqual(
          calls.map((_, index) => argumentsOf(answer, index)),
        );
        expect(final.status).toBe(encoder.response()['status']);
        const thoughts = output.flatMap((item) => (item.type === 'reasoning' ? item.summary : []));
        expect(thoughts.map((part) => part.text).join('')).toBe(joined(answer, 'thinking'));
      }),
      { numRuns: 60 },
    );
  });

  it('ends whole in the object that the whole answer is', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const { events } = encoded(answer);
        const call = responsesCall(
          Buffer.from(JSON.stringify({ model: 'smart', input: 'Hello', ...THINKS })),
        );
        const whole = JSON.parse(call.translation?.render(answer, CONTEXT) ?? '');
        expect(events.at(-1)).toMatchObject({ response: whole });
      }),
    );
  });
});

const USAGE = {
  inputTokens: 10,
  cachedInputTokens: 4,
  cacheWrite1hTokens: 6,
  outputTokens: 9,
  reasoningTokens: 3,
};
const TALK: AnswerEvent[] = [
  { kind: 'begin', id: 'x' },
  { kind: 'thinking', text: 'Hm, ' },
  { kind: 'thinking', text: 'well' },
  { kind: 'thinking-signature', signature: 'sig' },
  { kind: 'text', text: 'Let me ' },
  { kind: 'text', text: 'look.' },
  { kind: 'tool-call', index: 0, id: 'call_a', name: 'f' },
  { kind: 'tool-call', index: 1, id: 'call_b', name: 'f' },
  { kind: 'tool-arguments', index: 1, json: '{"a":' },
  { kind: 'tool-arguments', index: 1, json: '1}' },
  { kind: 'stop', reason: 'tool-calls' },
  { kind: 'usage', usage: USAGE },
  { kind: 'end' },
];

describe('an answer', () => {
  it('reaches the AI SDK with its text, reasoning, tool calls and usage', async () => {
    const { text } = encoded(TALK);
    const model = createOpenAI({ apiKey: 'k', fetch: answering(text) }).responses('smart');
    const result = streamText({ model, prompt: 'Hello', onError: () => undefined });
    expect(await result.text).toBe('Let me look.');
    expect(await result.reasoningText).toBe('Hm, well');
    expect((await result.toolCalls).map(({ toolCallId, input }) => [toolCallId, input])).toEqual([
      ['call_a', {}],
      ['call_b', { a: 1 }],
    ]);
    expect(await result.usage).toMatchObject({ inputTokens: 20, outputTokens: 9 });
    expect(await result.finishReason).toBe('tool-calls');
  });

  it('reaches LangChain with its text, tool calls and usage', async () => {
    const { text } = encoded(TALK);
    const chat = new ChatOpenAI({
      model: 'smart',
      apiKey: 'k',
      useResponsesApi: true,
      configuration: { fetch: answering(text) },
    });
    let whole: AIMessageChunk | undefined;
    for await (const piece of await chat.stream('Hello'))
      whole = whole === undefined ? piece : whole.concat(piece);
    expect(whole?.text).toBe('Let me look.');
    expect(whole?.tool_calls?.map(({ id, args }) => [id, args])).toEqual([
      ['call_a', {}],
      ['call_b', { a: 1 }],
    ]);
    expect(whole?.usage_metadata).toMatchObject({ input_tokens: 20, output_tokens: 9 });
  });

  it('tells usage with cached, written and reasoning tokens inside the totals', () => {
    expect(encoded(TALK).encoder.response()['usage']).toEqual({
      input_tokens: 20,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 6 },
      output_tokens: 9,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 29,
    });
  });

  it('shows thinking only to those who ask for it, and carries it only to those who ask for that', () => {
    const { text } = encoded(TALK, { stream: true });
    expect(text).not.toContain('Hm');
    expect(text).not.toContain('encrypted_content');
    const [reasoning] = encoded(TALK).encoder.response()['output'] as {
      encrypted_content: string;
    }[];
    expect(uncarry(reasoning?.encrypted_content)).toEqual({
      kind: 'thinking',
      text: 'Hm, well',
      signature: 'sig',
    });
  });

  it.each([
    ['max-tokens', 'incomplete', 'max_output_tokens'],
    ['content-filter', 'incomplete', 'content_filter'],
    ['refusal', 'incomplete', 'content_filter'],
    ['stop-sequence', 'completed', undefined],
  ] as const)('that stopped for %s is %s', (reason, status, detail) => {
    const { events, encoder } = encoded([
      { kind: 'text', text: 'Half' },
      { kind: 'stop', reason },
      { kind: 'end' },
    ]);
    expect(events.at(-1)?.type).toBe(`response.${status}`);
    expect(encoder.response()).toMatchObject({
      status,
      incomplete_details: detail === undefined ? null : { reason: detail },
      output: [{ status }],
    });
  });

  it('that breaks off ends in an error with the next number, which no SDK takes for success', async () => {
    const { text, encoder } = encoded(TALK.slice(0, 6));
    const facts = {
      code: 'upstream_error',
      message: 'It broke.',
      gateway: { request_id: 'r' },
    } as const;
    const error = encoder.errorEvent?.(facts) ?? '';
    const all = eventsOf(text + error);
    expect(all.at(-1)).toMatchObject({
      type: 'error',
      sequence_number: all.length - 1,
      param: null,
    });
    expect(flaws('ResponseErrorEvent', all.at(-1))).toBe('');
    const stream = client(text + error).responses.stream({ model: 'smart', input: 'Hello' });
    await expect(stream.finalResponse()).rejects.toMatchObject({
      message: expect.stringContaining('It broke.'),
      code: 'upstream_error',
    });
    const model = createOpenAI({ apiKey: 'k', fetch: answering(text + error) }).responses('smart');
    const errors: unknown[] = [];
    const result = streamText({
      model,
      prompt: 'x',
      onError: ({ error: each }) => void errors.push(each),
    });
    await result.consumeStream();
    expect(String(errors[0])).toContain('It broke.');
  });
});
