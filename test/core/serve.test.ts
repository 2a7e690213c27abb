import { describe, expect, it } from 'vitest';
import type { Limits } from '../../core/limits/dimensions.ts';
import { model } from '../support/gateway.ts';
import { dataOf, teamState, withProvider } from '../support/served.ts';

const { gateway } = withProvider();

describe('200', () => {
  it('answers whole, books the usage that the provider reported and closes the hold', async () => {
    const g = gateway();
    const answer = await g.chat({});
    await answer.closed;
    expect(answer.status).toBe(200);
    const usage = answer.json()['usage'] as { prompt_tokens: number; completion_tokens: number };
    const [event] = g.events;
    expect(event).toMatchObject({
      outcome: 'ok',
      status: 200,
      output_tokens: usage.completion_tokens,
      estimated: false,
      cost_center: 'cc-1',
      feature: 'answers',
      model: 'sim-small',
      provider: 'sim',
      attempts: 1,
      policy_version: 7,
    });
    expect((event?.input_tokens ?? 0) + (event?.cached_input_tokens ?? 0)).toBe(
      usage.prompt_tokens,
    );
    expect(teamState(g)).toMatchObject({
      holds: 0,
      settled: event?.cost_nano_usd,
      committed: event?.cost_nano_usd,
      requests: 1,
    });
    expect(answer.headers).toMatchObject({
      'x-tollgate-model': 'sim-small',
      'x-tollgate-attempts': '1',
    });
    expect(answer.headers['x-request-id']).toMatch(/^req_/);
  });

  it('streams to [DONE] and hides the usage that the caller did not ask for', async () => {
    const g = gateway();
    const answer = await g.chat({ stream: true });
    await answer.closed;
    const data = dataOf(answer);
    expect(data.at(-1)).toBe('[DONE]');
    expect(answer.text).not.toContain('"usage"');
    expect(g.events[0]).toMatchObject({ outcome: 'ok', stream: true, estimated: false });
    expect(g.events[0]?.output_tokens).toBeGreaterThan(0);
  });

  it('gives the usage chunk to the caller who asks for it', async () => {
    const answer = await gateway().chat({ stream: true, stream_options: { include_usage: true } });
    const last = JSON.parse(dataOf(answer).at(-2) ?? '{}');
    expect(last).toMatchObject({ choices: [], usage: { completion_tokens: expect.any(Number) } });
  });

  it('gives the same stream however the provider splits its bytes', async () => {
    const texts = new Set<string>();
    for (const split of ['', '+split=bytes', '+split=random+seed=0']) {
      const answer = await gateway({
        models: [model('sim-small', `sim-small+tokens=40${split}`)],
      }).chat({ stream: true });
      texts.add(
        dataOf(answer)
          .slice(0, -1)
          .map((data) => JSON.parse(data).choices[0]?.delta.content ?? '')
          .join(''),
      );
    }
    expect(texts.size).toBe(1);
    expect([...texts][0]).not.toContain('\uFFFD');
  });

  it('settles an estimate, marked as one, when the provider reports no usage', async () => {
    const g = gateway({ models: [model('sim-small', 'sim-small+tokens=200+fault=no-usage')] });
    await (await g.chat({ stream: true })).closed;
    expect(g.events[0]).toMatchObject({ outcome: 'ok', estimated: true });
    expect(g.events[0]?.cost_nano_usd).toBeGreaterThan(0);
    expect(teamState(g).holds).toBe(0);
  });

  it('drains a stream whose caller left, and books its real usage as cancelled', async () => {
    const g = gateway({ models: [model('sim-small', 'sim-small+tokens=60+tps=200')] });
    const nowMs = Date.now();
    const { serve } = await import('../../core/serve.ts');
    const body = Buffer.from(
      JSON.stringify({
        model: 'sim-small',
        stream: true,
        messages: [{ role: 'user', content: 'Hi' }],
      }),
    );
    const response = await serve(g.ports, {
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'x-api-key': g.key },
      body,
      requestId: 'req_0123456789abcdefghijkl',
      receivedAtMs: nowMs,
      deadlineMs: nowMs + 60_000,
    });
    if (typeof response.body === 'string' || Buffer.isBuffer(response.body))
      throw new Error('not a stream');
    for await (const _first of response.body) break;
    await response.closed;
    expect(g.events[0]).toMatchObject({
      outcome: 'cancelled',
      estimated: false,
      output_tokens: 60,
    });
    expect(teamState(g).holds).toBe(0);
  });

  it('shows exactly the models that the team may call, and the usage of its own scopes', async () => {
    const g = gateway({ limits: { team: { nanoUsdPerMonth: 5_000_000_000 } } });
    await (await g.chat({})).closed;
    expect((await g.call({})).json()['data']).toMatchObject([{ id: 'sim-small', object: 'model' }]);
    const usage = (await g.call({ path: '/v1/usage' })).json()['scopes'];
    expect(usage).toMatchObject([
      { scope: 'key:vk_test' },
      {
        scope: 'team:search',
        settled: { requests: 1, nano_usd: g.events[0]?.cost_nano_usd },
        held: { requests: 0 },
        limits: { usdPerMonth: '5' },
      },
    ]);
  });
});

describe('4xx', () => {
  it.each([
    ['not JSON', '{"model":', null],
    ['a scalar', '3', null],
    ['two documents', '{} {}', null],
    ['messages of the wrong type', { model: 'sim-small', messages: 'hello' }, 'messages'],
    [
      'a negative maximum',
      { model: 'sim-small', messages: [{ role: 'user' }], max_tokens: -1 },
      'max_tokens',
    ],
    [
      'an unknown field',
      { model: 'sim-small', messages: [{ role: 'user' }], api_base: 'http://evil' },
      'api_base',
    ],
    [
      'a prototype name',
      '{"model":"__proto__","messages":[{"role":"user"}],"constructor":1}',
      'constructor',
    ],
    [
      'an answer in audio',
      { model: 'sim-small', messages: [{ role: 'user' }], modalities: ['text', 'audio'] },
      'modalities',
    ],
    [
      'a prediction, billed beyond the maximum',
      { model: 'sim-small', messages: [{ role: 'user' }], prediction: { type: 'content' } },
      'prediction',
    ],
    [
      'audio in a message',
      { model: 'sim-small', messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] },
      'messages',
    ],
    ['n beyond all reason', { model: 'sim-small', messages: [{ role: 'user' }], n: 1e9 }, 'n'],
  ])('400: refuses %s by name, and holds nothing', async (_what, body, param) => {
    const g = gateway();
    const answer = await g.call({ method: 'POST', path: '/v1/chat/completions', body });
    expect(answer.status).toBe(400);
    expect(answer.json().error).toMatchObject({
      type: 'invalid_request_error',
      code: null,
      message: expect.any(String),
    });
    if (param !== null) expect(answer.json().error?.param).toBe(param);
    expect(teamState(g)).toMatchObject({ holds: 0, committed: 0 });
  });

  it.each([
    ['no key', { authorization: '' }],
    ['a key with a typo', { authorization: 'Bearer tg_00000000000000000000000000000000000000' }],
    ['two keys that differ', { 'x-api-key': 'tg_x' }],
  ])('401: refuses %s and tells SDKs not to retry', async (_what, headers) => {
    const answer = await gateway().call({ headers });
    expect(answer.status).toBe(401);
    expect(answer.json().error).toMatchObject({
      type: 'invalid_request_error',
      code: 'invalid_api_key',
    });
    expect(answer.headers['x-should-retry']).toBe('false');
  });

  it('401: refuses a revoked key at its next request, on every route', async () => {
    const g = gateway();
    await (await g.chat({})).closed;
    g.store.setStatus({ kind: 'key', keyId: 'vk_test' }, 'revoked');
    expect((await g.chat({})).status).toBe(401);
    expect((await g.call({})).status).toBe(401);
    expect((await g.call({ path: '/v1/usage' })).status).toBe(401);
  });

  it('403 and 404: tells a model that is not allowed from one that does not exist', async () => {
    const g = gateway();
    expect(await g.chat({ model: 'forbidden' })).toMatchObject({ status: 403 });
    expect((await g.chat({ model: 'forbidden' })).json().error).toMatchObject({
      type: 'permission_error',
      code: 'model_not_allowed',
      param: 'model',
    });
    expect((await g.chat({ model: 'hasOwnProperty' })).json().error).toMatchObject({
      code: 'model_not_found',
    });
    expect((await g.call({ path: '/v2/else' })).status).toBe(404);
    expect((await g.call({ method: 'DELETE' })).status).toBe(405);
  });

  it('413: refuses a body above the cap', async () => {
    const answer = await gateway().call({
      method: 'POST',
      path: '/v1/chat/completions',
      body: Buffer.alloc(4_500_001, 32),
    });
    expect(answer.json().error).toMatchObject({ code: 'request_too_large' });
    expect(answer.status).toBe(413);
  });

  it.each<[string, Limits, string, Record<string, unknown>]>([
    [
      'requests per second',
      { requestsPerSecond: 1 },
      'rate_limit_exceeded',
      { dimension: 'requestsPerSecond', limit: 1 },
    ],
    [
      'a budget that is spent',
      { nanoUsdPerMonth: 1_400_000 },
      'budget_exhausted',
      { dimension: 'nanoUsdPerMonth', limit: 1_400_000 },
    ],
  ])('429: refuses at the limit of %s with the facts', async (_what, team, code, facts) => {
    const g = gateway({ limits: { team }, models: [model('sim-small', 'sim-small+tokens=400')] });
    await (await g.chat({})).closed;
    const refused = await g.chat({});
    await refused.closed;
    expect(refused.status).toBe(429);
    expect(refused.json().error).toMatchObject({
      code,
      gateway: { scope: 'team:search', reset_at: expect.any(String), ...facts },
    });
    if (code === 'budget_exhausted') {
      expect(refused.headers['x-should-retry']).toBe('false');
      expect(refused.headers['retry-after']).toBeUndefined();
    } else expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(2);
    expect(g.events[1]).toMatchObject({
      outcome: 'denied',
      status: 429,
      cost_nano_usd: 0,
      denied_scope: 'team:search',
      denied_dimension: facts['dimension'],
    });
    expect(teamState(g)).toMatchObject({ holds: 0, requests: 1 });
  });
});

describe('logs', () => {
  it.each([
    ['a body that is not JSON', '{"messages": CANARY'],
    ['a field of the wrong type', { model: 'sim-small', messages: 'CANARY' }],
    [
      'a prompt to a provider that fails',
      { model: 'broken', messages: [{ role: 'user', content: 'CANARY' }] },
    ],
    [
      'a tag that is not allowed',
      { model: 'sim-small', messages: [{ role: 'user' }], metadata: { CANARY: '\u0000' } },
    ],
  ])('hold nothing of %s, and no key', async (_what, body) => {
    const g = gateway({ models: [model('sim-small'), model('broken', 'sim-small+fault=html')] });
    const answer = await g.call({ method: 'POST', path: '/v1/chat/completions', body });
    await answer.closed;
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(g.reports.join()).not.toContain('CANARY');
    expect(g.reports.join()).not.toContain(g.key);
    expect(JSON.stringify(g.events)).not.toContain('CANARY');
  });

  it('404: a model name that is not encoded correctly', async () => {
    expect((await gateway().call({ path: '/v1/models/%E0%A4%A' })).status).toBe(404);
  });
});

describe('a call that fits only with a smaller maximum', () => {
  // Forty tokens of output cost 80,000 nano-dollars; the body's bytes bound the input at some 30,000.
  const tight = {
    limits: { team: { nanoUsdPerMonth: 120_000 } },
    models: [model('sim-small', 'sim-small+tokens=400')],
  };

  it('is refused where the policy says so', async () => {
    const answer = await gateway(tight).chat({ max_tokens: 400 });
    await answer.closed;
    expect(answer.json().error).toMatchObject({ code: 'budget_exhausted' });
  });

  it('gets the smaller one where the policy says so, and is told', async () => {
    const g = gateway({ ...tight, clampOutput: true });
    const answer = await g.chat({ max_tokens: 400 });
    await answer.closed;
    expect(answer.status).toBe(200);
    const allowed = Number(answer.headers['x-tollgate-max-tokens']);
    expect(allowed).toBeGreaterThan(16);
    expect(allowed).toBeLessThan(60);
    expect(g.events).toMatchObject([{ output_tokens: allowed, outcome: 'ok' }]);
    expect(g.events[0]?.held_nano_usd).toBeLessThanOrEqual(120_000);
    expect(teamState(g).holds).toBe(0);
  });

  it('is refused when even the smallest answer does not fit', async () => {
    const g = gateway({
      ...tight,
      limits: { team: { nanoUsdPerMonth: 20_000 } },
      clampOutput: true,
    });
    const answer = await g.chat({ max_tokens: 400 });
    await answer.closed;
    expect(answer.status).toBe(429);
    expect(g.events).toMatchObject([{ outcome: 'denied' }]);
  });
});
