import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
  type ConverseStreamOutput,
  ThrottlingException,
} from '@aws-sdk/client-bedrock-runtime';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import { expect, it } from 'vitest';
import { eventStreamMessage } from '../../../local/simulated-provider/bedrock/event-stream.ts';
import { ask, latestRow, startForTest } from './provider-under-test.ts';

const MODEL = 'eu.anthropic.sim-v1:0+tokens=12';
const tools = [
  {
    toolSpec: {
      name: 'weather',
      inputSchema: { json: { type: 'object', properties: { city: { const: 'Zürich' } } } },
    },
  },
];

async function startBedrock(secretAccessKey = 'secret') {
  const { provider, client: openai } = await startForTest({ awsSecrets: { AKIA1: 'secret' } });
  const client = new BedrockRuntimeClient({
    endpoint: `${provider.url}/bedrock`,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'AKIA1', secretAccessKey, sessionToken: 'token/+=' },
    maxAttempts: 1,
    // Bedrock's own client speaks HTTP/2; the gateway and this server speak HTTP/1.1.
    requestHandler: new DynamoDBClient({ region: 'eu-west-1' }).config.requestHandler,
  });
  const input = (params: Partial<ConverseCommandInput>): ConverseCommandInput => ({
    modelId: MODEL,
    messages: [{ role: 'user', content: [{ text: 'Tell me about budgets.' }] }],
    ...params,
  });
  return {
    provider,
    openai,
    converse: (params: Partial<ConverseCommandInput>) =>
      client.send(new ConverseCommand(input(params))),
    async stream(params: Partial<ConverseCommandInput>) {
      const { stream } = await client.send(new ConverseStreamCommand(input(params)));
      const events: ConverseStreamOutput[] = [];
      for await (const event of stream ?? []) events.push(event);
      return events;
    },
  };
}

it('says the same as in OpenAI’s dialect, whole and streamed, and checks the signature', async () => {
  const { converse, stream, openai, provider } = await startBedrock();
  const chat = await openai.chat.completions.create({ model: MODEL, messages: ask() });
  const text = chat.choices[0]?.message.content;
  const whole = await converse({});
  expect(whole).toMatchObject({
    output: { message: { role: 'assistant', content: [{ text }] } },
    stopReason: 'end_turn',
    usage: { inputTokens: 10, outputTokens: 12, totalTokens: 22, cacheReadInputTokens: 0 },
  });
  const events = await stream({});
  expect(events.map((event) => event.contentBlockDelta?.delta?.text ?? '').join('')).toBe(text);
  expect(events.map((event) => Object.keys(event)[0])).toEqual([
    'messageStart',
    ...Array(12).fill('contentBlockDelta'),
    'contentBlockStop',
    'messageStop',
    'metadata',
  ]);
  expect(events.at(-1)?.metadata?.usage).toMatchObject({ ...whole.usage });
  expect(await latestRow(provider)).toMatchObject({
    dialect: 'bedrock-converse',
    usageReported: true,
  });
});

it('refuses a signature of another secret, and a call without one', async () => {
  const { converse, provider } = await startBedrock('stolen');
  await expect(converse({})).rejects.toThrow(/signature we calculated does not match/);
  const response = await fetch(`${provider.url}/model/m/converse`, { method: 'POST', body: '{}' });
  expect(response.status).toBe(403);
  expect(provider.ledger().calls).toBe(0);
});

it('calls tools in parallel, whole and streamed, and wants all their results', async () => {
  const { converse, stream } = await startBedrock();
  const asked = { modelId: 'm+calls=2', toolConfig: { tools } };
  const whole = await converse(asked);
  const content = whole.output?.message?.content ?? [];
  expect(whole.stopReason).toBe('tool_use');
  expect(content.map(({ toolUse }) => toolUse?.input)).toEqual([
    { city: 'Zürich' },
    { city: 'Zürich' },
  ]);
  const events = await stream(asked);
  const arguments0 = events.flatMap(({ contentBlockDelta: delta }) =>
    delta?.contentBlockIndex === 0 ? [delta.delta?.toolUse?.input ?? ''] : [],
  );
  expect(JSON.parse(arguments0.join(''))).toEqual({ city: 'Zürich' });
  const results = content.map(({ toolUse }) => ({
    toolResult: { toolUseId: toolUse?.toolUseId, content: [{ text: 'sunny' }] },
  }));
  const messages = (answers: typeof results) => [
    { role: 'user' as const, content: [{ text: 'Weather?' }] },
    { role: 'assistant' as const, content },
    { role: 'user' as const, content: answers },
  ];
  expect((await converse({ ...asked, messages: messages(results) })).stopReason).toBe('end_turn');
  await expect(converse({ ...asked, messages: messages(results.slice(1)) })).rejects.toThrow(
    /not followed by its result/,
  );
  await expect(converse({ messages: messages(results) })).rejects.toThrow(/toolConfig field must/);
});

it('thinks when asked, and caches what is marked', async () => {
  const { converse, stream } = await startBedrock();
  const thinking = { additionalModelRequestFields: { thinking: { type: 'adaptive' } } };
  const [thought] = (await converse(thinking)).output?.message?.content ?? [];
  const { text, signature } = thought?.reasoningContent?.reasoningText ?? {};
  expect(signature?.length).toBeGreaterThan(0);
  const events = await stream(thinking);
  const said = events.map((event) => event.contentBlockDelta?.delta?.reasoningContent?.text ?? '');
  expect(said.join('')).toBe(text);
  const system = [{ text: 'A rule. '.repeat(1000) }, { cachePoint: { type: 'default' as const } }];
  const first = await converse({ system });
  const second = await converse({ system });
  expect(first.usage).toMatchObject({ cacheWriteInputTokens: 2000, cacheReadInputTokens: 0 });
  expect(second.usage).toMatchObject({ cacheWriteInputTokens: 0, cacheReadInputTokens: 2000 });
});

it('fails as the service does: before the answer, and in the middle of it', async () => {
  const { converse, stream } = await startBedrock();
  await expect(converse({ modelId: 'm+fault=429' })).rejects.toBeInstanceOf(ThrottlingException);
  await expect(stream({ modelId: 'm+fault=error-chunk' })).rejects.toThrow(/engine died/);
  await expect(stream({ modelId: 'm+fault=garbage-json' })).rejects.toThrow(/checksum/i);
  const alternating = {
    messages: [...Array(2)].map(() => ({ role: 'user' as const, content: [{ text: 'x' }] })),
  };
  await expect(converse(alternating)).rejects.toThrow(/must alternate/);
  await expect(
    converse({ messages: [{ role: 'user', content: [{ text: ' ' }] }] }),
  ).rejects.toThrow(/messages.0.content/);
});

it('frames its messages as the codec of the SDK does', () => {
  const codec = new EventStreamCodec(
    (bytes) => new TextDecoder().decode(typeof bytes === 'string' ? Buffer.from(bytes) : bytes),
    (text) => new TextEncoder().encode(text),
  );
  const frame = eventStreamMessage({ ':event-type': 'naïve' }, Buffer.from('{"東":1}'));
  expect(codec.decode(frame)).toEqual({
    headers: { ':event-type': { type: 'string', value: 'naïve' } },
    body: new Uint8Array(Buffer.from('{"東":1}')),
  });
});
