import { describe, expect, it } from 'vitest';
import { rollupsOf } from '../support/memory-rollups.ts';
import { withProvider } from '../support/served.ts';
import { usageEvent } from './rollups/usage-events.ts';

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

describe('GET /v1/usage?activity', () => {
  const seen = (fields: Parameters<typeof usageEvent>[0]) =>
    usageEvent({ event_time_ms: Date.now(), model_alias: 'sim-small', ...fields });
  const rollups = () =>
    rollupsOf([
      seen({ feature: 'answers' }),
      seen({ feature: 'payroll', model_alias: 'board-only' }),
      seen({ team_id: 'support' }),
      seen({ tenant_id: 'globex' }),
    ]);
  const ask = (g: ReturnType<typeof gateway>, activity: string) =>
    g.call({ path: '/v1/usage', query: { activity } });

  it('adds what the team did lately, in all and by the features and models of the key', async () => {
    const answer = (await ask(gateway({ rollups: rollups() }), '24h')).json();
    expect(answer).toMatchObject({
      object: 'usage',
      scopes: [{ scope: 'key:vk_test' }, { scope: 'team:search' }],
      activity: {
        last: '24h',
        total: { requests: 2, input_tokens: 200 },
        features: { data: [{ name: 'answers', requests: 1 }], left_out: 0 },
        models: { data: [{ name: 'sim-small', requests: 1 }], left_out: 0 },
      },
    });
    expect(JSON.stringify(answer)).not.toMatch(/payroll|board-only|support|globex/);
  });

  it('names every feature of the team to a key that may serve any, and the pinned one alone to a key with one', async () => {
    for (const [key, features] of [
      [{ features: [] }, ['answers', 'payroll']],
      [{ features: [], pinnedTags: { feature: 'payroll' } }, ['payroll']],
    ] as const) {
      const record = { ...key, features: [...key.features] };
      const g = gateway({ rollups: rollups(), key: record });
      const { activity } = (await ask(g, '1h')).json();
      expect(activity).toMatchObject({ features: { data: features.map((name) => ({ name })) } });
    }
  });

  it('reads no sums unless it is asked to', async () => {
    const sums = rollups();
    const g = gateway({ rollups: sums });
    expect((await g.call({ path: '/v1/usage' })).json()).not.toHaveProperty('activity');
    g.store.setStatus({ kind: 'key', keyId: 'vk_test' }, 'revoked');
    expect((await ask(g, '24h')).status).toBe(401);
    expect(sums.asked).toEqual([]);
  });

  it('answers the live part while the sums are out of reach, and reports it', async () => {
    const readCollection = async () => Promise.reject(new Error('throttled'));
    const g = gateway({ rollups: { readCollection } });
    const answer = await ask(g, '24h');
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({
      activity: null,
      scopes: [{ period: expect.any(String) }, {}],
    });
    expect(g.reports).toEqual(['activity not read: Error: throttled']);
  });

  it.each(['2h', '', 'constructor'])('refuses %j as a span', async (activity) => {
    const { status, json } = await ask(gateway(), activity);
    expect([status, json().error?.param]).toEqual([400, 'activity']);
  });
});
