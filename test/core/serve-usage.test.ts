import { describe, expect, it } from 'vitest';
import { withProvider } from '../support/served.ts';

const { gateway } = withProvider();

const usageOf = async (g: ReturnType<typeof gateway>) => {
  const scopes = (await g.call({ path: '/v1/usage' })).json()['scopes'];
  if (!Array.isArray(scopes)) throw new Error('no scopes');
  return scopes;
};

describe('GET /v1/usage', () => {
  it('shows the day beside the month where a limit of the day is set, in money and tokens', async () => {
    const g = gateway({
      limits: {
        team: { nanoUsdPerDay: 7_000_000_000, tokensPerDay: 90_000, nanoUsdPerMonth: 9e9 },
      },
    });
    await (await g.chat({})).closed;
    const [key, team] = await usageOf(g);
    const {
      cost_nano_usd: cost = 0,
      input_tokens: input,
      output_tokens: output,
    } = g.events[0] ?? {};
    const tokens = (input ?? 0) + (output ?? 0);
    const today = new Date().toISOString().slice(0, 10);
    expect(key).not.toHaveProperty('day');
    expect(team).toMatchObject({
      limits: { usdPerDay: '7', usdPerMonth: '9', tokensPerDay: 90_000 },
      settled: { nano_usd: cost, total_tokens: tokens },
      day: {
        period: today,
        settled: { nano_usd: cost, total_tokens: tokens },
        held: { nano_usd: 0, total_tokens: 0 },
      },
    });
    expect(Number(team.day.projected_end_usd) * 1e9).toBeGreaterThanOrEqual(cost);
    expect(team.day.projected_end_tokens).toBeGreaterThanOrEqual(tokens);
    expect(team.projected_end_tokens).toBeGreaterThanOrEqual(tokens);
    expect(Date.parse(team.day.reset_at)).toBeGreaterThan(Date.now());
    expect(Date.parse(team.day.reset_at)).toBeLessThanOrEqual(Date.parse(team.reset_at));
  });

  it('shows what an override adds, and until when', async () => {
    const untilMs = Date.now() + 3_600_000;
    const raise = { fromMs: 0, untilMs, limits: { nanoUsdPerMonth: 5e9 }, endsWithPeriod: false };
    const g = gateway({ limits: { team: { nanoUsdPerMonth: 9e9, raises: [raise] } } });
    await (await g.chat({})).closed;
    const [key, team] = await usageOf(g);
    expect(key).not.toHaveProperty('override');
    expect(team).toMatchObject({
      limits: { usdPerMonth: '14' },
      override: { added: { usdPerMonth: '5' }, until: new Date(untilMs).toISOString() },
    });
  });

  it('shows what calls in flight hold of the day apart from what is settled', async () => {
    const limits = { tokensPerDay: 90_000 };
    const g = gateway({ limits: { team: limits } });
    await (await g.chat({})).closed;
    const [, before] = await usageOf(g);
    await g.ports.accounts.reserve({
      requestId: 'req_0123456789abcdefghijkl',
      alias: 'sim-small',
      demand: { nanoUsd: 1_000, inputTokens: 30, outputTokens: 40 },
      scopes: [{ scope: { kind: 'team', tenantId: 'acme', teamId: 'search' }, limits }],
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    const [, during] = await usageOf(g);
    expect(during.day.settled).toEqual(before.day.settled);
    expect(during.day.held).toEqual({ usd: '0.000001', nano_usd: 1_000, total_tokens: 70 });
    expect(during.held).toMatchObject({ requests: 1, nano_usd: 1_000 });
  });
});
