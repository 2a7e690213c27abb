import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import { serve } from '../../../core/serve.ts';
import { createSignedUpstream } from '../../../lambdas/adapters/signed-upstream.ts';
import { createTestGateway, model } from '../../support/gateway.ts';
import { dataOf } from '../../support/served.ts';
import { readAnswer, readStream, toBytes } from '../dialects/bedrock/wire.ts';

const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const ROLE = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' };

interface Seen {
  readonly url: string;
  readonly authorization: string;
  readonly body: Record<string, unknown>;
}

const seen: Seen[] = [];
interface Reply {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: Record<string, string>;
}
let reply: Reply = { status: 200, body: Buffer.alloc(0), headers: {} };
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(parts).toString('utf8'));
    const { authorization = '' } = request.headers;
    seen.push({ url: request.url ?? '', authorization, body });
    response.writeHead(reply.status, reply.headers);
    response.end(reply.body);
  });
});
let url = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : '';
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

/** A gateway whose one provider is Bedrock, signed with a role as in the proxy. */
function gateway() {
  const created = createTestGateway({ providerUrl: url, models: [model('sonnet', CLAUDE)] });
  const upstream = createSignedUpstream({
    upstream: created.ports.upstream,
    credentials: { get: async () => ROLE },
    clock: systemClock,
  });
  const directory = {
    ...created.ports.directory,
    policy: async () => {
      const policy = await created.ports.directory.policy();
      const sim = policy.providers['sim'];
      if (sim === undefined) throw new Error('no provider');
      const bedrock = { ...sim, kind: 'bedrock' as const, region: 'eu-central-1' };
      return { ...policy, providers: { sim: bedrock } };
    },
  };
  const ports = { ...created.ports, upstream, directory };
  const chat = async (body: Record<string, unknown>) => {
    const nowMs = Date.now();
    const messages = [{ role: 'user', content: 'Weather?' }];
    const tools = ['weather', 'now'].map((name) => ({ type: 'function', function: { name } }));
    const response = await serve(ports, {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${created.key}` },
      body: Buffer.from(JSON.stringify({ model: 'sonnet', messages, tools, ...body })),
      requestId: 'req_1',
      receivedAtMs: nowMs,
      deadlineMs: nowMs + 60_000,
    });
    const parts: Uint8Array[] = [];
    if (typeof response.body === 'string' || Buffer.isBuffer(response.body))
      parts.push(Buffer.from(response.body));
    else for await (const chunk of response.body) parts.push(chunk);
    await response.closed;
    created.close();
    return { ...response, text: Buffer.concat(parts).toString('utf8') };
  };
  return { chat, events: created.events };
}

describe('a chat completion served by Bedrock', () => {
  it('is signed, asked in Converse and answered in chat, with its usage in the books', async () => {
    const { chat, events } = gateway();
    reply = { status: 200, body: readAnswer('thinking-and-tools'), headers: {} };
    const { status, text, headers } = await chat({ logit_bias: { 1: 1 } });
    expect(status).toBe(200);
    expect(seen.at(-1)).toMatchObject({
      url: `/model/${encodeURIComponent(CLAUDE)}/converse`,
      authorization: expect.stringContaining('/eu-central-1/bedrock/aws4_request'),
      body: { messages: [{ role: 'user', content: [{ text: 'Weather?' }] }] },
    });
    const { choices, usage } = JSON.parse(text);
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: 'I look.' },
    });
    expect(choices[0].message.tool_calls).toHaveLength(2);
    expect(usage).toMatchObject({ prompt_tokens: 431, completion_tokens: 118 });
    expect(headers['x-tollgate-dropped']).toBe('logit_bias');
    expect(events).toMatchObject([
      {
        outcome: 'ok',
        estimated: false,
        output_tokens: 118,
        stop_reason: 'tool_use',
        region: 'eu-central-1',
      },
    ]);
  });

  it('streams', async () => {
    const { chat, events } = gateway();
    reply = { status: 200, body: toBytes(readStream('thinking-and-tools')), headers: {} };
    const { text, headers, status } = await chat({ stream: true });
    expect(status).toBe(200);
    const data = dataOf({ text, headers, status, json: () => ({}), closed: Promise.resolve() });
    expect(data.at(-1)).toBe('[DONE]');
    expect(seen.at(-1)?.url).toMatch(/converse-stream$/);
    expect(events).toMatchObject([{ outcome: 'ok', estimated: false, output_tokens: 118 }]);
  });

  it('that an exception cuts does not look finished', async () => {
    const { chat, events } = gateway();
    reply = { status: 200, body: toBytes(readStream('throttled')), headers: {} };
    const { text } = await chat({ stream: true });
    expect(text).toContain('Half an');
    expect(text).toContain('"error"');
    expect(text).not.toContain('[DONE]');
    expect(events).toMatchObject([{ outcome: 'error', estimated: true }]);
  });

  it('that the role may not ask is our fault, said without names', async () => {
    const { chat } = gateway();
    const body = Buffer.from('{"Message":"User: arn:aws:sts::111122223333:x is not authorized"}');
    reply = {
      status: 403,
      body,
      headers: { 'x-amzn-errortype': 'AccessDeniedException:http://x' },
    };
    const { text, status } = await chat({});
    expect(status).toBe(502);
    expect(text).toContain('upstream_misconfigured');
    expect(text).not.toMatch(/arn:|111122223333|AccessDenied/);
  });
});
