import Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createTestGateway,
  model,
  type TestGateway,
  type TestGatewayOptions,
} from '../support/gateway.ts';
import { type ScriptedProvider, startScriptedProvider } from '../support/scripted-provider.ts';
import { teamState } from '../support/served.ts';
import { accumulated, sse } from './dialects/anthropic/sse-text.ts';
import { streamOf } from './dialects/anthropic/streams.ts';

let provider: ScriptedProvider;
const open: TestGateway[] = [];

beforeAll(async () => {
  provider = await startScriptedProvider();
});
afterAll(() => provider.close());
beforeEach(() => {
  provider.sent.length = 0;
});
afterEach(() => {
  for (const gateway of open.splice(0)) gateway.close();
});

function gateway(options: Partial<TestGatewayOptions> = {}): TestGateway {
  const created = createTestGateway({
    providerUrl: provider.url,
    kind: 'anthropic',
    models: [model('fable', 'claude-fable-5'), model('opus')],
    ...options,
  });
  open.push(created);
  return created;
}

const BODY = { model: 'fable', max_tokens: 200, messages: [{ role: 'user', content: 'Hi' }] };

function messages(
  g: TestGateway,
  extra: Record<string, unknown> = {},
  headers: Record<string, string> = {},
) {
  return g.call({
    method: 'POST',
    path: '/v1/messages',
    body: { ...BODY, ...extra },
    headers: { 'anthropic-version': '2023-06-01', ...headers },
  });
}

const MESSAGE = {
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model: 'claude-fable-5',
  content: [{ type: 'text', text: 'Hello!' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 12, cache_read_input_tokens: 3, output_tokens: 6 },
};

describe('200', () => {
  it('passes a whole message on, byte for byte, and books what the provider reported', async () => {
    const g = gateway();
    const body = JSON.stringify(MESSAGE, null, 1);
    provider.answer({ body });
    const answer = await messages(g);
    await answer.closed;
    expect([answer.status, answer.text]).toEqual([200, body]);
    expect(provider.sent).toMatchObject([
      { path: '/v1/messages', body: { ...BODY, model: 'claude-fable-5' } },
    ]);
    expect(provider.sent[0]?.headers).toMatchObject({ 'anthropic-version': '2023-06-01' });
    expect(g.events).toMatchObject([
      {
        outcome: 'ok',
        dialect: 'anthropic-messages',
        input_tokens: 12,
        output_tokens: 6,
        estimated: false,
      },
    ]);
    expect(answer.headers).toMatchObject({
      'request-id': answer.headers['x-request-id'],
      'x-tollgate-model': 'claude-fable-5',
      'anthropic-ratelimit-requests-limit': '1200',
      'anthropic-ratelimit-requests-remaining': '1199',
    });
    expect(answer.headers['anthropic-ratelimit-requests-reset']).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
    );
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-ratelimit'))).toEqual(
      [],
    );
  });

  it('passes a stream on, byte for byte, and books its final usage', async () => {
    const g = gateway();
    provider.answer({ body: streamOf('tools'), headers: { 'content-type': 'text/event-stream' } });
    const answer = await messages(g, { stream: true });
    await answer.closed;
    expect(answer.text).toBe(streamOf('tools').toString('utf8'));
    expect(g.events).toMatchObject([{ outcome: 'ok', input_tokens: 472, output_tokens: 89 }]);
    expect(provider.sent[0]?.body).toMatchObject({ stream: true });
    expect((await accumulated(answer.text)).stop_reason).toBe('tool_use');
  });

  it('sends on the betas of the list, and no other header', async () => {
    provider.answer({ body: JSON.stringify(MESSAGE) });
    const answer = await messages(
      gateway(),
      {},
      {
        'anthropic-beta': 'effort-2025-11-24,fast-mode-2026-02-01',
        'anthropic-version': '2099-01-01',
        'x-evil': '1',
        cookie: 'a=b',
      },
    );
    expect(answer.status).toBe(200);
    expect(answer.headers['x-tollgate-dropped']).toBe('anthropic-beta:fast-mode-2026-02-01');
    const headers = provider.sent[0]?.headers ?? {};
    expect(headers['anthropic-beta']).toBe('effort-2025-11-24');
    expect(headers['anthropic-version']).toBe('2023-06-01');
    expect(Object.keys(headers).sort()).toEqual([
      'accept',
      'accept-encoding',
      'anthropic-beta',
      'anthropic-version',
      'connection',
      'content-length',
      'content-type',
      'host',
      'x-request-id',
    ]);
  });

  it('clamps the maximum where the policy says so', async () => {
    provider.answer({ body: JSON.stringify(MESSAGE) });
    const g = gateway({ clampOutput: true, limits: { team: { outputTokensPerMinute: 50 } } });
    const answer = await messages(g);
    expect(answer.headers['x-tollgate-max-tokens']).toBe('50');
    expect(provider.sent[0]?.body).toMatchObject({ max_tokens: 50 });
    expect(answer.headers).toMatchObject({ 'anthropic-ratelimit-output-tokens-limit': '50' });
  });
});

describe('a stream that breaks', () => {
  const text = streamOf('text').toString('utf8');
  const cut = text.slice(0, text.indexOf('event: content_block_stop'));
  const overloaded = sse({
    type: 'error',
    ...{ error: { type: 'overloaded_error', message: 'CANARY' } },
  });

  it.each([
    ['breaks off', { body: cut, breaksOff: true }],
    ['ends too early', { body: cut }],
    ['says an error', { body: cut + overloaded }],
    ['says an error and goes on', { body: cut + overloaded + text }],
    ['begins again', { body: cut + text }],
  ])(
    'is an error where the provider %s, with its input exact and its output estimated',
    async (_, script) => {
      const g = gateway();
      provider.answer(script);
      const answer = await messages(g, { stream: true });
      await answer.closed;
      expect(answer.text).toMatch(
        /event: error\ndata: \{"type":"error","error":\{"type":"api_error"/,
      );
      expect(answer.text).not.toContain('message_stop');
      expect(answer.text).not.toContain('CANARY');
      await expect(accumulated(answer.text)).rejects.toBeInstanceOf(Anthropic.APIError);
      const [event] = g.events;
      expect(event).toMatchObject({
        outcome: 'error',
        input_tokens: 25,
        cached_input_tokens: 2048,
        estimated: true,
      });
      expect(event?.output_tokens).toBeGreaterThan(1);
      expect(teamState(g).holds).toBe(0);
    },
  );

  it('is a 502 where it breaks before it says anything', async () => {
    provider.answer({ body: overloaded });
    const answer = await messages(gateway(), { stream: true });
    expect(answer.status).toBe(502);
    expect(answer.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } });
  });
});

describe('errors in the caller’s dialect', () => {
  it.each<[number, string, Record<string, unknown>]>([
    [400, 'invalid_request_error', { max_tokens: undefined }],
    [400, 'invalid_request_error', { max_tokens: 16_001 }],
    [403, 'permission_error', { model: 'forbidden' }],
    [404, 'not_found_error', { model: 'nothing' }],
  ])('%i %s', async (status, type, extra) => {
    const g = gateway();
    const answer = await messages(g, extra);
    expect(answer.status).toBe(status);
    expect(answer.json()).toMatchObject({
      type: 'error',
      error: { type, message: expect.any(String) },
      request_id: answer.headers['request-id'],
    });
    expect(provider.sent).toEqual([]);
    expect(teamState(g).holds).toBe(0);
  });

  it('401, 404 and 405 before a call is understood', async () => {
    const g = gateway();
    const bad = await messages(g, {}, { authorization: 'Bearer nobody' });
    expect([bad.status, bad.json().error?.type]).toEqual([401, 'authentication_error']);
    const method = await g.call({ path: '/v1/messages' });
    expect([method.status, method.json()['type']]).toEqual([405, 'error']);
    const unknown = await g.call({ path: '/v1/nothing', headers: { 'anthropic-version': 'x' } });
    expect([unknown.status, unknown.json()['type']]).toEqual([404, 'error']);
    const other = await g.call({ path: '/v1/nothing' });
    expect(other.json()['type']).toBeUndefined();
  });

  it('429 with the facts of the limit', async () => {
    const answer = await messages(gateway({ limits: { team: { outputTokensPerMinute: 10 } } }));
    expect(answer.status).toBe(429);
    expect(answer.json().error).toMatchObject({
      type: 'rate_limit_error',
      gateway: { dimension: 'outputTokensPerMinute', limit: 10 },
    });
  });

  it.each([
    [529, 503, 'overloaded_error'],
    [500, 502, 'api_error'],
    [429, 429, 'rate_limit_error'],
    [401, 502, 'api_error'],
  ])('a provider’s %i is a %i of type %s', async (status, expected, type) => {
    provider.answer({
      status,
      body: JSON.stringify({ type: 'error', error: { type: 'x', message: 'y' } }),
    });
    const answer = await messages(gateway());
    expect([answer.status, answer.json().error?.type]).toEqual([expected, type]);
  });

  it('says what the provider found wrong with the request', async () => {
    const error = { type: 'invalid_request_error', message: 'messages: roles must alternate' };
    provider.answer({ status: 400, body: JSON.stringify({ type: 'error', error }) });
    const answer = await messages(gateway());
    expect([answer.status, answer.json().error?.message]).toEqual([400, error.message]);
  });

  it.each([
    '',
    '<html>',
    '{}',
    '{"type":"message"}',
    JSON.stringify({ ...MESSAGE, stop_reason: null }),
  ])('takes %j for no answer', async (body) => {
    provider.answer({ body });
    expect((await messages(gateway())).status).toBe(502);
  });
});

describe('counting tokens', () => {
  const count = (g: TestGateway, extra: Record<string, unknown> = {}) =>
    g.call({
      method: 'POST',
      path: '/v1/messages/count_tokens',
      body: { model: 'fable', messages: BODY.messages, ...extra },
    });

  it('asks a provider that can, takes a request of the limits, and neither tokens nor money', async () => {
    const team = { requestsPerMinute: 2, tokensPerMinute: 1, nanoUsdPerMonth: 1 };
    const g = gateway({ limits: { team } });
    provider.answer({ body: '{"input_tokens":14}' });
    const answer = await count(g);
    await answer.closed;
    expect([answer.status, answer.text]).toEqual([200, '{"input_tokens":14}']);
    expect(answer.headers['x-tollgate-estimated']).toBeUndefined();
    expect(provider.sent).toMatchObject([
      {
        path: '/v1/messages/count_tokens',
        body: { model: 'claude-fable-5', messages: BODY.messages },
      },
    ]);
    expect(teamState(g)).toMatchObject({ holds: 0, settled: 0, requests: 1 });
    expect(g.events).toMatchObject([
      { outcome: 'ok', cost_nano_usd: 0, input_tokens: 0, output_tokens: 0 },
    ]);
    await count(g);
    expect((await count(g)).status).toBe(429);
  });

  it.each(['<html>', '{}', '{"input_tokens":-1}'])('takes %j for no answer', async (body) => {
    const g = gateway();
    provider.answer({ body });
    const answer = await count(g);
    await answer.closed;
    expect([answer.status, teamState(g).holds]).toEqual([502, 0]);
  });

  it('is answered here, marked as an estimate, where no route speaks the dialect', async () => {
    const g = gateway({ kind: 'openai' });
    const answer = await count(g);
    await answer.closed;
    expect(answer.headers).toMatchObject({ 'x-tollgate-estimated': 'true' });
    expect(answer.json()['input_tokens']).toBeGreaterThan(0);
    expect(provider.sent).toEqual([]);
    expect(teamState(g)).toMatchObject({ holds: 0, settled: 0, requests: 1 });
  });

  it('is refused like any other request', async () => {
    expect((await count(gateway(), { model: 'forbidden' })).status).toBe(403);
    const answer = await count(gateway(), { temperature: 1 });
    expect([answer.status, answer.json()['type']]).toEqual([400, 'error']);
  });
});

describe('the list of models', () => {
  const headers = { 'anthropic-version': '2023-06-01' };
  const three = { models: [model('a'), model('b'), model('c')] };

  function client(g: TestGateway): Anthropic {
    return new Anthropic({
      apiKey: g.key,
      baseURL: 'http://gateway',
      maxRetries: 0,
      fetch: async (input, init) => {
        const url = new URL(String(input));
        const {
          status,
          text,
          headers: answered,
        } = await g.call({
          path: url.pathname,
          query: Object.fromEntries(url.searchParams),
          headers: Object.fromEntries(new Headers(init?.headers)),
        });
        return new Response(text, { status, headers: answered });
      },
    });
  }

  it('is Anthropic’s for its SDK, page by page', async () => {
    const seen: string[] = [];
    for await (const each of client(gateway(three)).models.list({ limit: 2 })) {
      expect(each).toMatchObject({ type: 'model', display_name: each.id, max_tokens: 16_000 });
      seen.push(each.id);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(await client(gateway(three)).models.retrieve('b')).toMatchObject({
      type: 'model',
      id: 'b',
    });
  });

  it('turns pages in both directions', async () => {
    const g = gateway(three);
    const page = async (query: Record<string, string>) => (await g.call({ headers, query })).json();
    expect(await page({})).toMatchObject({ has_more: false, first_id: 'a', last_id: 'c' });
    expect(await page({ before_id: 'c', limit: '1' })).toMatchObject({
      has_more: true,
      first_id: 'b',
      last_id: 'b',
    });
    expect(await page({ after_id: 'c' })).toMatchObject({
      data: [],
      has_more: false,
      first_id: null,
    });
  });

  it.each([{ limit: '0' }, { limit: '1001' }, { limit: 'all' }, { after_id: 'forbidden' }])(
    'refuses %j',
    async (query) => {
      const answer = await gateway(three).call({ headers, query });
      expect([answer.status, answer.json()['type']]).toEqual([400, 'error']);
    },
  );

  it('stays OpenAI’s for everyone else', async () => {
    expect((await gateway(three).call({})).json()).toMatchObject({ object: 'list' });
  });
});
