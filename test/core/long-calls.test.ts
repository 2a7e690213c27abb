import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { UpstreamPort, UpstreamResponse } from '../../core/providers/upstream.ts';
import type { GatewayResponse } from '../../core/response.ts';
import { type Ports, serve } from '../../core/serve.ts';
import { hashKey, newVirtualKey } from '../../core/tenancy/virtual-key.ts';
import { model, type TestGateway } from '../support/gateway.ts';
import { teamState, withProvider } from '../support/served.ts';

const { gateway } = withProvider();

/** Status held 200 ms, signs of life every 150 ms, first look for a cancellation after 50 ms. */
const HASTE = 100;
const ID = 'req_0123456789abcdefghijkl';

interface Request {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly ports?: Partial<Ports>;
  readonly id?: string;
}

function open(
  g: TestGateway,
  { path = '/v1/chat/completions', headers = {}, body = {}, ports = {}, id = ID }: Request = {},
): Promise<GatewayResponse> {
  const nowMs = Date.now();
  const call = { model: 'slow', stream: true, messages: [{ role: 'user', content: 'Hi' }] };
  return serve(
    { ...g.ports, ...ports },
    {
      method: 'POST',
      path,
      headers: { 'x-api-key': g.key, ...headers },
      body: Buffer.from(JSON.stringify({ ...call, ...body })),
      requestId: id,
      receivedAtMs: nowMs,
      deadlineMs: nowMs + 60_000,
    },
  );
}

async function textOf({ body }: GatewayResponse): Promise<string> {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return body.toString();
  let text = '';
  for await (const chunk of body) text += Buffer.from(chunk).toString();
  return text;
}

function slow(knobs: string, options: Parameters<typeof gateway>[0] = {}): TestGateway {
  return gateway({ models: [model('slow', `sim-small+${knobs}`)], haste: HASTE, ...options });
}

/** A provider whose answer is given, and a clock that only it moves. */
function scripted(script: (clock: { ms: number }) => AsyncGenerator<Uint8Array | 'quiet'>) {
  const clock = { ms: Date.now() };
  const upstream: UpstreamPort = {
    send: async (): Promise<UpstreamResponse> => ({
      status: 200,
      headers: {},
      body: script(clock),
      abort: () => undefined,
    }),
  };
  return { upstream, clock: { nowMs: () => clock.ms } };
}

const PING = ': ping\n\n';
const chunk = (content: string) =>
  Buffer.from(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);

describe('a provider that is slow to begin', () => {
  it('gets the status held for twenty seconds, then signs of life until it answers', async () => {
    const g = slow('ttft=600+tokens=5');
    const startedMs = performance.now();
    const response = await open(g);
    const heldMs = performance.now() - startedMs;
    expect(heldMs).toBeGreaterThan(150);
    expect(heldMs).toBeLessThan(500);
    expect(response.headers).toMatchObject({
      'x-request-id': ID,
      'content-type': 'text/event-stream; charset=utf-8',
    });
    const text = await textOf(response);
    await response.closed;
    expect(text.startsWith(PING + PING)).toBe(true);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(g.events).toMatchObject([{ outcome: 'ok', output_tokens: 5, estimated: false }]);
    expect(teamState(g).holds).toBe(0);
  });

  it('that never begins ends in an error event of the dialect', async () => {
    const g = slow('fault=hang');
    const response = await open(g);
    const text = await textOf(response);
    await response.closed;
    expect(response.status).toBe(200);
    expect(text).not.toContain('[DONE]');
    expect(JSON.parse(text.split('data: ').at(-1) ?? '').error.code).toBe('upstream_timeout');
    expect(g.events).toMatchObject([{ outcome: 'error', error_code: 'upstream_timeout' }]);
    expect(teamState(g).holds).toBe(0);
  });

  it('is read to its usage when the caller leaves before it began', async () => {
    const g = slow('ttft=500+tokens=30+tps=100');
    const { body, closed } = await open(g);
    if (typeof body === 'string' || Buffer.isBuffer(body)) throw new Error('not a stream');
    for await (const _ping of body) break;
    await closed;
    expect(g.events).toMatchObject([{ outcome: 'cancelled', estimated: false, output_tokens: 30 }]);
    expect(teamState(g).holds).toBe(0);
  });

  it('can still be passed over while only signs of life were sent', async () => {
    const { upstream } = slow('').ports;
    const g = slow('', { models: [model('slow', 'first', 'second')] });
    let tries = 0;
    const sent = await open(g, {
      ports: {
        upstream: {
          async send(request) {
            tries += 1;
            if (tries > 1) return upstream.send(request);
            await new Promise((resolve) => setTimeout(resolve, 400));
            return { status: 500, headers: {}, body: (async function* () {})(), abort() {} };
          },
        },
      },
    });
    expect(await textOf(sent)).toMatch(/^: ping\n\n.*\[DONE\]\n\n$/s);
    await sent.closed;
    expect(g.events).toMatchObject([{ model: 'second', attempts: 2, outcome: 'ok' }]);
  });
});

describe('silence in an answer', () => {
  it('is broken by a sign of life also when the provider sends what says nothing', async () => {
    const ports = scripted(async function* (clock) {
      yield chunk('a');
      for (let turn = 0; turn < 4; turn += 1) {
        clock.ms += 3_000;
        yield Buffer.from(': still here\n\n');
      }
      yield 'quiet';
      yield chunk('b');
      yield Buffer.from('data: [DONE]\n\n');
    });
    const response = await open(slow(''), { ports });
    const [, between = ''] = /"a".*?\n\n(.*?)data: \{.*"b"/s.exec(await textOf(response)) ?? [];
    // After 6 and 12 silent seconds, and when the adapter says so.
    expect(between).toBe(PING.repeat(3));
  });
});

describe('a deadline', () => {
  it.each([
    ['of the caller', { headers: { 'x-stainless-timeout': '0.4' } }, {}],
    ['of the model', {}, { maxDurationSeconds: 1 }],
  ])('%s ends a stream as an error and settles what was seen', async (_, request, limits) => {
    const upstream = 'sim-small+tokens=400+tps=100';
    const g = slow('', { models: [{ ...model('slow', upstream), ...limits }], haste: 1 });
    const response = await open(g, request);
    const text = await textOf(response);
    await response.closed;
    expect(text).not.toContain('[DONE]');
    expect(JSON.parse(text.split('data: ').at(-1) ?? '').error.code).toBe('upstream_timeout');
    const [event] = g.events;
    expect(event).toMatchObject({
      outcome: 'error',
      estimated: true,
      error_code: 'upstream_timeout',
    });
    expect(event?.duration_ms).toBeLessThan(1_500);
    expect(event?.output_tokens).toBeGreaterThan(10);
    expect(event?.output_tokens).toBeLessThan(200);
    expect(teamState(g).holds).toBe(0);
  });

  it('ends a stream that never pauses', async () => {
    const ports = scripted(async function* (clock) {
      while (true) {
        clock.ms += 1_000;
        yield chunk('word');
      }
    });
    const response = await open(slow(''), { ports, body: { max_tokens: 16_000 } });
    const text = await textOf(response);
    // The platform ends the call after 60 s, of which 10 are kept for the books.
    const words = text.match(/"word"/g)?.length ?? 0;
    expect(words).toBeGreaterThan(45);
    expect(words).toBeLessThanOrEqual(50);
    expect(text).toContain('upstream_timeout');
  });

  it('of a whole answer is a status', async () => {
    const g = slow('ttft=2000', { haste: 1 });
    const headers = { 'x-stainless-timeout': '0.2' };
    const response = await open(g, { headers, body: { stream: false } });
    await response.closed;
    expect(response.status).toBe(504);
    expect(g.events).toMatchObject([{ outcome: 'error', estimated: true, output_tokens: 0 }]);
  });

  it.each(['NaN', '-1', '0', '1e9', 'Infinity', '', '0x10', '99999999999999'])(
    'of %j is none',
    async (timeout) => {
      const g = slow('tokens=3');
      const response = await open(g, { headers: { 'x-stainless-timeout': timeout } });
      expect(await textOf(response)).toContain('[DONE]');
    },
  );
});

describe('cancelling', () => {
  const cancel = (g: TestGateway, id = ID, request: Request = {}) =>
    open(g, { ...request, path: `/v1/requests/${id}/cancel`, id: 'req_lkjihgfedcba9876543210' });

  it('reaches a call that got a smaller maximum of output tokens than it asked for', async () => {
    const limits = { team: { outputTokensPerMinute: 50 } };
    const g = slow('fault=hang', { clampOutput: true, limits });
    const answer = await open(g, { body: { max_tokens: 100 } });
    expect(answer.headers['x-tollgate-max-tokens']).toBe('50');
    expect((await cancel(g)).status).toBe(202);
    expect(await textOf(answer)).toContain('request_cancelled');
    await answer.closed;
  });

  it('ends a running stream of the key as an error, stops the provider and settles what was seen', async () => {
    const g = slow('tokens=400+tps=100');
    const response = await open(g);
    const reading = textOf(response);
    await new Promise((resolve) => setTimeout(resolve, 150));
    const first = await cancel(g);
    expect([first.status, JSON.parse(String(first.body))]).toEqual([
      202,
      { id: ID, object: 'request', status: 'cancelling' },
    ]);
    expect((await cancel(g)).status).toBe(202);
    const text = await reading;
    await response.closed;
    expect(text).not.toContain('[DONE]');
    expect(JSON.parse(text.split('data: ').at(-1) ?? '').error).toMatchObject({
      code: 'request_cancelled',
      param: null,
    });
    expect(g.events).toMatchObject([
      { outcome: 'cancelled', error_code: 'request_cancelled', estimated: true },
    ]);
    expect(g.events[0]?.output_tokens).toBeLessThan(100);
    expect(teamState(g).holds).toBe(0);
    expect(g.reports).toEqual([]);
    expect((await cancel(g)).status).toBe(404);
  });

  it('ends a call whose provider has not begun', async () => {
    const g = slow('fault=hang');
    const response = await open(g);
    await cancel(g);
    const startedMs = performance.now();
    const text = await textOf(response);
    await response.closed;
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(text).toContain('request_cancelled');
    expect(g.events).toMatchObject([{ outcome: 'cancelled', estimated: true, output_tokens: 0 }]);
  });

  it('answers a stranger’s, an unknown and an ended call alike, and leaves the stranger’s running', async () => {
    const g = slow('tokens=60+tps=100');
    const key = newVirtualKey();
    const record = await g.ports.directory.findKey(hashKey(g.key));
    if (record === undefined) throw new Error('no key');
    g.store.setUp({ kind: 'key', keyId: 'vk_other' }, {});
    const findKey = async (hash: string) =>
      hash === hashKey(key) ? { ...record, keyId: 'vk_other' } : record;
    const stranger = {
      headers: { 'x-api-key': key },
      ports: { directory: { ...g.ports.directory, findKey } },
    };
    const response = await open(g);
    const foreign = await cancel(g, ID, stranger);
    const unknown = await cancel(g, 'req_aaaaaaaaaaaaaaaaaaaaaa');
    // The hold of the running call has a name of eight characters.
    const alike = await cancel(g, 'req_01234567aaaaaaaaaaaaaa');
    const junk = await cancel(g, '%2e%2e');
    const bodyOf = ({ body }: GatewayResponse) => JSON.parse(String(body)).error.message;
    expect([foreign.status, unknown.status, alike.status, junk.status]).toEqual(Array(4).fill(404));
    expect(bodyOf(foreign)).toBe(bodyOf(unknown));
    expect(await textOf(response)).toContain('[DONE]');
    await response.closed;
    expect(g.events).toMatchObject([{ outcome: 'ok' }]);
  });

  it('is for active keys and by POST', async () => {
    const g = slow('');
    g.store.setStatus({ kind: 'key', keyId: 'vk_test' }, 'revoked');
    expect((await cancel(g)).status).toBe(401);
    const answer = await g.call({ method: 'GET', path: `/v1/requests/${ID}/cancel` });
    expect(answer.status).toBe(405);
  });

  it('that cannot be looked for does the call no harm', async () => {
    const g = slow('tokens=30+tps=100');
    const isMarked = () => Promise.reject(new Error('table away'));
    const ports = { cancellations: { ...g.ports.cancellations, isMarked } };
    expect(await textOf(await open(g, { ports }))).toContain('[DONE]');
    expect(g.reports[0]).toContain('cancellation not checked');
  });
});

describe('POST /v1/responses', () => {
  const HEALTHY = readFileSync('test/fixtures/openai/responses-stream.txt');
  const request = { path: '/v1/responses', body: { input: 'Hi', messages: undefined } };

  it('passes the provider’s stream untouched and books its usage', async () => {
    const g = slow('');
    const ports = scripted(async function* () {
      yield HEALTHY.subarray(0, 3_000);
      yield HEALTHY.subarray(3_000);
    });
    const response = await open(g, { ...request, ports });
    expect(await textOf(response)).toBe(HEALTHY.toString());
    await response.closed;
    expect(g.events).toMatchObject([
      {
        dialect: 'openai-responses',
        outcome: 'ok',
        input_tokens: 26,
        output_tokens: 26,
        estimated: false,
      },
    ]);
  });

  it('ends a broken stream with the dialect’s own error event and the next number', async () => {
    const ports = scripted(async function* () {
      yield HEALTHY.subarray(0, HEALTHY.indexOf('event: response.completed'));
    });
    const text = await textOf(await open(slow(''), { ...request, ports }));
    const last = text.trimEnd().split('\n\n').at(-1) ?? '';
    const events = HEALTHY.toString().trimEnd().split('\n\n').length;
    expect(last.startsWith('event: error\n')).toBe(true);
    expect(JSON.parse(last.split('data: ')[1] ?? '')).toMatchObject({
      type: 'error',
      code: 'upstream_error',
      sequence_number: events - 1,
    });
  });
});
