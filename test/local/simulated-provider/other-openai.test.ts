import OpenAI, { AzureOpenAI } from 'openai';
import { expect, it } from 'vitest';
import { ask, collect, latestRow, startForTest } from './provider-under-test.ts';

const weather = {
  type: 'function' as const,
  name: 'weather',
  strict: true,
  parameters: { type: 'object', properties: { city: { const: 'Zürich' } } },
};

it('answers responses as chat, whole and through the SDK’s accumulator', async () => {
  const { client, provider } = await startForTest();
  const chat = await client.chat.completions.create({ model: 'sim-small', messages: ask() });
  const asked = { model: 'sim-small', input: 'Tell me about budgets.', store: false };
  const whole = await client.responses.create(asked);
  expect(whole.output_text).toBe(chat.choices[0]?.message.content);
  expect(whole.usage).toMatchObject({
    input_tokens: chat.usage?.prompt_tokens,
    output_tokens: chat.usage?.completion_tokens,
  });
  const streamed = await client.responses.stream(asked).finalResponse();
  expect(streamed.output_text).toBe(whole.output_text);
  expect(streamed.usage).toEqual(whole.usage);
  expect(await latestRow(provider)).toMatchObject({
    dialect: 'openai-responses',
    usageReported: true,
  });
});

it('numbers every event of a response, and closes all that it opens', async () => {
  const { client } = await startForTest();
  const model = 'sim-small+calls=2+preamble=2';
  const input = 'Weather?';
  const reasoning = { effort: 'low' as const, summary: 'auto' as const };
  const events = await collect(
    await client.responses.create({ model, input, reasoning, tools: [weather], stream: true }),
  );
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
  const of = (type: string) => events.filter((event) => event.type === type).length;
  expect([of('response.output_item.added'), of('response.output_item.done')]).toEqual([4, 4]);
  expect(events.at(-1)).toMatchObject({
    type: 'response.completed',
    response: {
      output: [
        { type: 'reasoning', summary: [{ type: 'summary_text' }] },
        { type: 'message' },
        { type: 'function_call', arguments: '{"city":"Zürich"}' },
        { type: 'function_call' },
      ],
      usage: { output_tokens_details: { reasoning_tokens: 12 } },
    },
  });
});

it('refuses stored state and outputs without their calls', async () => {
  const { client } = await startForTest();
  const model = 'sim-small';
  const stored = client.responses.create({ model, input: 'x', previous_response_id: 'resp_1' });
  await expect(stored).rejects.toMatchObject({ status: 400, param: 'previous_response_id' });
  const output = { type: 'function_call_output' as const, call_id: 'c', output: 'x' };
  await expect(client.responses.create({ model, input: [output] })).rejects.toThrow(/no tool call/);
});

it('is incomplete at the maximum, and dies with an event that says so', async () => {
  const { client } = await startForTest();
  const short = await client.responses.create({
    model: 'sim-small+tokens=50',
    input: 'x',
    max_output_tokens: 16,
  });
  expect(short).toMatchObject({ status: 'incomplete', usage: { output_tokens: 16 } });
  const events = await collect(
    await client.responses.create({ model: 'm+fault=no-usage', input: 'x', stream: true }),
  );
  expect(events.at(-1)).not.toHaveProperty('response.usage');
  const dies = async () =>
    collect(
      await client.responses.create({ model: 'm+fault=error-chunk', input: 'x', stream: true }),
    );
  await expect(dies()).rejects.toThrow(OpenAI.APIError);
});

it('embeds the same text in the same vector of length one, as floats and as base64', async () => {
  const { client, provider } = await startForTest();
  const asked = { model: 'sim-small', input: ['one', 'two'], dimensions: 8 };
  const floats = await client.embeddings.create({ ...asked, encoding_format: 'float' });
  const decoded = await client.embeddings.create(asked);
  const [one, two] = floats.data.map(({ embedding }) => embedding);
  expect(Math.hypot(...(one ?? []))).toBeCloseTo(1);
  expect(one).not.toEqual(two);
  expect(decoded.data[0]?.embedding[0]).toBeCloseTo(one?.[0] ?? 0);
  expect(floats.usage).toEqual({ prompt_tokens: 10, total_tokens: 10 });
  expect(await latestRow(provider)).toMatchObject({
    dialect: 'openai-embeddings',
    promptTokens: 10,
  });
});

it('is Azure at Azure’s addresses: deployment, version, filters first', async () => {
  const { provider } = await startForTest({ keys: ['azure-key'] });
  const dated = new AzureOpenAI({
    endpoint: provider.url,
    apiKey: 'azure-key',
    apiVersion: '2024-10-21',
    maxRetries: 0,
  });
  const chunks = await collect(
    await dated.chat.completions.create({
      model: 'sim-small+tokens=4',
      messages: ask(),
      stream: true,
    }),
  );
  expect(chunks[0]).toMatchObject({ id: '', choices: [], prompt_filter_results: [{}] });
  expect(chunks[1]?.choices[0]).toHaveProperty('content_filter_results');
  const newer = new OpenAI({
    baseURL: `${provider.url}/azure-openai/openai/v1`,
    apiKey: 'azure-key',
  });
  const whole = await newer.chat.completions.create({ model: 'sim-small', messages: ask() });
  expect(whole).toHaveProperty('prompt_filter_results');
  const unversioned = await fetch(`${provider.url}/openai/deployments/m/chat/completions`, {
    method: 'POST',
    headers: { 'api-key': 'azure-key' },
    body: '{}',
  });
  expect(unversioned.status).toBe(404);
});

it('is vLLM under its own name: shows its thoughts, knows a salt, numbers its errors', async () => {
  const { provider } = await startForTest();
  const vllm = new OpenAI({ baseURL: `${provider.url}/vllm/v1`, apiKey: 'k', maxRetries: 0 });
  const asked = { model: 'sim-small', messages: ask(), reasoning_effort: 'low' as const };
  const salted = { ...asked, cache_salt: 'salt' };
  const whole = await vllm.chat.completions.create(salted);
  expect(whole.choices[0]?.message).toHaveProperty('reasoning', expect.stringMatching(/\w/));
  const chunks = await collect(await vllm.chat.completions.create({ ...asked, stream: true }));
  expect(
    chunks.filter(({ choices }) => choices[0] && 'reasoning' in choices[0].delta),
  ).toHaveLength(12);
  const steered = { ...asked, chat_template: '{{ 7 }}' };
  await expect(vllm.chat.completions.create(steered)).rejects.toMatchObject({ code: 400 });
  await expect(vllm.responses.create({ model: 'm', input: 'x' })).rejects.toMatchObject({
    status: 404,
  });
});

it.each([
  ['usage-nan', '"completion_tokens":NaN'],
  ['wrong-model', '"model":"another-model-2026-01-01"'],
  ['refusal', '"delta":{"refusal":" cannot"}'],
])('fault=%s streams %s', async (fault, part) => {
  const { provider } = await startForTest();
  const body = { model: `m+fault=${fault}`, messages: ask(), stream: true };
  const response = await fetch(`${provider.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...body, stream_options: { include_usage: true } }),
  });
  expect(await response.text()).toContain(part);
});

it('fault=usage-late tells the usage after the end', async () => {
  const { provider } = await startForTest();
  const body = { model: 'm+fault=usage-late', messages: ask(), stream: true };
  const response = await fetch(`${provider.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...body, stream_options: { include_usage: true } }),
  });
  const text = await response.text();
  expect(text.indexOf('[DONE]')).toBeLessThan(text.indexOf('"usage":{'));
});
