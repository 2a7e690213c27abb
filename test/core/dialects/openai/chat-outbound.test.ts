import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, type ModelMessage, streamText, tool } from 'ai';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../../../core/dialects/call.ts';
import type { Conversation } from '../../../../core/dialects/conversation.ts';
import { chatCall } from '../../../../core/dialects/openai/chat-call.ts';
import { chatConversation } from '../../../../core/dialects/openai/chat-conversation.ts';
import { openAiChat } from '../../../../core/dialects/openai/chat-outbound.ts';
import { parseChatRequest } from '../../../../core/dialects/openai/chat-request.ts';
import { CONTEXT } from './answers.ts';
import { conversations } from './conversations.ts';
import { schemaErrors } from './published-schema.ts';

const TARGET: Target & { stream: boolean } = {
  dialect: 'openai-chat',
  model: 'gpt-5.1',
  maxOutputTokens: 99,
  extra: {},
  stream: false,
};
const EMPTY: Conversation = { system: [], turns: [], tools: [], stop: [], others: {} };
const HELLO: Conversation['turns'][number] = {
  role: 'user',
  parts: [{ kind: 'text', text: 'Hi' }],
};

function encode(conversation: Partial<Conversation>, target: Partial<typeof TARGET> = {}) {
  const { body, dropped } = openAiChat.encode(
    { ...EMPTY, turns: [HELLO], ...conversation },
    { ...TARGET, ...target },
  );
  return { json: JSON.parse(body), body, dropped };
}

describe('a conversation as a chat request', () => {
  it('comes back as it was, and is a request by the published schema', () => {
    fc.assert(
      fc.property(conversations, (conversation) => {
        const { body, json, dropped } = encode(conversation);
        expect(schemaErrors('CreateChatCompletionRequest', json)).toEqual([]);
        expect(chatConversation(parseChatRequest(Buffer.from(body)).body)).toEqual(conversation);
        expect(dropped).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('names the provider’s model, a real maximum and what the provider’s kind adds', () => {
    const extra = { cache_salt: 'salt', model: 'gpt-5.1' };
    expect(encode({}, { extra }).json).toEqual({
      model: 'gpt-5.1',
      messages: [{ role: 'user', content: 'Hi' }],
      max_completion_tokens: 99,
      cache_salt: 'salt',
    });
    const { json } = encode({}, { maxTokensField: 'max_tokens' });
    expect([json.max_tokens, json.max_completion_tokens]).toEqual([99, undefined]);
  });

  it('asks for usage in every stream', () => {
    expect(encode({}, { stream: true }).json).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('answers calls before anything else is said, and shows the images of results behind them', () => {
    const source = { kind: 'base64', mediaType: 'image/png', data: 'aGk=' } as const;
    const { json } = encode({
      turns: [
        HELLO,
        {
          role: 'assistant',
          parts: [
            { kind: 'thinking', text: 'Hm.', signature: 's' },
            { kind: 'tool-call', id: 'a', name: 'look', arguments: '{}' },
            { kind: 'text', text: 'Looking.' },
          ],
        },
        {
          role: 'user',
          parts: [
            { kind: 'text', text: 'And?' },
            {
              kind: 'tool-result',
              callId: 'a',
              isError: false,
              content: [
                { kind: 'text', text: 'seen' },
                { kind: 'image', source },
              ],
            },
          ],
        },
      ],
    });
    expect(json.messages.slice(1)).toEqual([
      {
        role: 'assistant',
        content: 'Looking.',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'seen' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Images in the result of the tool call a:' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
          { type: 'text', text: 'And?' },
        ],
      },
    ]);
  });

  it('leaves out an assistant who only thought', () => {
    const { json } = encode({
      turns: [
        HELLO,
        { role: 'assistant', parts: [{ kind: 'redacted-thinking', data: 'd' }] },
        HELLO,
      ],
    });
    expect(json.messages).toHaveLength(2);
  });

  it('is refused when it ends with an answer to be continued', () => {
    const turns = [HELLO, { role: 'assistant', parts: [{ kind: 'text', text: '{' }] }] as const;
    expect(() => encode({ turns })).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'messages' }),
    );
  });

  it.each<[string, Partial<Conversation>]>([
    ['top_k', { topK: 3 }],
    ['cache_control', { system: [{ kind: 'text', text: 'x', cache: '1h' }] }],
    ['cache_control', { tools: [{ name: 'f', description: undefined, schema: {}, cache: '5m' }] }],
    [
      'messages.content.is_error',
      {
        turns: [
          {
            role: 'user',
            parts: [{ kind: 'tool-result', callId: 'a', content: [], isError: true }],
          },
        ],
      },
    ],
    [
      'messages.content.thinking',
      {
        turns: [
          { role: 'assistant', parts: [{ kind: 'thinking', text: 'x', signature: undefined }] },
          HELLO,
        ],
      },
    ],
    ['thinking', { thinking: { kind: 'off' } }],
    ['service_tier', { others: { service_tier: 'x' } }],
  ])('says that it drops %s', (field, conversation) => {
    const { dropped, body } = encode(conversation);
    expect(dropped).toEqual([field]);
    expect(body).not.toContain('cache');
  });

  it.each<[Conversation['thinking'], string | undefined]>([
    [{ kind: 'budget', tokens: 1_024 }, 'low'],
    [{ kind: 'budget', tokens: 4_096 }, 'medium'],
    [{ kind: 'budget', tokens: 32_000 }, 'high'],
    [{ kind: 'effort', effort: 'xhigh' }, 'xhigh'],
    [{ kind: 'adaptive' }, undefined],
    [{ kind: 'off' }, undefined],
  ])('thinks with %j as effort %s', (thinking, effort) => {
    expect(encode(thinking === undefined ? {} : { thinking }).json.reasoning_effort).toBe(effort);
  });
});

describe('the AI SDK', () => {
  const WEATHER = {
    description: 'Weather of a city',
    inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }),
  };
  const MESSAGES: ModelMessage[] = [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'file', data: 'aGk=', mediaType: 'image/png' },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'Let me look.' },
        { type: 'tool-call', toolCallId: 'a', toolName: 'weather', input: { city: 'Rome' } },
        { type: 'tool-call', toolCallId: 'b', toolName: 'weather', input: {} },
      ],
    },
    {
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          toolCallId: 'a',
          toolName: 'weather',
          output: { type: 'text', value: 'sunny' },
        },
        {
          type: 'tool-result',
          toolCallId: 'b',
          toolName: 'weather',
          output: { type: 'text', value: '?' },
        },
      ],
    },
    { role: 'user', content: 'And now?' },
  ];

  /** The SDK as caller: what it sent, answered in a dialect's own words. */
  function sdk(answer: (sent: string) => { type: string; body: string }) {
    const sent: string[] = [];
    const provider = createOpenAI({
      apiKey: 'test',
      fetch: async (_url, init) => {
        sent.push(String(init?.body));
        const { type, body } = answer(String(init?.body));
        return new Response(body, { headers: { 'content-type': type } });
      },
    });
    return { model: provider.chat('gpt-4.1'), sent };
  }

  function answered(sent: string): { type: string; body: string } {
    const { translation, stream } = chatCall(Buffer.from(sent));
    const events = [
      { kind: 'begin', id: 'msg_1' },
      { kind: 'text', text: 'Sunny.' },
      { kind: 'tool-call', index: 0, id: 'c', name: 'weather' },
      { kind: 'tool-arguments', index: 0, json: '{"city":"Bonn"}' },
      { kind: 'stop', reason: 'tool-calls' },
      {
        kind: 'usage',
        usage: { inputTokens: 7, cachedInputTokens: 3, outputTokens: 5, reasoningTokens: 1 },
      },
      { kind: 'end' },
    ] as const;
    if (!stream)
      return { type: 'application/json', body: translation?.render(events, CONTEXT) ?? '' };
    const encoder = translation?.encoder(CONTEXT);
    return {
      type: 'text/event-stream',
      body: events.map((event) => encoder?.encode(event) ?? '').join(''),
    };
  }

  it('sends what is sent on for the same conversation', async () => {
    const { model, sent } = sdk(answered);
    await generateText({
      model,
      messages: MESSAGES,
      allowSystemInMessages: true,
      tools: { weather: tool(WEATHER) },
      toolChoice: { type: 'tool', toolName: 'weather' },
      temperature: 0.3,
      topP: 0.5,
      stopSequences: ['END'],
      seed: 7,
      maxOutputTokens: 99,
      maxRetries: 0,
    });
    const original = JSON.parse(sent[0] ?? '');
    const conversation = chatCall(Buffer.from(sent[0] ?? '')).translation?.conversation() ?? EMPTY;
    const { max_tokens, ...settings } = original;
    expect(
      encode(conversation, { model: original.model, maxTokensField: 'max_tokens' }).json,
    ).toEqual({
      ...settings,
      max_tokens: 99,
    });
  });

  it('reads a whole answer', async () => {
    const { model } = sdk(answered);
    const result = await generateText({ model, prompt: 'Hi', tools: { weather: tool(WEATHER) } });
    expect(result).toMatchObject({ text: 'Sunny.', finishReason: 'tool-calls' });
    expect(result.toolCalls).toMatchObject([{ toolCallId: 'c', input: { city: 'Bonn' } }]);
    expect(result.usage).toMatchObject({ inputTokens: 10, outputTokens: 5, totalTokens: 15 });
  });

  it('reads a stream', async () => {
    const { model } = sdk(answered);
    const result = streamText({ model, prompt: 'Hi', tools: { weather: tool(WEATHER) } });
    expect(await result.text).toBe('Sunny.');
    expect(await result.toolCalls).toMatchObject([{ toolCallId: 'c', input: { city: 'Bonn' } }]);
    expect(await result.finishReason).toBe('tool-calls');
    expect(await result.usage).toMatchObject({ inputTokens: 10, outputTokens: 5 });
  });
});
