import Anthropic from '@anthropic-ai/sdk';
import { expect, it } from 'vitest';
import { ask, collect, latestRow, startForTest } from './provider-under-test.ts';

type Params = Anthropic.MessageCreateParamsNonStreaming;

const weather = {
  name: 'weather',
  input_schema: {
    type: 'object' as const,
    properties: { city: { const: 'Zürich' } },
    required: ['city'],
  },
};
const LONG = 'A rule of the house. '.repeat(400);

async function startAnthropic() {
  const { provider, client: openai } = await startForTest();
  const client = new Anthropic({ apiKey: 'test-key', baseURL: provider.url, maxRetries: 0 });
  const create = (params: Partial<Params>) =>
    client.messages.create({ model: 'sim-small', max_tokens: 2000, messages: ask(), ...params });
  const stream = (params: Partial<Params>) =>
    client.messages.stream({ model: 'sim-small', max_tokens: 2000, messages: ask(), ...params });
  return { provider, openai, client, create, stream };
}

it('says the same as in OpenAI’s dialect, whole and streamed', async () => {
  const { create, stream, openai } = await startAnthropic();
  const chat = await openai.chat.completions.create({ model: 'sim-small', messages: ask() });
  const text = chat.choices[0]?.message.content;
  const whole = await create({});
  expect(whole).toMatchObject({ stop_reason: 'end_turn', content: [{ type: 'text', text }] });
  const streamed = await stream({}).finalMessage();
  expect(streamed.content).toEqual(whole.content);
  expect(streamed.usage).toMatchObject(whole.usage);
  expect(whole.usage).toMatchObject({
    input_tokens: chat.usage?.prompt_tokens,
    output_tokens: chat.usage?.completion_tokens,
  });
});

it('tells the input in message_start, pings, and tells all again at the end', async () => {
  const { client, provider } = await startAnthropic();
  const asked = { model: 'sim-small+tokens=3', max_tokens: 9, messages: ask() };
  const events = await collect(await client.messages.create({ ...asked, stream: true }));
  expect(events.map(({ type }) => type)).toEqual([
    'message_start',
    'content_block_start',
    ...Array(3).fill('content_block_delta'),
    'content_block_stop',
    'message_delta',
    'message_stop',
  ]);
  expect(events[0]).toMatchObject({ message: { usage: { input_tokens: 10, output_tokens: 1 } } });
  expect(events.at(-2)).toMatchObject({ usage: { input_tokens: 10, output_tokens: 3 } });
  const raw = await fetch(`${provider.url}/v1/messages`, {
    method: 'POST',
    headers: { 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({ model: 'm', max_tokens: 9, messages: ask(), stream: true }),
  });
  expect(await raw.text()).toContain('event: ping\ndata: {"type":"ping"}\n\n');
});

it('thinks when asked, signs its thoughts, and refuses thoughts that are not its own', async () => {
  const { create, stream } = await startAnthropic();
  const thinking = { type: 'enabled' as const, budget_tokens: 1024 };
  const answer = await create({ thinking });
  const [thought] = answer.content;
  expect(answer.usage.output_tokens_details).toEqual({ thinking_tokens: 12 });
  if (thought?.type !== 'thinking') throw new Error('no thought');
  expect(thought.signature.length).toBeGreaterThan(0);
  expect((await stream({ thinking }).finalMessage()).content[0]).toEqual(thought);
  const again = (signature: string) => [
    ...ask(),
    {
      role: 'assistant' as const,
      content: [
        { ...thought, signature },
        { type: 'text' as const, text: 'So.' },
      ],
    },
    ...ask('And then?'),
  ];
  await create({ thinking, messages: again(thought.signature) });
  const forged = create({ thinking, messages: again('forged') });
  await expect(forged).rejects.toThrow(/Invalid|invalid `signature`/);
});

it('calls tools in parallel, unless told not to, and answers their results', async () => {
  const { create, stream } = await startAnthropic();
  const asked = { model: 'sim-small+calls=2+preamble=3', tools: [weather] };
  const whole = await create(asked);
  const streamed = await stream(asked).finalMessage();
  const calls = whole.content.flatMap((block) => (block.type === 'tool_use' ? [block] : []));
  expect(whole.content.map(({ type }) => type)).toEqual(['text', 'tool_use', 'tool_use']);
  expect(calls.map(({ input }) => input)).toEqual([{ city: 'Zürich' }, { city: 'Zürich' }]);
  expect(streamed.content.map((block) => 'input' in block && block.input)).toEqual([
    false,
    { city: 'Zürich' },
    { city: 'Zürich' },
  ]);
  const one = await create({
    ...asked,
    tool_choice: { type: 'auto', disable_parallel_tool_use: true },
  });
  expect(one.content.map(({ type }) => type)).toEqual(['text', 'tool_use']);
  const results = calls.map(({ id }) => {
    return { type: 'tool_result' as const, tool_use_id: id, content: 'sunny' };
  });
  const messages = (content: typeof results) => [
    ...ask(),
    { role: 'assistant' as const, content: whole.content },
    { role: 'user' as const, content },
  ];
  const answered = await create({ ...asked, messages: messages(results) });
  expect(answered.stop_reason).toBe('end_turn');
  const half = create({ ...asked, messages: messages(results.slice(1)) });
  await expect(half).rejects.toThrow(/not followed by its result/);
});

it('writes what is marked to its cache, and reads it the next time', async () => {
  const { create, provider } = await startAnthropic();
  const marked = (ttl: '5m' | '1h') => ({
    system: [
      { type: 'text' as const, text: LONG, cache_control: { type: 'ephemeral' as const, ttl } },
    ],
  });
  const first = await create(marked('1h'));
  const tokens = Math.floor(LONG.length / 4);
  expect(first.usage).toMatchObject({
    cache_creation_input_tokens: tokens,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: tokens },
  });
  expect(first.usage.input_tokens).toBeLessThan(30);
  const second = await create(marked('1h'));
  expect(second.usage).toMatchObject({
    input_tokens: first.usage.input_tokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: tokens,
  });
  expect(provider.ledger()).toMatchObject({ cachedTokens: tokens, cacheWriteTokens: tokens });
});

it('satisfies a JSON schema, sees images, stops where told, and refuses', async () => {
  const { create } = await startAnthropic();
  const schema = { type: 'object', properties: { n: { type: 'integer', minimum: 4 } } };
  const json = await create({ output_config: { format: { type: 'json_schema', schema } } });
  expect(json.content).toMatchObject([{ text: '{"n":4}' }]);
  const source = {
    type: 'base64' as const,
    media_type: 'image/png' as const,
    data: 'iVBORw0KGgo=',
  };
  const content = [
    { type: 'image' as const, source },
    { type: 'text' as const, text: 'What?' },
  ];
  const seen = await create({ messages: [{ role: 'user', content }] });
  expect(seen.content).toMatchObject([{ text: expect.stringMatching(/^I see 1 image\./) }]);
  const [text] = (await create({ model: 'sim-small+tokens=9' })).content;
  const word = text?.type === 'text' ? ` ${text.text.split(' ')[4]}` : '';
  const stopped = await create({ model: 'sim-small+tokens=9', stop_sequences: [word] });
  expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: word });
  expect(await create({ model: 'sim-small+fault=refusal' })).toMatchObject({
    stop_reason: 'refusal',
  });
  expect(await create({ max_tokens: 2 })).toMatchObject({ stop_reason: 'max_tokens' });
});

it('counts tokens, for nothing', async () => {
  const { client, provider } = await startAnthropic();
  const counted = await client.messages.countTokens({ model: 'sim-small', messages: ask() });
  expect(counted.input_tokens).toBe(10);
  expect(provider.ledger().calls).toBe(0);
});

it.each([
  ['a field of another dialect', { frequency_penalty: 1 }],
  ['an empty text', { messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] }],
  [
    'a conversation that the assistant begins',
    { messages: [{ role: 'assistant', content: 'Hi' }] },
  ],
  ['two users in a row', { messages: [...ask(), ...ask()] }],
  ['a blank stop sequence', { stop_sequences: [' '] }],
  ['a temperature above one', { temperature: 1.5 }],
  ['thinking beyond the maximum', { thinking: { type: 'enabled', budget_tokens: 2000 } }],
  ['no maximum', { max_tokens: undefined }],
])('refuses %s', async (_what, params) => {
  const { provider } = await startAnthropic();
  const body = { model: 'sim-small', max_tokens: 2000, messages: ask(), ...params };
  const response = await fetch(`${provider.url}/v1/messages`, {
    method: 'POST',
    headers: { 'anthropic-version': '2023-06-01' },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    type: 'error',
    error: { type: 'invalid_request_error' },
  });
});

it.each([
  ['429', Anthropic.RateLimitError],
  ['overloaded', Anthropic.InternalServerError],
  ['401', Anthropic.AuthenticationError],
])('fault=%s is the SDK’s own error', async (fault, expected) => {
  const { create } = await startAnthropic();
  await expect(create({ model: `sim-small+fault=${fault}` })).rejects.toBeInstanceOf(expected);
});

it.each([
  ['error-chunk', 0, 1],
  ['truncate', 0, 1],
  ['done-early', 1, 1],
  ['two-finishes', 1, 1],
  ['start-twice', 1, 2],
  ['splice', 2, 3],
])('fault=%s ends with %d message_stop after %d message_start', async (fault, stops, starts) => {
  const { provider } = await startAnthropic();
  const response = await fetch(`${provider.url}/v1/messages`, {
    method: 'POST',
    headers: { 'anthropic-version': '2023-06-01' },
    body: JSON.stringify({
      model: `m+fault=${fault}`,
      max_tokens: 99,
      messages: ask(),
      stream: true,
    }),
  });
  const text = await response.text();
  const count = (event: string) => text.split(`event: ${event}\n`).length - 1;
  expect([count('message_stop'), count('message_start')]).toEqual([
    stops,
    starts - (fault === 'splice' ? 1 : 0),
  ]);
  if (fault === 'error-chunk') expect(text).toContain('overloaded_error');
});

it('books each call under its dialect, and knobs in the prompt work as in the name', async () => {
  const { create, provider } = await startAnthropic();
  const { usage } = await create({ messages: ask('Say it. sim+tokens=4+seed=7 please') });
  expect(usage.output_tokens).toBe(4);
  expect(await latestRow(provider)).toMatchObject({
    dialect: 'anthropic-messages',
    completionTokens: 4,
    usageReported: true,
  });
});
