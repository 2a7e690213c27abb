import { describe, expect, it } from 'vitest';
import { bedrockConverse } from '../../../../core/dialects/bedrock/converse.ts';
import type { Conversation, Part, Turn } from '../../../../core/dialects/conversation.ts';

const SONNET_4_5 = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const OPUS_4_8 = 'us.anthropic.claude-opus-4-8';
const NOVA = 'amazon.nova-pro-v1:0';
const LLAMA = 'meta.llama3-3-70b-instruct-v1:0';
const GPT_OSS = 'openai.gpt-oss-120b-1:0';
const MISTRAL = 'mistral.mistral-large-2407-v1:0';

const text = (said: string): Part => ({ kind: 'text', text: said });
const user = (...parts: Part[]): Turn => ({ role: 'user', parts });
const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts });
const call = (id: string, args = '{}'): Part => ({
  kind: 'tool-call',
  id,
  name: 'weather',
  arguments: args,
});
const result = (callId: string, said: string, isError = false): Part => ({
  kind: 'tool-result',
  callId,
  content: [{ kind: 'text', text: said }],
  isError,
});
const WEATHER = {
  name: 'weather',
  description: 'Tells it',
  schema: { type: 'object', properties: { city: { type: 'string' } } },
};

function encode(
  conversation: Partial<Conversation>,
  model = SONNET_4_5,
  maxOutputTokens = 500,
): { body: Record<string, unknown>; dropped: readonly string[] } {
  const whole: Conversation = {
    system: [],
    turns: [user(text('Hi'))],
    tools: [],
    stop: [],
    others: {},
    ...conversation,
  };
  const target = { dialect: 'bedrock-converse', model, maxOutputTokens, extra: {} } as const;
  const { body, dropped } = bedrockConverse.encode(whole, { ...target, stream: false });
  return { body: JSON.parse(body), dropped };
}

describe('a request to Converse', () => {
  it('carries system, sampling, stops and the maximum', () => {
    const { body, dropped } = encode({
      system: [{ kind: 'text', text: 'Be brief.' }],
      temperature: 0.2,
      topK: 5,
      stop: ['END'],
    });
    expect(body).toEqual({
      system: [{ text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ text: 'Hi' }] }],
      inferenceConfig: { maxTokens: 500, temperature: 0.2, stopSequences: ['END'] },
      additionalModelRequestFields: { top_k: 5 },
      additionalModelResponseFieldPaths: ['/delta/stop_sequence'],
    });
    expect(dropped).toEqual([]);
  });

  it('puts the results of parallel calls into one turn, before what the user says beside them', () => {
    const { body } = encode({
      tools: [WEATHER],
      turns: [
        user(text('Weather?')),
        assistant(text('I look.'), call('a', '{"city":"Köln"}'), call('b')),
        user(result('a', 'rain')),
        user(text('hurry'), result('b', 'no such city', true)),
      ],
    });
    expect(body['messages']).toEqual([
      { role: 'user', content: [{ text: 'Weather?' }] },
      {
        role: 'assistant',
        content: [
          { text: 'I look.' },
          { toolUse: { toolUseId: 'a', name: 'weather', input: { city: 'Köln' } } },
          { toolUse: { toolUseId: 'b', name: 'weather', input: {} } },
        ],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: 'a', content: [{ text: 'rain' }] } },
          {
            toolResult: { toolUseId: 'b', content: [{ text: 'no such city' }], status: 'error' },
          },
          { text: 'hurry' },
        ],
      },
    ]);
  });

  it('leaves out blank texts, and joins the turns that one stood between', () => {
    const turns = [user(text('a'), text(' ')), assistant(text('')), user(text('b'))];
    expect(encode({ turns }).body['messages']).toEqual([
      { role: 'user', content: [{ text: 'a' }, { text: 'b' }] },
    ]);
  });

  it('sends images as data, also within results', () => {
    const image: Part = {
      kind: 'image',
      source: { kind: 'base64', mediaType: 'image/jpeg', data: 'aGk=' },
    };
    expect(encode({ turns: [user(image)] }).body['messages']).toEqual([
      { role: 'user', content: [{ image: { format: 'jpeg', source: { bytes: 'aGk=' } } }] },
    ]);
  });

  it('sends back thinking that was signed, and names what was not', () => {
    const { body, dropped } = encode({
      turns: [
        user(text('a')),
        assistant(
          { kind: 'thinking', text: 'hm', signature: 'c2ln' },
          { kind: 'thinking', text: 'foreign', signature: undefined },
          { kind: 'redacted-thinking', data: 'eA==' },
          text('b'),
        ),
        user(text('c')),
      ],
    });
    expect(body['messages']).toContainEqual({
      role: 'assistant',
      content: [
        { reasoningContent: { reasoningText: { text: 'hm', signature: 'c2ln' } } },
        { reasoningContent: { redactedContent: 'eA==' } },
        { text: 'b' },
      ],
    });
    expect(dropped).toEqual(['messages.content.thinking']);
  });

  it('marks the cache where the caller did, for as long as asked', () => {
    const { body } = encode({
      system: [{ kind: 'text', text: 's', cache: '1h' }],
      tools: [{ ...WEATHER, cache: '5m' }],
      turns: [user({ kind: 'text', text: 'u', cache: '5m' })],
    });
    expect(body['system']).toEqual([{ text: 's' }, { cachePoint: { type: 'default', ttl: '1h' } }]);
    expect(body['messages']).toEqual([
      { role: 'user', content: [{ text: 'u' }, { cachePoint: { type: 'default' } }] },
    ]);
    expect(body['toolConfig']).toMatchObject({
      tools: [{ toolSpec: {} }, { cachePoint: { type: 'default' } }],
    });
  });

  it.each([
    [NOVA, { tools: 1, system: 2 }],
    [LLAMA, { tools: 1, system: 1 }],
  ])('leaves out the cache marks that %s has no place for, and says so', (model, blocks) => {
    const { body, dropped } = encode(
      {
        system: [{ kind: 'text', text: 's', cache: '1h' }],
        tools: [{ ...WEATHER, cache: '5m' }],
      },
      model,
    );
    expect(body['system']).toHaveLength(blocks.system);
    expect(body['toolConfig']).toMatchObject({ tools: { length: blocks.tools } });
    expect(dropped).toEqual(['cache_control']);
  });

  it('replaces the ids of calls that the model would refuse, alike in call and result', () => {
    const turns = [user(text('a')), assistant(call('c:1/ü')), user(result('c:1/ü', 'x'))];
    for (const [model, rule] of [
      [SONNET_4_5, /^[a-zA-Z0-9_-]{1,64}$/],
      [MISTRAL, /^[a-zA-Z0-9]{9}$/],
    ] as const) {
      const { messages } = JSON.parse(
        JSON.stringify(encode({ turns, tools: [WEATHER] }, model).body),
      );
      const id = messages[1].content[0].toolUse.toolUseId;
      expect(id).toMatch(rule);
      expect(messages[2].content[0].toolResult.toolUseId).toBe(id);
    }
  });

  it('leaves out what only tunes, and names it', () => {
    const others = { logit_bias: { a: 1 }, user: null, store: false };
    const { dropped } = encode({ seed: 1, frequencyPenalty: 1, presencePenalty: 1, others });
    expect([...dropped].sort()).toEqual([
      'frequency_penalty',
      'logit_bias',
      'presence_penalty',
      'seed',
    ]);
  });
});

describe('tools of Converse', () => {
  const history = [user(text('a')), assistant(call('a')), user(result('a', 'x'))];

  it.each([
    [{ kind: 'auto' }, { auto: {} }],
    [{ kind: 'required' }, { any: {} }],
    [{ kind: 'tool', name: 'weather' }, { tool: { name: 'weather' } }],
  ] as const)('may be chosen by %j', (toolChoice, sent) => {
    expect(encode({ tools: [WEATHER], toolChoice }).body['toolConfig']).toEqual({
      tools: [
        {
          toolSpec: {
            name: 'weather',
            description: 'Tells it',
            inputSchema: { json: WEATHER.schema },
          },
        },
      ],
      toolChoice: sent,
    });
  });

  it('are not sent when none may be used, and forbidden to Claude once they have been', () => {
    const none = { tools: [WEATHER], toolChoice: { kind: 'none' } } as const;
    expect(encode(none).body).not.toHaveProperty('toolConfig');
    expect(encode({ ...none, turns: history }).body).toMatchObject({
      toolConfig: { tools: { length: 1 } },
      additionalModelRequestFields: { tool_choice: { type: 'none' } },
    });
    expect(() => encode({ ...none, turns: history }, NOVA)).toThrow("'tool_choice'");
  });

  it('are called one at a time by Claude alone, which is told in its own words only', () => {
    const one = { tools: [WEATHER], parallelToolCalls: false } as const;
    const { body } = encode({ ...one, toolChoice: { kind: 'tool', name: 'weather' } });
    expect(body['additionalModelRequestFields']).toEqual({
      tool_choice: { type: 'tool', name: 'weather', disable_parallel_tool_use: true },
    });
    expect(body['toolConfig']).not.toHaveProperty('toolChoice');
    expect(() => encode(one, NOVA)).toThrow("'parallel_tool_calls'");
    expect(encode({ parallelToolCalls: false }, NOVA).dropped).toEqual([]);
  });

  it('must be named again once the conversation has used them', () => {
    expect(() => encode({ turns: history })).toThrow("'tools'");
  });

  it('are strict where the model knows that', () => {
    const tools = [{ ...WEATHER, strict: true }];
    expect(encode({ tools }).body['toolConfig']).toMatchObject({
      tools: [{ toolSpec: { strict: true } }],
    });
    expect(encode({ tools }, OPUS_4_8).dropped).toEqual(['strict']);
  });

  it('know failed results at Claude and Nova only', () => {
    const turns = [user(text('a')), assistant(call('a')), user(result('a', 'x', true))];
    expect(encode({ turns, tools: [WEATHER] }, LLAMA).dropped).toEqual([
      'messages.content.is_error',
    ]);
    expect(encode({ turns, tools: [WEATHER] }, NOVA).dropped).toEqual([]);
  });
});

describe('sampling, thinking and formats of Converse', () => {
  it.each([
    [SONNET_4_5, { temperature: 1 }, ['temperature', 'top_p']],
    [OPUS_4_8, {}, ['temperature', 'top_p', 'top_k']],
    [NOVA, { temperature: 1, topP: 0.5 }, ['temperature', 'top_k']],
  ])('keep to what %s knows', (model, config, names) => {
    const { body, dropped } = encode({ temperature: 1.5, topP: 0.5, topK: 3 }, model);
    expect(body['inferenceConfig']).toEqual({ maxTokens: 500, ...config });
    expect(dropped).toEqual(names);
  });

  it.each([
    [
      SONNET_4_5,
      { kind: 'budget', tokens: 2000 },
      { thinking: { type: 'enabled', budget_tokens: 2000 } },
    ],
    [SONNET_4_5, { kind: 'off' }, { thinking: { type: 'disabled' } }],
    [
      SONNET_4_5,
      { kind: 'effort', effort: 'medium' },
      { thinking: { type: 'enabled', budget_tokens: 2048 } },
    ],
    [SONNET_4_5, { kind: 'adaptive' }, { thinking: { type: 'enabled', budget_tokens: 2048 } }],
    [OPUS_4_8, { kind: 'adaptive' }, { thinking: { type: 'adaptive' } }],
    [OPUS_4_8, { kind: 'effort', effort: 'high' }, { thinking: { type: 'adaptive' } }],
    [
      NOVA,
      { kind: 'effort', effort: 'xhigh' },
      { reasoningConfig: { type: 'enabled', maxReasoningEffort: 'high' } },
    ],
    [GPT_OSS, { kind: 'effort', effort: 'minimal' }, { reasoning_effort: 'low' }],
  ] as const)('tell %s to think as %j', (model, thinking, additional) => {
    const { body, dropped } = encode({ thinking }, model, 4096);
    expect(body['additionalModelRequestFields']).toEqual(additional);
    expect(dropped).toEqual([]);
  });

  it('give the effort beside the thinking, and no sampling to a model that thinks', () => {
    const thinking = { kind: 'effort', effort: 'high' } as const;
    expect(encode({ thinking }, OPUS_4_8).body['outputConfig']).toEqual({ effort: 'high' });
    const { body, dropped } = encode({ thinking, temperature: 0.1 }, SONNET_4_5, 4096);
    expect(body['inferenceConfig']).toEqual({ maxTokens: 4096 });
    expect(dropped).toEqual(['temperature']);
  });

  it.each([
    [LLAMA, { kind: 'adaptive' }],
    [NOVA, { kind: 'budget', tokens: 5000 }],
    [SONNET_4_5, { kind: 'effort', effort: 'low' }],
  ] as const)('say that %s does not think as %j', (model, thinking) => {
    expect(encode({ thinking }, model, 1000).dropped).toEqual(['thinking']);
    expect(encode({ thinking: { kind: 'off' } }, LLAMA).dropped).toEqual([]);
  });

  it('hold the answer to a schema', () => {
    const schema = { type: 'object', properties: {}, additionalProperties: false };
    expect(encode({ output: { kind: 'schema', name: 's', schema } }).body['outputConfig']).toEqual({
      textFormat: {
        type: 'json_schema',
        structure: { jsonSchema: { schema: JSON.stringify(schema), name: 's' } },
      },
    });
  });
});

describe('what Converse cannot express', () => {
  const url: Part = { kind: 'image', source: { kind: 'url', url: 'https://example.com/a.png' } };
  const bmp: Part = {
    kind: 'image',
    source: { kind: 'base64', mediaType: 'image/bmp', data: 'eA==' },
  };
  it.each<[string, Partial<Conversation>, string?]>([
    ['messages', { turns: [user(url)] }],
    ['messages', { turns: [user(bmp)] }],
    ['messages', { turns: [assistant(text('I begin'))] }],
    ['messages', { turns: [user(text(' '))] }],
    ['messages', { turns: [] }],
    ['messages', { turns: [user(text('a')), assistant(call('a', '{"cut'))], tools: [WEATHER] }],
    ['messages', { turns: [user(text('a')), assistant(call('a', '[1]'))], tools: [WEATHER] }],
    ['messages', { turns: [user(call('a'))], tools: [WEATHER] }],
    ['messages', { turns: [user(text('a')), assistant(result('a', 'x'))], tools: [WEATHER] }],
    ['tools', { tools: [{ ...WEATHER, name: 'a b' }] }],
    ['response_format', { output: { kind: 'json' } }],
    ['stop', { stop: ['x'] }, GPT_OSS],
    ['n', { others: { n: 2 } }],
    ['logprobs', { others: { logprobs: true } }],
    ['mcp_servers', { others: { mcp_servers: [] } }],
  ])('is refused by the name of its field: %s', (field, conversation, model) => {
    expect(() => encode(conversation, model)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: field }),
    );
  });
});
