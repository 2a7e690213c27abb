import { createAnthropic } from '@ai-sdk/anthropic';
import { generateText, jsonSchema, Output } from 'ai';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toConversation } from '../../../../core/dialects/anthropic/conversation.ts';
import { encodeMessages } from '../../../../core/dialects/anthropic/encode.ts';
import { messagesCall } from '../../../../core/dialects/anthropic/messages-call.ts';
import { parseMessagesRequest } from '../../../../core/dialects/anthropic/messages-request.ts';
import type { Conversation } from '../../../../core/dialects/conversation.ts';
import { GatewayError } from '../../../../core/errors.ts';

const TARGET = {
  dialect: 'anthropic-messages',
  model: 'claude-sonnet-4-6',
  maxOutputTokens: 8_000,
  extra: {},
  stream: false,
} as const;

const HELLO: Conversation = {
  system: [],
  turns: [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }],
  tools: [],
  stop: [],
  others: {},
};

const LOOK = { name: 'look', description: 'Looks.', schema: { type: 'object' } };

function encoded(
  more: Partial<Conversation> = {},
  target: Partial<typeof TARGET | { model: string; maxOutputTokens: number }> = {},
) {
  const { body, dropped } = encodeMessages({ ...HELLO, ...more }, { ...TARGET, ...target });
  return { body: JSON.parse(body), dropped };
}

function refusalOf(more: Partial<Conversation>): unknown {
  try {
    encoded(more);
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

describe('a conversation for Anthropic', () => {
  it('pairs tools with their results, which come first in the turn', () => {
    const { body } = encoded({
      tools: [LOOK],
      turns: [
        { role: 'user', parts: [{ kind: 'text', text: 'Look' }] },
        {
          role: 'assistant',
          parts: [
            { kind: 'text', text: '' },
            { kind: 'tool-call', id: 'call_1', name: 'look', arguments: '{"at":1}' },
            { kind: 'tool-call', id: 'functions.look:2', name: 'look', arguments: '' },
          ],
        },
        {
          role: 'user',
          parts: [
            { kind: 'text', text: 'Well?' },
            {
              kind: 'tool-result',
              callId: 'call_1',
              content: [{ kind: 'text', text: 'sky' }],
              isError: false,
            },
            { kind: 'tool-result', callId: 'functions.look:2', content: [], isError: true },
          ],
        },
      ],
    });
    const [, assistant, user] = body.messages;
    const odd = assistant.content[1].id;
    expect(odd).toMatch(/^[a-zA-Z0-9_-]+$/);
    expect(assistant.content).toEqual([
      { type: 'tool_use', id: 'call_1', name: 'look', input: { at: 1 } },
      { type: 'tool_use', id: odd, name: 'look', input: {} },
    ]);
    expect(user.content).toEqual([
      { type: 'tool_result', tool_use_id: 'call_1', content: [{ type: 'text', text: 'sky' }] },
      { type: 'tool_result', tool_use_id: odd, is_error: true },
      { type: 'text', text: 'Well?' },
    ]);
  });

  it.each<[Conversation['toolChoice'], boolean | undefined, unknown]>([
    [undefined, undefined, undefined],
    [undefined, false, { type: 'auto', disable_parallel_tool_use: true }],
    [{ kind: 'auto' }, undefined, { type: 'auto' }],
    [{ kind: 'none' }, false, { type: 'none' }],
    [{ kind: 'required' }, false, { type: 'any', disable_parallel_tool_use: true }],
    [{ kind: 'tool', name: 'look' }, true, { type: 'tool', name: 'look' }],
  ])(
    'says the choice of tools %o with parallel calls %o',
    (toolChoice, parallelToolCalls, expected) => {
      const { body } = encoded({
        tools: [LOOK],
        ...(toolChoice && { toolChoice }),
        ...(parallelToolCalls === undefined ? {} : { parallelToolCalls }),
      });
      expect(body.tool_choice).toEqual(expected);
    },
  );

  it('puts a schema into structured outputs, with the bounds that their grammar lacks as words', () => {
    const schema = {
      type: 'object',
      description: 'An age.',
      properties: {
        minimum: { type: 'integer', minimum: 0, maximum: 150 },
        names: { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 },
      },
      required: ['minimum'],
    };
    const { body, dropped } = encoded({
      output: { kind: 'schema', name: 'a', schema, strict: false },
    });
    expect(body.output_config.format).toEqual({
      type: 'json_schema',
      schema: {
        type: 'object',
        description: 'An age.',
        properties: {
          minimum: { type: 'integer', description: '(minimum: 0, maximum: 150)' },
          names: {
            type: 'array',
            items: { type: 'string', description: '(minLength: 1)' },
            minItems: 1,
          },
        },
        required: ['minimum'],
        additionalProperties: false,
      },
    });
    expect(dropped).toEqual([
      'response_format.json_schema.strict',
      'response_format.json_schema.schema.maximum',
      'response_format.json_schema.schema.minLength',
      'response_format.json_schema.schema.minimum',
    ]);
  });

  it.each<[string, Partial<Conversation>]>([
    ['response_format', { output: { kind: 'json' } }],
    ['stop', { stop: ['\n'] }],
    [
      'messages',
      {
        turns: [
          {
            role: 'assistant',
            parts: [{ kind: 'tool-call', id: 'a', name: 'b', arguments: '[1]' }],
          },
        ],
      },
    ],
  ])('is refused for its %s', (param, more) => {
    const error = refusalOf(more);
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 'invalid_request', param });
  });

  it('leaves out what only tunes, and says so', () => {
    const { body, dropped } = encoded({
      seed: 1,
      frequencyPenalty: 0.5,
      temperature: 1.7,
      topP: 0.9,
      others: { logit_bias: {}, user: 'ann' },
      turns: [
        ...HELLO.turns,
        {
          role: 'assistant',
          parts: [
            { kind: 'thinking', text: 'Hm.', signature: undefined },
            { kind: 'text', text: 'Hi' },
          ],
        },
      ],
    });
    expect(dropped).toEqual([
      'logit_bias',
      'user',
      'seed',
      'frequency_penalty',
      'temperature',
      'top_p',
      'messages.content.thinking',
    ]);
    expect(body).toMatchObject({ temperature: 1 });
    expect(body.messages[1].content).toEqual([{ type: 'text', text: 'Hi' }]);
    expect(JSON.stringify(body)).not.toContain('ann');
  });

  it.each<[string, string, unknown, unknown]>([
    ['claude-opus-4-5-20251101', 'high', { type: 'enabled', budget_tokens: 7_999 }, undefined],
    ['claude-sonnet-4-20250514', 'low', { type: 'enabled', budget_tokens: 1_024 }, undefined],
    ['claude-3-7-sonnet-20250219', 'none', undefined, undefined],
    ['MiniMax-M3', 'medium', { type: 'enabled', budget_tokens: 4_096 }, undefined],
    ['claude-sonnet-4-6', 'xhigh', { type: 'adaptive' }, { effort: 'high' }],
    ['claude-opus-4-7', 'xhigh', { type: 'adaptive' }, { effort: 'xhigh' }],
    ['claude-fable-5-2', 'minimal', { type: 'adaptive' }, { effort: 'low' }],
    ['claude-mythos-preview', 'none', { type: 'disabled' }, undefined],
  ])('makes %s think with an effort of %s', (model, effort, thinking, outputConfig) => {
    const { body } = encoded({ thinking: { kind: 'effort', effort } }, { model });
    expect(body.thinking).toEqual(thinking);
    expect(body.output_config).toEqual(outputConfig);
  });

  it('samples only on models that do, and not while they think', () => {
    const sampled = { temperature: 0.3, topK: 5 };
    const on = (model: string, more: Partial<Conversation> = {}) =>
      encoded({ ...sampled, ...more }, { model });
    expect(on('claude-sonnet-4-5').body).toMatchObject({ temperature: 0.3, top_k: 5 });
    expect(on('claude-opus-4-8').dropped).toEqual(['temperature', 'top_k']);
    const thinking = { kind: 'budget', tokens: 2_000 } as const;
    expect(on('claude-sonnet-4-5', { thinking }).dropped).toEqual(['temperature', 'top_k']);
  });

  it('does not think where a tool is forced, or where there is no room', () => {
    const thinking = { kind: 'effort', effort: 'high' } as const;
    const forced = encoded({ thinking, tools: [LOOK], toolChoice: { kind: 'required' } });
    expect(forced.body.thinking).toBeUndefined();
    expect(forced.dropped).toEqual(['reasoning_effort']);
    const small = encoded({ thinking }, { model: 'claude-opus-4-5', maxOutputTokens: 1_000 });
    expect(small.dropped).toEqual(['reasoning_effort']);
  });
});

describe('what Anthropic’s dialect says to another', () => {
  const parsed = (extra: Record<string, unknown>) =>
    toConversation(
      parseMessagesRequest(
        Buffer.from(
          JSON.stringify({
            model: 'm',
            max_tokens: 10,
            messages: [{ role: 'user', content: 'Hi' }],
            ...extra,
          }),
        ),
      ).body,
    );

  it('keeps a system message at its place as the user’s words, and says so', () => {
    const { turns, leftOut } = parsed({
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'Be brief.' },
        { role: 'assistant', content: [{ type: 'text', text: 'Yes.' }] },
      ],
    });
    expect(turns).toMatchObject([
      { role: 'user', parts: [{ text: 'Hi' }, { text: 'Be brief.' }] },
      { role: 'assistant', parts: [{ text: 'Yes.' }] },
    ]);
    expect(leftOut).toEqual(['messages.role']);
  });

  it('reads a document of text below its title', () => {
    const source = { type: 'text', media_type: 'text/plain', data: 'Once upon a time.' };
    const { turns } = parsed({
      messages: [{ role: 'user', content: [{ type: 'document', title: 'Tale', source }] }],
    });
    expect(turns[0]?.parts).toEqual([{ kind: 'text', text: 'Tale\n\nOnce upon a time.' }]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['tools.0.type', { tools: [{ type: 'bash_20250124', name: 'bash' }] }],
    [
      'messages.0.content.0.type',
      {
        messages: [
          {
            role: 'user',
            content: [{ type: 'search_result', source: 's', title: 't', content: [] }],
          },
        ],
      },
    ],
    [
      'messages.0.content.0.citations',
      {
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'document',
                citations: { enabled: true },
                source: { type: 'content', content: 'x' },
              },
            ],
          },
        ],
      },
    ],
  ])('is refused for its %s', (param, extra) => {
    expect(() => parsed(extra)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param }),
    );
  });

  it('names what it leaves out', () => {
    const tool = {
      name: 'a',
      input_schema: {},
      eager_input_streaming: true,
      input_examples: [{}],
      defer_loading: true,
    };
    const { leftOut } = parsed({
      tools: [tool],
      service_tier: 'standard_only',
      cache_control: { type: 'ephemeral' },
      thinking: { type: 'adaptive', display: 'omitted' },
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hi', citations: [{}] },
            {
              type: 'image',
              source: { type: 'url', url: 'https://a' },
              transformations: { oversized_image: 'error' },
            },
          ],
        },
      ],
      context_management: { edits: [] },
    });
    expect(leftOut).toEqual([
      'service_tier',
      'cache_control',
      'context_management',
      'thinking.display',
      'messages.content.citations',
      'messages.content.transformations',
      'tools.input_examples',
      'tools.eager_input_streaming',
      'tools.defer_loading',
    ]);
  });
});

const word = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
  .filter((text) => text.trim() !== '');
const id = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
const cacheMark = fc.option(
  fc.constantFrom({ type: 'ephemeral' }, { type: 'ephemeral', ttl: '1h' }),
  { nil: undefined },
);
const textBlock = fc.record({ type: fc.constant('text'), text: word, cache_control: cacheMark });
const imageBlock = fc.constantFrom(
  { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
  { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
);
const round = fc
  .record({
    asked: fc.array(fc.oneof(textBlock, imageBlock), { minLength: 1, maxLength: 3 }),
    thought: fc.option(
      fc.record({ type: fc.constant('thinking'), thinking: word, signature: word }),
      { nil: undefined },
    ),
    said: fc.array(textBlock, { maxLength: 2 }),
    calls: fc.uniqueArray(
      fc.record({
        id,
        name: id,
        input: fc.dictionary(word, fc.integer(), { maxKeys: 2 }),
        isError: fc.boolean(),
      }),
      { selector: (call) => call.id, minLength: 1, maxLength: 3 },
    ),
    results: fc.array(fc.oneof(textBlock, imageBlock), { minLength: 1, maxLength: 2 }),
  })
  .map(({ asked, thought, said, calls, results }) => [
    { role: 'user', content: asked },
    {
      role: 'assistant',
      content: [
        ...(thought === undefined ? [] : [thought]),
        ...said,
        ...calls.map((call) => ({
          type: 'tool_use',
          id: call.id,
          name: call.name,
          input: call.input,
        })),
      ],
    },
    {
      role: 'user',
      content: calls.map((call) => ({
        type: 'tool_result',
        tool_use_id: call.id,
        content: results,
        is_error: call.isError,
      })),
    },
  ]);

const request = fc.record(
  {
    model: fc.constant('claude-sonnet-4-6'),
    max_tokens: fc.constant(8_000),
    messages: fc.array(round, { minLength: 1, maxLength: 3 }).map((rounds) => rounds.flat()),
    system: fc.array(textBlock, { maxLength: 2 }),
    tools: fc.array(
      fc.record({
        name: id,
        input_schema: fc.constant({ type: 'object' }),
        description: word,
        strict: fc.boolean(),
        cache_control: cacheMark,
      }),
      { minLength: 1, maxLength: 2 },
    ),
    tool_choice: fc.oneof(
      fc.constant({ type: 'none' }),
      fc.constant({ type: 'auto', disable_parallel_tool_use: true }),
      id.map((name) => ({ type: 'tool', name })),
    ),
    output_config: fc.constant({
      format: {
        type: 'json_schema',
        schema: { type: 'object', properties: {}, additionalProperties: false },
      },
    }),
    stop_sequences: fc.array(word, { maxLength: 2 }),
    temperature: fc.constantFrom(0, 0.5, 1),
    top_k: fc.nat(10),
  },
  { requiredKeys: ['model', 'max_tokens', 'messages', 'tools'] },
);

describe('any request', () => {
  it('is the same conversation again after a translation into its own dialect', () => {
    fc.assert(
      fc.property(request, (body) => {
        const first = toConversation(parseMessagesRequest(Buffer.from(JSON.stringify(body))).body);
        const { body: again, dropped } = encodeMessages(first, TARGET);
        expect(dropped).toEqual([]);
        expect(toConversation(parseMessagesRequest(Buffer.from(again)).body)).toEqual(first);
      }),
      { numRuns: 300 },
    );
  });
});

describe('beside the AI SDK', () => {
  /** What the AI SDK sends for the call. */
  async function sentBy(
    call: (model: ReturnType<ReturnType<typeof createAnthropic>>) => Promise<unknown>,
  ) {
    let sent: unknown;
    const anthropic = createAnthropic({
      apiKey: 'k',
      fetch: async (_url, init) => {
        sent = JSON.parse(String(init?.body));
        throw new TypeError('seen enough');
      },
    });
    await call(anthropic('claude-sonnet-4-6')).catch(() => undefined);
    return sent;
  }

  it('sends the same tools, results and images', async () => {
    const schema = { type: 'object', properties: { at: { type: 'string' } } } as const;
    const sent = await sentBy((model) =>
      generateText({
        model,
        maxRetries: 0,
        maxOutputTokens: 8_000,
        temperature: 0.5,
        stopSequences: ['###'],
        instructions: 'Be brief.',
        tools: { look: { description: 'Looks.', inputSchema: jsonSchema(schema) } },
        toolChoice: 'required',
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Look' },
              { type: 'file', data: new Uint8Array([0, 0, 0]), mediaType: 'image/png' },
            ],
          },
          {
            role: 'assistant',
            content: [
              { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: { at: 'sky' } },
            ],
          },
          {
            role: 'tool',
            content: [
              {
                type: 'tool-result',
                toolCallId: 'c1',
                toolName: 'look',
                output: { type: 'text', value: 'blue' },
              },
            ],
          },
        ],
      }),
    );
    const { body } = encoded({
      system: [{ kind: 'text', text: 'Be brief.' }],
      temperature: 0.5,
      stop: ['###'],
      tools: [{ name: 'look', description: 'Looks.', schema }],
      toolChoice: { kind: 'required' },
      turns: [
        {
          role: 'user',
          parts: [
            { kind: 'text', text: 'Look' },
            { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
          ],
        },
        {
          role: 'assistant',
          parts: [{ kind: 'tool-call', id: 'c1', name: 'look', arguments: '{"at":"sky"}' }],
        },
        {
          role: 'user',
          parts: [
            {
              kind: 'tool-result',
              callId: 'c1',
              content: [{ kind: 'text', text: 'blue' }],
              isError: false,
            },
          ],
        },
      ],
    });
    // It writes a lone text as a string, which is short for one block of text.
    body.messages[2].content[0].content = 'blue';
    expect(body).toEqual(sent);
  });

  it('sends the same schema', async () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string' } },
      required: ['a'],
      additionalProperties: false,
    } as const;
    const sent = await sentBy((model) =>
      generateText({
        model,
        maxRetries: 0,
        maxOutputTokens: 8_000,
        prompt: 'Hi',
        output: Output.object({ schema: jsonSchema(schema) }),
      }),
    );
    expect(encoded({ output: { kind: 'schema', name: 'a', schema } }).body).toEqual(sent);
  });
});

it('a messages call is translated with what the gateway knows of it', () => {
  const bytes = Buffer.from(
    JSON.stringify({
      model: 'm',
      max_tokens: 10,
      messages: [{ role: 'user', content: 'Hello there' }],
    }),
  );
  const { translation } = messagesCall(bytes, {});
  const encoder = translation?.encoder({ requestId: 'req_1', model: 'm', createdAtSeconds: 0 });
  const text = encoder?.encode({ kind: 'text', text: 'Hi' }) ?? '';
  expect(text).toMatch(/"input_tokens":[1-9]/);
});
