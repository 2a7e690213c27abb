import { describe, expect, it } from 'vitest';
import { model } from '../support/gateway.ts';
import { dataOf, teamState, withProvider } from '../support/served.ts';

const { gateway, provider } = withProvider();

describe('a failing provider', () => {
  it.each([
    ['html', 502, 'upstream_error'],
    ['500', 502, 'upstream_error'],
    ['401', 502, 'upstream_misconfigured'],
    ['redirect', 502, 'upstream_error'],
    ['204', 502, 'upstream_error'],
    ['empty', 502, 'upstream_error'],
    ['reset-before', 503, 'upstream_unreachable'],
    ['hang', 504, 'upstream_timeout'],
    ['429+retry-after=7', 429, 'upstream_rate_limited'],
    ['400', 400, 'upstream_rejected'],
  ])(
    'that does %s gives an error of the dialect and closes the books',
    async (fault, status, code) => {
      for (const stream of [false, true]) {
        const g = gateway({ models: [model('sim-small', `sim-small+fault=${fault}`)] });
        const answer = await g.chat({ stream });
        await answer.closed;
        expect([answer.status, answer.json().error?.code]).toEqual([status, code]);
        expect(Object.keys(answer.json().error ?? {}).slice(0, 4)).toEqual([
          'message',
          'type',
          'param',
          'code',
        ]);
        expect(answer.text).not.toContain('127.0.0.1');
        expect(g.events).toMatchObject([{ outcome: 'error', status, error_code: code }]);
        expect(teamState(g).holds).toBe(0);
        if (status === 429) expect(answer.headers['retry-after']).toBe('7');
      }
    },
  );

  it.each(['reset-mid', 'truncate', 'stall-mid', 'error-chunk', 'garbage-json'])(
    'that does %s in a stream never looks finished',
    async (fault) => {
      const g = gateway({
        models: [model('sim-small', `sim-small+tokens=50+fault=${fault}`)],
        idleTimeoutMs: 300,
      });
      const answer = await g.chat({ stream: true });
      await answer.closed;
      expect(answer.status).toBe(200);
      const data = dataOf(answer);
      expect(data).not.toContain('[DONE]');
      expect(JSON.parse(data.at(-1) ?? '{}').error).toMatchObject({
        type: 'server_error',
        param: null,
      });
      expect(g.events).toMatchObject([{ outcome: 'error', estimated: true }]);
      expect(teamState(g)).toMatchObject({ holds: 0, requests: 1 });
    },
  );

  it('is passed over for the next route while nothing was billed', async () => {
    const g = gateway({ models: [model('sim-small', 'a+fault=500', 'b+fault=429', 'c')] });
    const answer = await g.chat({ stream: true });
    await answer.closed;
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'x-tollgate-model': 'c', 'x-tollgate-attempts': '3' });
    expect(g.events).toMatchObject([{ model: 'c', attempts: 3, outcome: 'ok' }]);
  });

  it('that ignores the maximum is cut, recorded, and shuts the budget', async () => {
    const g = gateway({
      limits: { team: { nanoUsdPerMonth: 2_000_000 } },
      models: [model('sim-small', 'sim-small+fault=infinite')],
    });
    const answer = await g.chat({ stream: true, max_tokens: 10 });
    await answer.closed;
    expect(dataOf(answer)).not.toContain('[DONE]');
    expect(teamState(g).settled).toBeGreaterThan(2_000_000);
    expect((await g.chat({})).json().error?.code).toBe('budget_exhausted');
  });
});

describe('accounts out of reach', () => {
  it('fails closed with 503 and a short retry-after, and calls no provider', async () => {
    const { GatewayError } = await import('../../core/errors.ts');
    const down = () =>
      Promise.reject(
        new GatewayError('limiter_unavailable', 'The limits cannot be checked.', { cause: 'down' }),
      );
    const g = gateway({ store: () => ({ write: down, writeTogether: down, read: down }) });
    const before = provider().ledger().calls;
    const answer = await g.chat({});
    expect(answer.status).toBe(503);
    expect(answer.json().error).toMatchObject({
      code: 'limiter_unavailable',
      type: 'server_error',
    });
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(5);
    expect(provider().ledger().calls).toBe(before);
  });
});
