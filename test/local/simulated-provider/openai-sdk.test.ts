import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { ask, collect, startForTest } from './provider-under-test.ts';

const weatherTool = {
  type: 'function' as const,
  function: {
    name: 'weather',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string', enum: ['Zürich', 'Oslo'] },
        days: { type: 'integer', minimum: 3 },
        units: { $ref: '#/$defs/units' },
      },
      $defs: { units: { const: 'metric' } },
      required: ['city', 'days'],
    },
  },
};

describe('a plain answer', () => {
  it('is the same for the same prompt, and another for another', async () => {
    const { client } = await startForTest();
    const contentFor = async (text: string) => {
      const answer = await client.chat.completions.create({
        model: 'sim-small',
        messages: ask(text),
      });
      return answer.choices[0]?.message.content;
    };
    expect(await contentFor('one')).toBe(await contentFor('one'));
    expect(await contentFor('one')).not.toBe(await contentFor('two'));
  });

  it('counts tokens, cached and reasoning tokens inside the totals', async () => {
    const { client } = await startForTest();
    const answer = await client.chat.completions.create({
      model: 'sim-small+tokens=30+reasoning=12+cached=3',
      messages: ask('x'.repeat(40)),
    });
    expect(answer.usage).toMatchObject({
      prompt_tokens: 14,
      completion_tokens: 42,
      total_tokens: 56,
      prompt_tokens_details: { cached_tokens: 3 },
      completion_tokens_details: { reasoning_tokens: 12 },
    });
    expect(answer.choices[0]?.finish_reason).toBe('stop');
    expect(answer.choices[0]?.message.content?.split(' ')).toHaveLength(30);
  });

  it('reports half of a long prompt as cached, in steps of 128', async () => {
    const { client } = await startForTest();
    const messages = ask('y'.repeat(8000));
    const { usage } = await client.chat.completions.create({ model: 'sim-small', messages });
    expect(usage).toMatchObject({
      prompt_tokens: 2004,
      prompt_tokens_details: { cached_tokens: 896 },
    });
  });

  it('stops at max_completion_tokens, reasoning included', async () => {
    const { client } = await startForTest();
    const answer = await client.chat.completions.create({
      model: 'sim-small+tokens=50+reasoning=4',
      messages: ask(),
      max_completion_tokens: 10,
    });
    expect(answer.usage?.completion_tokens).toBe(10);
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'length' });
    expect(answer.choices[0]?.message.content?.split(' ')).toHaveLength(6);
  });

  it('says nothing when thinking takes all of max_tokens', async () => {
    const { client } = await startForTest();
    const model = 'sim-small+reasoning=500';
    const answer = await client.chat.completions.create({ model, messages: ask(), max_tokens: 10 });
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '' } });
    expect(answer.usage).toMatchObject({
      completion_tokens: 10,
      completion_tokens_details: { reasoning_tokens: 10 },
    });
  });

  it('ends before a stop sequence and bills what was said', async () => {
    const { client } = await startForTest();
    const request = { model: 'sim-small+tokens=20', messages: ask() };
    const whole = await client.chat.completions.create(request);
    const words = whole.choices[0]?.message.content?.split(' ') ?? [];
    const stop = ` ${words[6]}`;
    const answer = await client.chat.completions.create({ ...request, stop: [stop, 'never said'] });
    const content = answer.choices[0]?.message.content ?? '';
    expect(words.join(' ').startsWith(content + stop)).toBe(true);
    expect(answer.usage?.completion_tokens).toBe(content.split(' ').length);
    expect(answer.choices[0]?.finish_reason).toBe('stop');
  });

  it('gives n different choices and bills them all', async () => {
    const { client } = await startForTest();
    const answer = await client.chat.completions.create({
      model: 'sim-small+tokens=15',
      messages: ask(),
      n: 3,
    });
    expect(new Set(answer.choices.map(({ message }) => message.content)).size).toBe(3);
    expect(answer.usage?.completion_tokens).toBe(45);
  });

  it('satisfies a JSON schema asked for', async () => {
    const { client } = await startForTest();
    const schema = {
      type: 'object',
      properties: { ids: { type: 'array', minItems: 2, items: { type: 'number' } } },
    };
    const answer = await client.chat.completions.create({
      model: 'sim-small',
      messages: ask(),
      response_format: { type: 'json_schema', json_schema: { name: 'ids', schema } },
    });
    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual({ ids: [1, 1] });
  });
});

describe('a streamed answer', () => {
  it('says the same as the plain one, in OpenAI’s order of events', async () => {
    const { client } = await startForTest();
    const request = { model: 'sim-small+tokens=25', messages: ask() };
    const plain = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(plain.choices[0]?.message.content);
    expect(chunks).toHaveLength(1 + 25 + 1 + 1);
    expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: 'assistant', content: '' });
    expect(chunks.at(-2)?.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: plain.usage });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  it('says nothing of usage when not asked', async () => {
    const { client } = await startForTest();
    const stream = await client.chat.completions.create({
      model: 'sim-small+chunks=2',
      messages: ask(),
      stream: true,
    });
    const chunks = await collect(stream);
    expect(chunks).toHaveLength(4);
    expect(chunks.some((chunk) => 'usage' in chunk)).toBe(false);
  });

  it('arrives as it is generated', async () => {
    const { client } = await startForTest();
    const startedAt = performance.now();
    const stream = await client.chat.completions.create({
      model: 'sim-small+ttft=60+tps=100+tokens=20',
      messages: ask(),
      stream: true,
    });
    const arrivals: number[] = [];
    for await (const _ of stream) arrivals.push(performance.now() - startedAt);
    expect(arrivals[0]).toBeGreaterThan(55);
    expect(arrivals.at(-1)).toBeGreaterThan(255);
    expect(arrivals[10]).toBeLessThan((arrivals.at(-1) ?? 0) - 50);
  });

  it.each(['bytes', 'random'])('reads the same when its bytes are split: %s', async (split) => {
    const { client } = await startForTest();
    const contentOf = async (model: string) => {
      const stream = client.chat.completions.stream({ model, messages: ask('split'), n: 1 });
      return stream.finalContent();
    };
    const whole = await contentOf('sim-small+tokens=60');
    expect(whole).toMatch(/[^\0-\x7f]/);
    expect(await contentOf(`sim-small+tokens=60+split=${split}`)).toBe(whole);
  });
});

describe('tools', () => {
  it('calls the tool with arguments that satisfy its schema, in fragments', async () => {
    const { client } = await startForTest();
    const stream = await client.chat.completions.create({
      model: 'sim-small',
      messages: ask(),
      tools: [weatherTool],
      stream: true,
    });
    const calls = (await collect(stream)).flatMap(
      (chunk) => chunk.choices[0]?.delta.tool_calls ?? [],
    );
    expect(calls.filter(({ id }) => id !== undefined)).toHaveLength(1);
    expect(calls[0]).toMatchObject({ index: 0, function: { name: 'weather', arguments: '' } });
    const fragments = calls.map((call) => call.function?.arguments ?? '');
    expect(fragments.length).toBeGreaterThan(5);
    expect(JSON.parse(fragments.join(''))).toEqual({ city: 'Zürich', days: 3, units: 'metric' });
  });

  it('answers a tool’s result, and tool_choice none, in text', async () => {
    const { client } = await startForTest();
    const request = { model: 'sim-small', messages: ask(), tools: [weatherTool] };
    const called = await client.chat.completions.create(request);
    const message = called.choices[0]?.message;
    const [call] = message?.tool_calls ?? [];
    if (message === undefined || call === undefined) throw new Error('no tool was called');
    expect(called.choices[0]?.finish_reason).toBe('tool_calls');
    const result = { role: 'tool' as const, tool_call_id: call.id, content: '21 degrees' };
    const messages = [...ask(), message, result];
    const answered = await client.chat.completions.create({ ...request, messages });
    const refused = await client.chat.completions.create({ ...request, tool_choice: 'none' });
    expect(answered.choices[0]?.message.tool_calls).toBeUndefined();
    expect(answered.choices[0]?.message.content).toBeTruthy();
    expect(refused.choices[0]?.finish_reason).toBe('stop');
  });
});

describe('errors', () => {
  it('refuses a wrong key', async () => {
    const { client } = await startForTest({ keys: ['another-key'] });
    const call = client.chat.completions.create({ model: 'sim-small', messages: ask() });
    await expect(call).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(client.models.list()).rejects.toMatchObject({ code: 'invalid_api_key' });
  });

  it.each(['sim-small+tokens=many', 'sim-small+colour=red', 'sim-small+fault=200', 'other'])(
    'knows no model %s',
    async (model) => {
      const { client } = await startForTest({ models: ['sim-small'] });
      const call = client.chat.completions.create({ model, messages: ask() });
      await expect(call).rejects.toThrow(OpenAI.NotFoundError);
      await expect(call).rejects.toMatchObject({ code: 'model_not_found' });
    },
  );

  it.each([
    ['{"model":', null],
    ['[]', null],
    ['{"model":"sim-small","messages":[]}', 'messages'],
    ['{"model":"sim-small","messages":[{"role":"user","content":1}]}', 'messages.0.content'],
    [
      '{"model":"sim-small","messages":[{"role":"user","content":"x"}],"cache_salt":"s"}',
      'cache_salt',
    ],
    [
      '{"model":"sim-small","messages":[{"role":"tool","tool_call_id":"c","content":"x"}]}',
      'messages',
    ],
    ['{"model":"sim-small","messages":[{"role":"user","content":"x"}],"n":1000000000}', 'n'],
  ])('refuses the body %s with its parameter', async (body, param) => {
    const { provider } = await startForTest();
    const response = await fetch(`${provider.url}/v1/chat/completions`, { method: 'POST', body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { type: 'invalid_request_error', param },
    });
  });

  it('lists its models and knows no other address', async () => {
    const { client, provider } = await startForTest({ models: ['a', 'b'] });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['a', 'b']);
    expect((await client.models.retrieve('b')).id).toBe('b');
    expect((await fetch(`${provider.url}/health`)).status).toBe(200);
    expect((await fetch(`${provider.url}/v2/elsewhere`)).status).toBe(404);
  });
});
