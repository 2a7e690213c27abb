import { createOpenAI } from '@ai-sdk/openai';
import { generateText, Output, tool } from 'ai';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { responsesCall } from '../../../../core/dialects/openai/responses-call.ts';
import { carry } from '../../../../core/dialects/openai/responses-reasoning.ts';
import { GatewayError } from '../../../../core/errors.ts';
import { bodyText } from '../../../support/body-text.ts';

function call(fields: Readonly<Record<string, unknown>>) {
  return responsesCall(Buffer.from(JSON.stringify({ model: 'smart', input: 'Hi', ...fields })));
}

function refusal(
  fields: Readonly<Record<string, unknown>>,
  of: (fields: Readonly<Record<string, unknown>>) => unknown = call,
): unknown {
  try {
    of(fields);
  } catch (error) {
    if (error instanceof GatewayError) return error.param;
    throw error;
  }
  return 'accepted';
}

const TARGET = {
  dialect: 'openai-responses',
  model: 'gpt-5.6',
  maxOutputTokens: 77,
  extra: {},
} as const;

function sent(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return JSON.parse(bodyText(call(fields).pass(TARGET).body));
}

describe('a Responses request', () => {
  it.each([
    [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ conversation: 'conv_1' }, 'conversation'],
    [{ prompt: { id: 'pmpt_1' } }, 'prompt'],
    [{ background: true }, 'background'],
    [{ context_management: [] }, 'context_management'],
    [{ tools: [{ type: 'web_search' }] }, 'tools.0.type'],
    [{ tools: [{ type: 'mcp', server_url: 'http://x' }] }, 'tools.0.type'],
    [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, 'input.0.type'],
    [
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] },
      'input.0.content.0.type',
    ],
    [
      {
        input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x', file_id: 'f' }] }],
      },
      'input.0.content.0.file_id',
    ],
    [{ input: [{ role: 'robot', content: 'x' }] }, 'input.0.role'],
    [{ input: [] }, 'input'],
    [{ input: 7 }, 'input'],
    [{ max_output_tokens: 0 }, 'max_output_tokens'],
    [{ max_output_tokens: 1.5 }, 'max_output_tokens'],
    [{ stream: 'true' }, 'stream'],
    [{ temperature: 'hot' }, 'temperature'],
    [{ service_tier: 'priority' }, 'service_tier'],
    [{ include: ['web_search_call.results'] }, 'include.0'],
    [{ reasoning: { mode: 'pro' } }, 'reasoning.mode'],
    [{ cache_salt: 'x' }, 'cache_salt'],
    [
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) },
      'metadata',
    ],
  ])('is refused by the name of its field: %j', (fields, param) => {
    expect(refusal(fields)).toBe(param);
  });

  it('takes what an empty field of the reference says', () => {
    const nulls = ['previous_response_id', 'conversation', 'prompt', 'background', 'tools', 'text'];
    expect(refusal(Object.fromEntries(nulls.map((field) => [field, null])))).toBe('accepted');
    expect(refusal({ background: false, store: false })).toBe('accepted');
  });

  it('takes back its own answer, item by item', () => {
    const input = [
      { role: 'user', content: 'Hi' },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'abc' },
      {
        type: 'message',
        id: 'msg_1',
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'x', annotations: [], logprobs: [] }],
      },
      {
        type: 'function_call',
        id: 'fc_1',
        call_id: 'c',
        name: 'f',
        arguments: '{}',
        status: 'completed',
      },
      { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: 'y' }] },
    ];
    expect(sent({ input })['input']).toEqual([{ type: 'message', ...input[0] }, ...input.slice(1)]);
  });

  it('bounds images beside the bytes of the body', () => {
    const image = { type: 'input_image', image_url: 'https://x/y.png' };
    const input = [
      { role: 'user', content: [image, image] },
      { type: 'function_call_output', call_id: 'c', output: [image] },
    ];
    expect(call({ input }).tokensBesideText).toBe(36_000);
  });
});

const THOUGHT = carry({ kind: 'thinking', text: 'Hm', signature: 's' });

describe('the AI SDK', () => {
  const image = Buffer.from('iVBORw0KGgo=', 'base64');
  const opening = {
    role: 'user' as const,
    content: [
      { type: 'text' as const, text: 'What is it, and what is the weather there?' },
      { type: 'file' as const, data: image, mediaType: 'image/png' },
    ],
  };
  const answered = [
    {
      role: 'assistant' as const,
      content: [
        {
          type: 'reasoning' as const,
          text: 'Hm',
          providerOptions: { openai: { itemId: 'rs_1', reasoningEncryptedContent: THOUGHT } },
        },
        {
          type: 'text' as const,
          text: 'Let me look.',
          providerOptions: { openai: { itemId: 'msg_1' } },
        },
        {
          type: 'tool-call' as const,
          toolCallId: 'c1',
          toolName: 'weather',
          input: { city: 'Bern' },
        },
      ],
    },
    {
      role: 'tool' as const,
      content: [
        {
          type: 'tool-result' as const,
          toolCallId: 'c1',
          toolName: 'weather',
          output: { type: 'text' as const, value: 'sunny' },
        },
      ],
    },
  ];

  /** The body that it sends; the answer does not matter. */
  async function bodySent(store: boolean | undefined): Promise<Record<string, unknown>> {
    let body = '{}';
    const fetching: typeof fetch = async (_url, init) => {
      body = String(init?.body);
      return new Response('{}', { status: 400 });
    };
    const result = generateText({
      model: createOpenAI({ apiKey: 'k', fetch: fetching }).responses('gpt-5.6'),
      instructions: 'Be brief.',
      messages: [opening, ...answered],
      tools: { weather: tool({ inputSchema: z.object({ city: z.string() }) }) },
      output: Output.object({ schema: z.object({ answer: z.string() }) }),
      maxRetries: 0,
      providerOptions: {
        openai: {
          reasoningEffort: 'low',
          reasoningSummary: 'auto',
          ...(store === undefined ? {} : { store }),
        },
      },
    });
    await expect(result).rejects.toThrow();
    return JSON.parse(body);
  }

  it('is understood, with images, tools, their results, a schema and reasoning', async () => {
    const { model: _, ...body } = await bodySent(false);
    expect(call(body).translation?.conversation()).toMatchObject({
      system: [{ text: 'Be brief.' }],
      turns: [
        { role: 'user', parts: [{ kind: 'text' }, { source: { kind: 'base64' } }] },
        {
          role: 'assistant',
          parts: [
            { kind: 'thinking', text: 'Hm', signature: 's' },
            { text: 'Let me look.' },
            { id: 'c1', name: 'weather', arguments: '{"city":"Bern"}' },
          ],
        },
        { role: 'user', parts: [{ callId: 'c1', content: [{ text: 'sunny' }] }] },
      ],
      tools: [{ name: 'weather', schema: { required: ['city'] } }],
      output: { kind: 'schema', schema: { required: ['answer'] } },
      thinking: { kind: 'effort', effort: 'low' },
    });
    expect(call(body).tokensBesideText).toBe(12_000 + 2_000);
  });

  it('that counts on stored items is told how not to', async () => {
    const body = await bodySent(undefined);
    expect(() => call(body)).toThrow('set `store` to false');
  });
});

describe('passed on to a provider of the dialect', () => {
  it('has the gateway’s model and maximum, is never stored, and keeps the rest as it came', () => {
    const kept = {
      instructions: 'Be brief.',
      tools: [{ type: 'function', name: 'f', parameters: {}, strict: true }],
      text: { format: { type: 'text' }, verbosity: 'low' },
      reasoning: { effort: 'low', summary: 'auto' },
      include: ['reasoning.encrypted_content'],
      truncation: 'auto',
    };
    expect(sent({ ...kept, max_output_tokens: 999, store: true, stream: true })).toEqual({
      ...kept,
      input: 'Hi',
      stream: true,
      model: 'gpt-5.6',
      max_output_tokens: 77,
      store: false,
    });
  });

  it('keeps what identifies tenants and users inside, and says what it left out', () => {
    const fields = {
      user: 'ann',
      metadata: { feature: 'x' },
      safety_identifier: 's',
      prompt_cache_key: 'k',
      store: true,
    };
    expect(Object.keys(sent(fields))).toEqual(['model', 'input', 'store', 'max_output_tokens']);
    const dropped = ['store', 'prompt_cache_key', 'safety_identifier'];
    expect(call(fields).pass(TARGET).dropped).toEqual(dropped);
    expect(call(fields)).toMatchObject({ endUser: 'ann', tags: { feature: 'x' } });
  });

  it('leaves out the reasoning of another provider, which this one could not read', () => {
    const encrypted_content = carry({ kind: 'thinking', text: 'Hm', signature: 's' });
    const input = [
      { type: 'reasoning', summary: [], encrypted_content },
      { type: 'reasoning', summary: [], encrypted_content: 'gAAAA' },
    ];
    expect(sent({ input })['input']).toEqual([input[1]]);
    expect(call({ input }).pass(TARGET).dropped).toEqual(['input.reasoning']);
  });
});

describe('in no dialect’s words', () => {
  const conversation = (fields: Readonly<Record<string, unknown>>) =>
    call(fields).translation?.conversation();

  it('has instructions first, turns of roles, calls and results, and thinking to the letter', () => {
    const encrypted_content = carry({ kind: 'thinking', text: 'Hm', signature: 's' });
    expect(
      conversation({
        instructions: 'Be brief.',
        input: [
          { role: 'developer', content: [{ type: 'input_text', text: 'In French.' }] },
          {
            role: 'user',
            content: [
              { type: 'input_text', text: 'What is this?' },
              { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
            ],
          },
          { type: 'reasoning', summary: [], encrypted_content },
          { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{"a":1}' },
          { type: 'function_call', call_id: 'c2', name: 'f', arguments: '{}' },
          { type: 'function_call_output', call_id: 'c1', output: 'one' },
          { type: 'function_call_output', call_id: 'c2', output: 'two' },
        ],
        tools: [
          {
            type: 'function',
            name: 'f',
            description: 'F',
            parameters: { type: 'object' },
            strict: true,
          },
        ],
        tool_choice: { type: 'function', name: 'f' },
        parallel_tool_calls: false,
        text: {
          format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
        },
        reasoning: { effort: 'high' },
        temperature: 0.5,
        top_p: 0.9,
      }),
    ).toEqual({
      system: [
        { kind: 'text', text: 'Be brief.' },
        { kind: 'text', text: 'In French.' },
      ],
      turns: [
        {
          role: 'user',
          parts: [
            { kind: 'text', text: 'What is this?' },
            { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' } },
          ],
        },
        {
          role: 'assistant',
          parts: [
            { kind: 'thinking', text: 'Hm', signature: 's' },
            { kind: 'tool-call', id: 'c1', name: 'f', arguments: '{"a":1}' },
            { kind: 'tool-call', id: 'c2', name: 'f', arguments: '{}' },
          ],
        },
        {
          role: 'user',
          parts: ['one', 'two'].map((text, index) => ({
            kind: 'tool-result',
            callId: `c${index + 1}`,
            content: [{ kind: 'text', text }],
            isError: false,
          })),
        },
      ],
      tools: [{ name: 'f', description: 'F', schema: { type: 'object' }, strict: true }],
      toolChoice: { kind: 'tool', name: 'f' },
      parallelToolCalls: false,
      output: { kind: 'schema', name: 'n', schema: { type: 'object' }, strict: true },
      thinking: { kind: 'effort', effort: 'high' },
      temperature: 0.5,
      topP: 0.9,
      stop: [],
      others: {},
      leftOut: [],
    });
  });

  it.each([
    [{ top_logprobs: 3 }, 'top_logprobs'],
    [{ include: ['message.output_text.logprobs'] }, 'top_logprobs'],
    [{ tools: [{ type: 'custom', name: 'sql' }] }, 'tools'],
    [{ input: [{ type: 'custom_tool_call', call_id: 'c', name: 'sql', input: 'x' }] }, 'tools'],
    [{ tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [] } }, 'tool_choice'],
    [
      { input: [{ role: 'assistant', content: [{ type: 'input_image', image_url: 'x' }] }] },
      'input.0.content',
    ],
  ])('has no word for what only this dialect has: %j', (fields, param) => {
    expect(refusal(fields)).toBe('accepted');
    expect(refusal(fields, conversation)).toBe(param);
  });

  it('keeps later instructions in their place, and says that their role got lost', () => {
    const input = [
      { role: 'system', content: 'One.' },
      { role: 'user', content: 'Two.' },
      { role: 'developer', content: 'Three.' },
      {
        role: 'user',
        content: [{ type: 'input_image', image_url: 'https://x/y.png', detail: 'low' }],
      },
    ];
    expect(conversation({ input })).toMatchObject({
      system: [{ text: 'One.' }],
      turns: [
        {
          role: 'user',
          parts: [{ text: 'Two.' }, { text: 'Three.' }, { source: { url: 'https://x/y.png' } }],
        },
      ],
      leftOut: ['input.role', 'input.content.detail'],
    });
    expect(conversation({ input: input.slice(0, 2) })?.leftOut).toEqual([]);
  });

  it('leaves out what only tunes, and says so', () => {
    const fields = {
      text: { verbosity: 'low' },
      truncation: 'auto',
      max_tool_calls: 3,
      store: true,
    };
    expect(conversation(fields)?.leftOut).toEqual([
      'store',
      'text.verbosity',
      'max_tool_calls',
      'truncation',
    ]);
  });
});
