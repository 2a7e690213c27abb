import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { StoreFault } from '../../core/limits/account-store.ts';
import type { Limits } from '../../core/limits/dimensions.ts';
import { type Answer, model, TEAM, type TestGateway } from '../support/gateway.ts';
import { withProvider } from '../support/served.ts';

const { gateway } = withProvider();
const CHAT = { model: 'sim-small', messages: [{ role: 'user', content: 'Hello there' }] };

const estimateSchema = z.object({
  object: z.literal('estimate'),
  endpoint: z.string(),
  model: z.string(),
  upper_bound: z.object({
    usd: z.string(),
    nano_usd: z.int(),
    input_tokens: z.int(),
    output_tokens: z.int(),
    total_tokens: z.int(),
  }),
  max_output_tokens: z.int(),
  allowed: z.boolean(),
  denials: z.array(
    z.looseObject({
      scope: z.string(),
      dimension: z.string().optional(),
      code: z.string(),
      reason: z.string(),
      message: z.string(),
      retry_after_ms: z.int().nullable(),
    }),
  ),
  fits_at: z.iso.datetime().nullable(),
  fits_with_max_output_tokens: z.int().nullable(),
});

const ask = (g: TestGateway, body: unknown, headers: Record<string, string> = {}) =>
  g.call({ method: 'POST', path: '/v1/estimate', body, headers });

async function estimate(g: TestGateway, body: unknown, headers: Record<string, string> = {}) {
  return estimateSchema.parse((await ask(g, body, headers)).json());
}

const settled = async (answer: Promise<Answer>): Promise<Answer> => {
  const got = await answer;
  await got.closed;
  return got;
};

describe('200', () => {
  it('bounds exactly what the call itself would hold, and writes, books and sends nothing', async () => {
    const g = gateway();
    const { upper_bound: bound, ...rest } = await estimate(g, CHAT);
    expect(g.store.writes()).toBe(0);
    expect(g.events).toEqual([]);
    await settled(g.call({ method: 'POST', path: '/v1/chat/completions', body: CHAT }));
    expect(g.events[0]).toMatchObject({
      held_nano_usd: bound.nano_usd,
      held_tokens: bound.total_tokens,
    });
    expect(g.events[0]?.cost_nano_usd).toBeLessThan(bound.nano_usd);
    expect(rest).toMatchObject({
      endpoint: '/v1/chat/completions',
      model: 'sim-small',
      max_output_tokens: 500,
      allowed: true,
      denials: [],
      fits_with_max_output_tokens: null,
    });
  });

  it.each([
    ['a chat', CHAT, {}, '/v1/chat/completions'],
    ['an embedding', { model: 'sim-small', input: 'Hello' }, {}, '/v1/embeddings'],
    [
      'a message',
      { ...CHAT, max_tokens: 20 },
      { 'anthropic-version': '2023-06-01' },
      '/v1/messages',
    ],
    [
      'a response by its endpoint',
      { endpoint: '/v1/responses', body: { model: 'sim-small', input: 'Hello', store: false } },
      {},
      '/v1/responses',
    ],
    ['a chat by its endpoint', { endpoint: '/v1/chat/completions', body: CHAT }, {}, undefined],
  ])('understands %s', async (_name, body, headers, endpoint = '/v1/chat/completions') => {
    const { upper_bound: bound, ...rest } = await estimate(gateway(), body, headers);
    expect(rest).toMatchObject({ endpoint, allowed: true });
    expect(bound.input_tokens).toBeGreaterThan(0);
  });

  it('is the dearest route of the model', async () => {
    const price = { version: 'p', input: 9_000_000, cachedInput: 9_000_000, output: 9_000_000 };
    const cheap = model('cheap');
    const routes = [...cheap.routes, ...cheap.routes.map((route) => ({ ...route, price }))];
    const g = gateway({ models: [cheap, { ...cheap, alias: 'dear', routes }] });
    const low = await estimate(g, { ...CHAT, model: 'cheap' });
    const { upper_bound: high } = await estimate(g, { ...CHAT, model: 'dear' });
    expect(high.nano_usd).toBe(high.total_tokens * 9_000);
    expect(high.nano_usd).toBeGreaterThan(low.upper_bound.nano_usd);
  });

  it.each<[string, Limits]>([
    ['a budget', { nanoUsdPerMonth: 1_300_000 }],
    ['a daily budget', { nanoUsdPerDay: 1_300_000 }],
    ['tokens of a month', { tokensPerMonth: 900 }],
    ['requests of a minute', { requestsPerMinute: 3 }],
  ])('says of each call beforehand whether %s admits it', async (_name, team) => {
    const g = gateway({ limits: { team } });
    const seen = new Set<boolean>();
    for (let calls = 0; calls < 12; calls += 1) {
      const { allowed, denials } = await estimate(g, CHAT);
      const answer = await settled(
        g.call({ method: 'POST', path: '/v1/chat/completions', body: CHAT }),
      );
      seen.add(allowed);
      expect([calls, answer.status]).toEqual([calls, allowed ? 200 : 429]);
      if (allowed) continue;
      const { gateway: told } = answer.json().error ?? {};
      expect(denials[0]).toMatchObject({ scope: told?.['scope'], dimension: told?.['dimension'] });
    }
    expect(seen).toEqual(new Set([true, false]));
  });

  it('names every limit in the way, when the call fits, and with which maximum of output it fits now', async () => {
    const g = gateway({
      limits: { key: { requestsPerMinute: 1 }, team: { nanoUsdPerMonth: 600_000 } },
    });
    const large = await estimate(g, { ...CHAT, max_tokens: 500 });
    expect(large).toMatchObject({
      allowed: false,
      denials: [
        { scope: 'team:search', dimension: 'nanoUsdPerMonth', reason: 'too-large', limit: 600_000 },
      ],
      fits_at: null,
    });
    const max_tokens = large.fits_with_max_output_tokens ?? 0;
    expect((await estimate(g, { ...CHAT, max_tokens })).allowed).toBe(true);
    expect((await estimate(g, { ...CHAT, max_tokens: max_tokens + 2 })).allowed).toBe(false);

    await settled(g.chat({ max_tokens }));
    const second = await estimate(g, { ...CHAT, max_tokens: 16 });
    expect(second.denials).toMatchObject([{ scope: 'key:vk_test', reason: 'window' }]);
    const waitMs = Date.parse(second.fits_at ?? '') - Date.now();
    expect(waitMs).toBeGreaterThan(0);
    expect(waitMs).toBeLessThanOrEqual(120_000);
  });

  it('tells calls in flight from what is spent', async () => {
    const g = gateway({ limits: { team: { nanoUsdPerMonth: 1_200_000 } } });
    const { accounts } = g.ports;
    const reserved = await accounts.reserve({
      requestId: 'req_0123456789abcdefghijkl',
      alias: 'sim-small',
      demand: { nanoUsd: 1_000_000, inputTokens: 1, outputTokens: 1 },
      scopes: [{ scope: TEAM, limits: { nanoUsdPerMonth: 1_200_000 } }],
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    expect(reserved.kind).toBe('reserved');
    expect(await estimate(g, CHAT)).toMatchObject({
      denials: [{ code: 'budget_reserved', reason: 'held', held: 1_000_000 }],
      fits_at: null,
    });
  });
});

describe('errors', () => {
  it.each([
    ['not JSON', '{', 400, 'invalid_request_error'],
    ['a list', [CHAT], 400, 'invalid_request_error'],
    [
      'an endpoint that calls no model',
      { endpoint: '/v1/usage', body: CHAT },
      400,
      'invalid_request_error',
    ],
    [
      'a name that every object has',
      { endpoint: 'constructor', body: CHAT },
      400,
      'invalid_request_error',
    ],
    [
      'a field beside the wrapped body',
      { endpoint: '/v1/embeddings', body: {}, x: 1 },
      400,
      'invalid_request_error',
    ],
    ['an unknown model', { ...CHAT, model: 'nothing' }, 404, 'invalid_request_error'],
    ['a model that is not allowed', { ...CHAT, model: 'forbidden' }, 403, 'permission_error'],
    [
      'more output than the model gives',
      { ...CHAT, max_tokens: 99_999 },
      400,
      'invalid_request_error',
    ],
  ])('answers %s as the call itself would', async (_name, body, status, type) => {
    const answer = await ask(gateway(), body);
    expect([answer.status, answer.json().error?.type]).toEqual([status, type]);
  });

  it('speaks the dialect of the body that it was asked about', async () => {
    const answer = await ask(gateway(), {
      endpoint: '/v1/messages',
      body: { ...CHAT, max_tokens: 5, model: 'nothing' },
    });
    expect(answer.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
  });

  it('wants an active key and POST', async () => {
    const g = gateway();
    expect((await g.call({ path: '/v1/estimate' })).status).toBe(405);
    g.store.setStatus({ kind: 'key', keyId: 'vk_test' }, 'revoked');
    expect((await ask(g, CHAT)).status).toBe(401);
    expect((await ask(g, CHAT, { authorization: 'Bearer tg_x' })).status).toBe(401);
  });

  it('fails closed when the accounts are out of reach', async () => {
    const down = async () => {
      throw new StoreFault('down', { isDoubtful: false });
    };
    const g = gateway({ store: (memory) => ({ ...memory, read: down }) });
    const answer = await ask(g, CHAT);
    expect([answer.status, answer.json().error?.code]).toEqual([503, 'limiter_unavailable']);
    expect(g.reports).toHaveLength(1);
  });
});
