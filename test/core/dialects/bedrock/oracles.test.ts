import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { Server } from 'node:net';
import { createAmazonBedrock } from '@ai-sdk/amazon-bedrock';
import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  ConverseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../core/dialects/answer.ts';
import { bedrockConverse } from '../../../../core/dialects/bedrock/converse.ts';
import type { Conversation } from '../../../../core/dialects/conversation.ts';
import { PROVIDERS } from '../../../../core/providers/registry.ts';
import { readAnswer, readStream, toBytes } from './wire.ts';

const MODEL = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const PNG = 'iVBORw0KGgo=';
const SCHEMA = { type: 'object', properties: { city: { type: 'string' } } } as const;

/** What both official clients can say too. */
const CONVERSATION: Conversation = {
  system: [{ kind: 'text', text: 'Be brief.', cache: '5m' }],
  turns: [
    {
      role: 'user',
      parts: [
        { kind: 'text', text: 'Weather on the picture?' },
        { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: PNG } },
      ],
    },
    {
      role: 'assistant',
      parts: [
        { kind: 'thinking', text: 'Let me see', signature: 'c2ln' },
        { kind: 'text', text: 'I look.' },
        { kind: 'tool-call', id: 'call_1', name: 'weather', arguments: '{"city":"Köln"}' },
        { kind: 'tool-call', id: 'call_2', name: 'weather', arguments: '{"city":"Bonn"}' },
      ],
    },
    {
      role: 'user',
      parts: [
        result('call_1', 'rain'),
        result('call_2', 'sun'),
        { kind: 'text', text: 'And now?', cache: '1h' },
      ],
    },
  ],
  tools: [{ name: 'weather', description: 'Tells it', schema: SCHEMA }],
  toolChoice: { kind: 'required' },
  temperature: 0.5,
  stop: ['END'],
  others: {},
};

function result(callId: string, text: string) {
  return {
    kind: 'tool-result',
    callId,
    content: [{ kind: 'text', text }],
    isError: false,
  } as const;
}

function encoded() {
  const target = { dialect: 'bedrock-converse', model: MODEL, maxOutputTokens: 500 } as const;
  const { body } = bedrockConverse.encode(CONVERSATION, { ...target, extra: {}, stream: false });
  return JSON.parse(body);
}

function upstreamCall(baseUrl: string, stream: boolean) {
  return PROVIDERS.bedrock.request({
    provider: {
      id: 'aws',
      kind: 'bedrock',
      baseUrl,
      region: 'eu-central-1',
      connectTimeoutMs: 1,
      firstByteTimeoutMs: 1,
      idleTimeoutMs: 1,
    },
    dialect: 'bedrock-converse',
    model: MODEL,
    stream,
    apiKey: undefined,
    requestId: 'req_1',
  });
}

interface Seen {
  readonly path: string;
  readonly authorization: string;
  readonly body: unknown;
}

const seen: Seen[] = [];
let reply: Buffer = Buffer.alloc(0);

function answer(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    seen.push({
      path: request.url ?? '',
      authorization: request.headers.authorization ?? '',
      body: JSON.parse(Buffer.concat(parts).toString('utf8')),
    });
    const isStream = request.url?.endsWith('-stream') === true;
    const type = isStream ? 'application/vnd.amazon.eventstream' : 'application/json';
    response.setHeader('content-type', type);
    response.end(reply);
  });
}

const server = createServer(answer);
/** AWS's client speaks HTTP/2 to this service, even without TLS. */
const http2Server = createHttp2Server(answer);

async function listening(listener: Server): Promise<string> {
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  return typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : '';
}

let url = '';
let http2Url = '';
beforeAll(async () => {
  url = await listening(server);
  http2Url = await listening(http2Server);
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
  http2Server.close();
});

/** Texts and calls of an answer, however they were cut. */
function gist(events: readonly AnswerEvent[]) {
  const calls: { name: string; input: string }[] = [];
  const said = { text: '', thinking: '' };
  for (const event of events) {
    if (event.kind === 'text' || event.kind === 'thinking') said[event.kind] += event.text;
    if (event.kind === 'tool-call') calls.push({ name: event.name, input: '' });
    const open = event.kind === 'tool-arguments' ? calls[event.index] : undefined;
    if (event.kind === 'tool-arguments' && open !== undefined) open.input += event.json;
  }
  return { ...said, calls };
}

function decodedStream() {
  return gist(bedrockConverse.decoder().push(toBytes(readStream('thinking-and-tools'))));
}

describe("AWS's own client", () => {
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
  let client: BedrockRuntimeClient;
  beforeAll(() => {
    client = new BedrockRuntimeClient({ endpoint: http2Url, region: 'eu-central-1', credentials });
  });
  afterAll(() => client.destroy());

  /** Base64 is the wire's; the client takes bytes. */
  function toInput(): ConverseCommandInput {
    const input = encoded();
    input.messages[0].content[1].image.source.bytes = Buffer.from(PNG, 'base64');
    return { modelId: MODEL, ...input };
  }

  it('sends what we send for the same request, to the same path, signed for the same service', async () => {
    reply = readAnswer('thinking-and-tools');
    await client.send(new ConverseCommand(toInput()));
    const ours = upstreamCall(url, false);
    expect(seen.at(-1)).toMatchObject({ body: encoded(), path: new URL(ours.url).pathname });
    expect(seen.at(-1)?.authorization).toContain('/eu-central-1/bedrock/aws4_request');
    expect(ours.sign).toEqual({ service: 'bedrock', region: 'eu-central-1' });
  });

  it('reads from the stream what we read', async () => {
    reply = toBytes(readStream('thinking-and-tools'));
    const { stream } = await client.send(new ConverseStreamCommand(toInput()));
    expect(seen.at(-1)?.path).toBe(new URL(upstreamCall(url, true).url).pathname);
    const read = { text: '', thinking: '', calls: [] as { name: string; input: string }[] };
    let usage: unknown;
    for await (const event of stream ?? []) {
      const delta = event.contentBlockDelta?.delta;
      read.text += delta?.text ?? '';
      read.thinking += delta?.reasoningContent?.text ?? '';
      const start = event.contentBlockStart?.start?.toolUse;
      if (start !== undefined) read.calls.push({ name: start.name ?? '', input: '' });
      const open = read.calls.at(-1);
      if (open !== undefined) open.input += delta?.toolUse?.input ?? '';
      usage = event.metadata?.usage ?? usage;
    }
    const ours = decodedStream();
    expect(ours).toMatchObject({ text: read.text, thinking: read.thinking });
    expect(ours.calls.map(({ name, input }) => ({ name, input: input.replace('{}', '') }))).toEqual(
      read.calls,
    );
    expect(usage).toMatchObject({ inputTokens: 431, outputTokens: 118 });
  });
});

describe('the AI SDK', () => {
  const model = () =>
    createAmazonBedrock({
      region: 'eu-central-1',
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 'secret',
      baseURL: url,
    })(MODEL);

  const cached = (ttl?: '1h') => ({
    bedrock: { cachePoint: { type: 'default', ...(ttl === undefined ? {} : { ttl }) } },
  });
  const toolResult = (toolCallId: string, value: string) => ({
    type: 'tool-result' as const,
    toolCallId,
    toolName: 'weather',
    output: { type: 'text' as const, value },
  });
  const options: Parameters<ReturnType<typeof model>['doStream']>[0] = {
    prompt: [
      { role: 'system', content: 'Be brief.', providerOptions: cached() },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Weather on the picture?' },
          { type: 'file', mediaType: 'image/png', data: { type: 'data', data: PNG } },
        ],
      },
      {
        role: 'assistant',
        content: [
          {
            type: 'reasoning',
            text: 'Let me see',
            providerOptions: { bedrock: { signature: 'c2ln' } },
          },
          { type: 'text', text: 'I look.' },
          ...['Köln', 'Bonn'].map((city, index) => ({
            type: 'tool-call' as const,
            toolCallId: `call_${index + 1}`,
            toolName: 'weather',
            input: { city },
          })),
        ],
      },
      { role: 'tool', content: [toolResult('call_1', 'rain'), toolResult('call_2', 'sun')] },
      {
        role: 'user',
        content: [{ type: 'text', text: 'And now?', providerOptions: cached('1h') }],
      },
    ],
    tools: [{ type: 'function', name: 'weather', description: 'Tells it', inputSchema: SCHEMA }],
    toolChoice: { type: 'required' },
    temperature: 0.5,
    maxOutputTokens: 500,
    stopSequences: ['END'],
  };

  it('sends what we send for the same conversation, and reads from the stream what we read', async () => {
    reply = toBytes(readStream('thinking-and-tools'));
    const { stream } = await model().doStream(options);
    const read = { text: '', thinking: '', calls: [] as { name: string; input: string }[] };
    for await (const part of stream) {
      if (part.type === 'text-delta') read.text += part.delta;
      if (part.type === 'reasoning-delta') read.thinking += part.delta;
      if (part.type === 'tool-call') read.calls.push({ name: part.toolName, input: part.input });
    }
    expect(seen.at(-1)).toMatchObject({
      body: encoded(),
      path: new URL(upstreamCall(url, true).url).pathname,
    });
    expect(Object.keys(encoded()).sort()).toEqual(Object.keys(Object(seen.at(-1)?.body)).sort());
    const ours = decodedStream();
    expect({ text: ours.text, thinking: ours.thinking }).toEqual({
      text: read.text,
      thinking: read.thinking,
    });
    expect(ours.calls.map(({ input }) => JSON.parse(input))).toEqual(
      read.calls.map(({ input }) => JSON.parse(input)),
    );
  });
});
