import { describe, expect, it } from 'vitest';
import { chatCall } from '../../../../core/dialects/openai/chat-call.ts';
import { CHAT_LOSSES } from '../../../../core/dialects/openai/chat-losses.ts';
import { GatewayError } from '../../../../core/errors.ts';

const HELLO = { role: 'user', content: 'Hi' };

function conversation(body: Record<string, unknown>) {
  const bytes = Buffer.from(JSON.stringify({ model: 'alias', messages: [HELLO], ...body }));
  const said = chatCall(bytes).translation?.conversation();
  if (said === undefined) throw new Error('no translation');
  return said;
}

const turns = (...messages: unknown[]) => conversation({ messages }).turns;
const text = (said: string) => ({ kind: 'text', text: said });

function refused(body: Record<string, unknown>): GatewayError {
  try {
    conversation(body);
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
  }
  throw new Error('not refused');
}

describe('messages become turns', () => {
  it('in which neighbours of one role are one, and what says nothing is left out', () => {
    expect(
      turns(
        HELLO,
        {
          role: 'user',
          content: [
            { type: 'text', text: 'you' },
            { type: 'text', text: '' },
          ],
        },
        { role: 'assistant', content: 'A', refusal: null, annotations: [], audio: null },
        { role: 'assistant', content: null, tool_calls: null },
        { role: 'user', content: 'B' },
      ),
    ).toEqual([
      { role: 'user', parts: [text('Hi'), text('you')] },
      { role: 'assistant', parts: [text('A')] },
      { role: 'user', parts: [text('B')] },
    ]);
  });

  it('with the first instructions as the system prompt, of whichever role', () => {
    const { system, turns: rest } = conversation({
      messages: [
        { role: 'system', content: 'One.' },
        {
          role: 'developer',
          content: [{ type: 'text', text: 'Two.', cache_control: { type: 'ephemeral' } }],
        },
        HELLO,
      ],
    });
    expect(system).toEqual([text('One.'), { ...text('Two.'), cache: '5m' }]);
    expect(rest).toHaveLength(1);
  });

  it('with later instructions in their place, and the loss of their role is told', () => {
    const { turns: all, leftOut } = conversation({
      messages: [
        HELLO,
        { role: 'assistant', content: 'Yes?' },
        { role: 'system', content: 'Be brief.' },
        HELLO,
      ],
    });
    expect(all[2]).toEqual({ role: 'user', parts: [text('Be brief.'), text('Hi')] });
    expect(leftOut).toEqual(['messages.role']);
  });

  it('with calls, their results and images', () => {
    const url = 'data:image/PNG;base64,aGk=';
    expect(
      turns(
        { role: 'user', content: [{ type: 'image_url', image_url: { url } }] },
        {
          role: 'assistant',
          content: 'Looking.',
          reasoning_content: 'Hm.',
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'look', arguments: '' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: 'seen' }] },
        { role: 'user', content: 'And?' },
      ),
    ).toEqual([
      {
        role: 'user',
        parts: [
          { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'aGk=' } },
        ],
      },
      {
        role: 'assistant',
        parts: [
          { kind: 'thinking', text: 'Hm.', signature: undefined },
          text('Looking.'),
          { kind: 'tool-call', id: 'a', name: 'look', arguments: '{}' },
        ],
      },
      {
        role: 'user',
        parts: [
          { kind: 'tool-result', callId: 'a', content: [text('seen')], isError: false },
          text('And?'),
        ],
      },
    ]);
  });

  it('with functions of the old kind as calls whose results find them', () => {
    const parts = turns(
      HELLO,
      { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
      { role: 'function', name: 'f', content: '1' },
      { role: 'assistant', content: null, function_call: { name: 'g', arguments: '{}' } },
      { role: 'function', name: 'g', content: '2' },
    ).flatMap((turn) => turn.parts);
    const ids = parts.flatMap((part) =>
      part.kind === 'tool-call' ? [part.id] : part.kind === 'tool-result' ? [part.callId] : [],
    );
    expect(ids).toEqual([
      'call_function_1',
      'call_function_1',
      'call_function_2',
      'call_function_2',
    ]);
  });
});

describe('settings', () => {
  it('of the old kind are tools of which one is called at a time', () => {
    expect(
      conversation({ functions: [{ name: 'f' }], function_call: { name: 'f' } }),
    ).toMatchObject({
      tools: [{ name: 'f', schema: { type: 'object', properties: {} } }],
      toolChoice: { kind: 'tool', name: 'f' },
      parallelToolCalls: false,
    });
  });

  it('that say what would be anyway say nothing', () => {
    const said = conversation({
      n: 1,
      logprobs: false,
      top_logprobs: 0,
      stop: null,
      tools: null,
      tool_choice: null,
      response_format: { type: 'text' },
      store: false,
      metadata: { feature: 'x' },
      user: 'jane',
    });
    expect(said).toEqual({
      system: [],
      turns: said.turns,
      tools: [],
      stop: [],
      others: {},
      leftOut: [],
    });
  });

  it('switch thinking off, or say how hard it should be', () => {
    expect(conversation({ reasoning_effort: 'none' }).thinking).toEqual({ kind: 'off' });
    expect(conversation({ reasoning_effort: 'high' }).thinking).toEqual({
      kind: 'effort',
      effort: 'high',
    });
  });

  it.each([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['top_logprobs', { top_logprobs: 3 }],
    ['tools.0.type', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
    ['tool_choice', { tool_choice: { type: 'allowed_tools' } }],
    [
      'response_format.json_schema.schema',
      { response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
    ],
    ['reasoning_effort', { reasoning_effort: 'enormous' }],
    ['stop', { stop: [1] }],
    ['messages.0.content', { messages: [{ role: 'user', content: { text: 'CANARY' } }] }],
    [
      'messages.0.content.1.type',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'video' }] }] },
    ],
    [
      'messages.0.content.image_url.url',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///CANARY' } }] },
        ],
      },
    ],
    [
      'messages.0.content',
      {
        messages: [
          { role: 'system', content: [{ type: 'image_url', image_url: { url: 'https://a' } }] },
        ],
      },
    ],
    [
      'messages.0.content',
      { messages: [{ role: 'user', content: [{ type: 'refusal', refusal: 'x' }] }] },
    ],
    ['messages.0.audio', { messages: [{ role: 'assistant', audio: { id: 'x' } }] }],
    ['messages.0.surprise', { messages: [{ role: 'user', content: 'x', surprise: 1 }] }],
    ['messages.0.tool_call_id', { messages: [{ role: 'tool', content: 'x' }] }],
    [
      'messages.0.tool_calls.0.function.arguments',
      {
        messages: [
          {
            role: 'assistant',
            tool_calls: [
              { id: 'a', type: 'function', function: { name: 'f', arguments: '{CANARY' } },
            ],
          },
        ],
      },
    ],
  ])('that no other dialect can express are refused by name: %s', (param, body) => {
    const error = refused(body);
    expect([error.code, error.param]).toEqual(['invalid_request', param]);
    expect(error.publicMessage).not.toContain('CANARY');
  });

  it('that only tune are dropped and told', () => {
    const { leftOut = [] } = conversation({
      logit_bias: { 1: 2 },
      verbosity: 'low',
      prompt_cache_key: 'mine',
      safety_identifier: 'jane',
      store: true,
      prompt_cache_options: { mode: 'explicit' },
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'x', description: 'y', schema: {} },
      },
      messages: [
        {
          role: 'user',
          name: 'ann',
          content: [{ type: 'image_url', image_url: { url: 'https://a', detail: 'low' } }],
        },
      ],
    });
    expect([...leftOut].sort()).toEqual([
      'logit_bias',
      'messages.content.image_url.detail',
      'messages.name',
      'prompt_cache_key',
      'prompt_cache_options',
      'response_format.json_schema.description',
      'safety_identifier',
      'store',
      'verbosity',
    ]);
  });

  it('each stand in the table once', () => {
    const fields = CHAT_LOSSES.map(({ field }) => field);
    expect(new Set(fields).size).toBe(fields.length);
  });
});
