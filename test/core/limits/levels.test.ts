import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { counterValue, parseAccount } from '../../../core/limits/account.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../../core/policy/policy-error.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import {
  type SimulatedProvider,
  startSimulatedProvider,
} from '../../../local/simulated-provider/simulated-provider.ts';
import { type Answer, createTestGateway, type TestGateway } from '../../support/gateway.ts';

/** Lines of YAML under the place that the name says. */
interface Places {
  readonly provider?: string;
  readonly tenant?: string;
  readonly team?: string;
  readonly project?: string;
}

const TEAM = { tenantId: 'acme', teamId: 'search' } as const;

let provider: SimulatedProvider;
const open: TestGateway[] = [];

beforeAll(async () => {
  provider = await startSimulatedProvider({ speed: { ttftMs: 0 } });
});
afterAll(() => provider.close());
afterEach(() => {
  for (const gateway of open.splice(0)) gateway.close();
});

function company({ provider: pool, tenant, team, project = 'team: search' }: Places, version = 1) {
  const model = (tier: string, ...routes: string[]) =>
    `{ tier: ${tier}, context_tokens: 128K, max_output_tokens: 8K, default_max_output_tokens: 200, routes: [${routes
      .map((route) => `{ provider: ${route}, price: { input: $1, output: $2 } }`)
      .join(', ')}] }`;
  const url = JSON.stringify(provider.url);
  const text = `time_zone: UTC
providers:
  main: { kind: openai, base_url: ${url}${pool === undefined ? '' : `, ${pool}`} }
  narrow: { kind: openai, base_url: ${url}, limits: { requests_per_minute: 100 } }
  spare: { kind: openai, base_url: ${url} }
models:
  sim-small: ${model('shared', 'main, model: sim-small')}
  sim-large: ${model('premium', 'main, model: sim-large')}
  steady: ${model('shared', 'main, model: x+fault=500', 'narrow, model: y', 'spare, model: z')}
tenants:
  acme:
    ${tenant ?? 'limits: {}'}
    teams:
      search:
        owner: ann
        tiers: [shared, premium]
        ${team ?? 'limits: {}'}
    projects:
      web: { ${project} }
`;
  const parsed = parsePolicy(text, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(parsed.errors.map(formatPolicyError).join('\n'));
  return compilePolicy(parsed.policy, version, Date.now());
}

function gateway(places: Places, key = {}): TestGateway {
  const created = createTestGateway({
    providerUrl: provider.url,
    compiled: company(places),
    limits: { key },
    key: { features: ['answers', 'big', 'constructor'] },
  });
  open.push(created);
  return created;
}

/** Waits for the books, so that nothing of a call is in flight when the next one comes. */
async function settled(answer: Promise<Answer>): Promise<Answer> {
  const arrived = await answer;
  await arrived.closed;
  return arrived;
}

function accountOf({ store }: TestGateway, scope: Scope) {
  return parseAccount(store.items.get(accountKey(scope)) ?? {});
}

function settledAt(g: TestGateway, scope: Scope) {
  const month = Number(new Date().toISOString().slice(0, 7).replace('-', ''));
  const account = accountOf(g, scope);
  return {
    requests: counterValue(account, 'settledRequests', month),
    outputTokens: counterValue(account, 'settledOutputTokens', month),
    holds: account.holds.size,
  };
}

describe('every level', () => {
  const two = 'limits: { requests_per_minute: 2 }';
  it.each<[string, Places, string]>([
    ['tenant', { tenant: two }, 'tenant:acme'],
    ['team', { team: two }, 'team:search'],
    [
      'tier',
      { team: `tier_limits: { shared: { requests_per_minute: 2 } }` },
      'team-tier:search/shared',
    ],
    ['project', { project: `team: search, ${two}` }, 'project:web'],
    ['user', { team: 'per_user_limits: { requests_per_minute: 2 }' }, 'user:ann'],
    ['feature', { team: 'per_feature_limits: { requests_per_minute: 2 }' }, 'feature:answers'],
    [
      'feature with limits of its own',
      { team: 'feature_limits: { answers: { requests_per_minute: 2 } }' },
      'feature:answers',
    ],
    ['provider', { provider: 'limits: { requests_per_minute: 3 }' }, 'provider:main'],
  ])('refuses at the limit of the %s and names it', async (_, places, scope) => {
    const g = gateway(places);
    const call = () => settled(g.chat({ user: 'ann' }));
    expect([(await call()).status, (await call()).status]).toEqual([200, 200]);
    const refused = await call();
    expect(refused.status).toBe(429);
    expect(refused.json().error?.gateway).toMatchObject({ scope, dimension: 'requestsPerMinute' });
    expect(refused.json().error?.message).toContain(scope);
    expect(g.events.at(-1)).toMatchObject({ denied_scope: scope });
  });

  it('refuses at the limit of the key and names it', async () => {
    const g = gateway({}, { requestsPerMinute: 1 });
    await settled(g.chat({}));
    expect((await g.chat({})).json().error?.gateway).toMatchObject({ scope: 'key:vk_test' });
  });

  it.each<[string, Places, number]>([
    ['none but the key', {}, 2],
    ['soft ones of the team', { team: 'soft_limits: { monthly_budget: $1 }' }, 4],
    ['the team', { team: 'limits: { monthly_budget: $5 }' }, 4],
    [
      'team, tenant and provider',
      {
        provider: 'limits: { tokens_per_minute: 1M }',
        tenant: 'limits: { monthly_budget: $50 }',
        team: 'limits: { monthly_budget: $5 }',
      },
      8,
    ],
    [
      'a tier that the call is not of, and a feature that it does not serve',
      {
        team: 'tier_limits: { premium: { monthly_budget: $5 } }\n        feature_limits: { other: { monthly_budget: $5 } }',
      },
      2,
    ],
    ['users, for a call without one', { team: 'per_user_limits: { daily_budget: $1 }' }, 2],
  ])('costs no write where there are no limits: %s', async (_, places, writes) => {
    const g = gateway(places);
    await settled(g.chat({}));
    expect(g.store.writes()).toBe(writes);
  });
});

describe('a tier of a team', () => {
  it('that is used up leaves the others usable', async () => {
    const g = gateway({
      team: 'limits: { requests_per_minute: 50 }\n        tier_limits: { premium: { requests_per_minute: 1 } }',
    });
    const premium = () => settled(g.chat({ model: 'sim-large' }));
    expect((await premium()).status).toBe(200);
    expect((await premium()).json().error?.gateway).toMatchObject({
      scope: 'team-tier:search/premium',
    });
    expect((await settled(g.chat({}))).status).toBe(200);
    expect(settledAt(g, { kind: 'team', ...TEAM })).toMatchObject({ requests: 2, holds: 0 });
  });
});

describe('a user', () => {
  const limits = { team: 'per_user_limits: { requests_per_minute: 1 }' };

  it('at the limit takes nothing from another', async () => {
    const g = gateway(limits);
    const call = (user: string) => settled(g.chat({ user }));
    expect((await call('ann')).status).toBe(200);
    expect((await call('ann')).status).toBe(429);
    expect((await call('bob')).status).toBe(200);
  });

  it.each(['constructor', '__proto__', 'a/b', 'x'.repeat(512), '\u202eevil', '\ud800'])(
    'named %j is a user like any other',
    async (user) => {
      const g = gateway(limits);
      expect((await settled(g.chat({ user }))).status).toBe(200);
      expect((await settled(g.chat({ user }))).status).toBe(429);
      expect((await settled(g.chat({ user: 'ann' }))).status).toBe(200);
    },
  );
});

describe('a feature', () => {
  it('with limits of its own does not have the default ones', async () => {
    const g = gateway({
      team: 'per_feature_limits: { requests_per_minute: 1 }\n        feature_limits: { big: { requests_per_minute: 3 } }',
    });
    const call = (feature: string) =>
      settled(g.call({ method: 'POST', path: '/v1/chat/completions', body: BODY(feature) }));
    for (let served = 0; served < 3; served += 1) expect((await call('big')).status).toBe(200);
    expect((await call('big')).status).toBe(429);
    expect((await call('constructor')).status).toBe(200);
    expect((await call('constructor')).status).toBe(429);
  });

  const BODY = (feature: string) => ({
    model: 'sim-small',
    messages: [{ role: 'user', content: 'Hello' }],
    metadata: { feature },
  });
});

describe('a provider pool', () => {
  it('is used to 85 % of its limits, or what the policy says', () => {
    const limitsOf = (pool: string) => company({ provider: pool }).accounts[0];
    const scope = { kind: 'pool', providerId: 'main' };
    expect(limitsOf('limits: { tokens_per_minute: 30M, requests_per_minute: 333 }')).toEqual({
      scope,
      limits: { tokensPerMinute: 25_500_000, requestsPerMinute: 283 },
    });
    expect(limitsOf('use_at_most: 50%, limits: { requests_per_minute: 333 }')).toEqual({
      scope,
      limits: { requestsPerMinute: 166 },
    });
  });

  it('tells no caller how much the others use', async () => {
    const g = gateway({ provider: 'limits: { requests_per_minute: 2 }, use_at_most: 50%' });
    const first = await settled(g.chat({}));
    expect(Object.keys(first.headers).filter((name) => name.includes('ratelimit'))).toEqual([]);
    const { message, gateway: detail } = (await g.chat({})).json().error ?? {};
    expect(message).not.toMatch(/used|limit 1/);
    expect(detail).not.toHaveProperty('used');
    expect(detail).not.toHaveProperty('held');
    expect(detail).not.toHaveProperty('limit');
  });

  it('that failed keeps the request and books no tokens; no room is taken in another limited one', async () => {
    const g = gateway({ provider: 'limits: { tokens_per_minute: 100K }' });
    const answer = await settled(g.chat({ model: 'steady' }));
    expect(answer.headers).toMatchObject({ 'x-tollgate-model': 'z', 'x-tollgate-attempts': '2' });
    const main = settledAt(g, { kind: 'pool', providerId: 'main' });
    expect(main).toEqual({ requests: 1, outputTokens: 0, holds: 0 });
    const narrow = settledAt(g, { kind: 'pool', providerId: 'narrow' });
    expect(narrow).toEqual({ requests: 0, outputTokens: 0, holds: 0 });
    const key = settledAt(g, { kind: 'key', keyId: 'vk_test' });
    expect(key.outputTokens).toBe(g.events[0]?.output_tokens);
    expect(key.outputTokens).toBeGreaterThan(0);
  });
});

describe('a change of the policy', () => {
  const limitedTo = (calls: number): Places => {
    const limits = `limits: { requests_per_minute: ${calls} }`;
    return { tenant: limits, team: limits, project: `team: search, ${limits}` };
  };

  it.each([
    ['raised', 1, [200, 200, 429]],
    ['lowered', 5, [200, 200, 429]],
  ])(
    'that is %s holds at every static level from the next call on',
    async (_, before, statuses) => {
      const g = gateway(limitedTo(before));
      const answers = [await settled(g.chat({}))];
      for (const { scope, limits } of company(limitedTo(2), 2).accounts)
        g.store.setUp(scope, limits);
      answers.push(await settled(g.chat({})), await settled(g.chat({})));
      expect(answers.map(({ status }) => status)).toEqual(statuses);
    },
  );

  it('is obeyed before its accounts are written', async () => {
    const g = gateway(limitedTo(1));
    for (const { scope } of company(limitedTo(1)).accounts) g.store.items.delete(accountKey(scope));
    expect((await settled(g.chat({}))).status).toBe(200);
    expect((await settled(g.chat({}))).status).toBe(429);
  });

  it('has an account for everything static that it limits, and for nothing else', () => {
    const limits = 'limits: { monthly_budget: $5 }';
    const { accounts } = company({
      provider: limits,
      tenant: limits,
      team: `${limits}
        tier_limits: { premium: { monthly_budget: $1 } }
        per_user_limits: { daily_budget: $1 }
        per_feature_limits: { daily_budget: $1 }
        feature_limits: { big: { daily_budget: $2 } }`,
      project: `team: search, ${limits}`,
    });
    expect(accounts.map(({ scope }) => accountKey(scope))).toEqual([
      'pool/main',
      'pool/narrow',
      'tenant/acme',
      'project/acme/web',
      'team/acme/search',
      'team-tier/acme/search/premium',
      'feature/acme/search/big',
    ]);
    expect(company({}).accounts.map(({ scope }) => accountKey(scope))).toEqual(['pool/narrow']);
  });
});

describe('GET /v1/usage', () => {
  it('shows the own scopes that have limits, and neither tenant nor provider', async () => {
    const limits = 'limits: { monthly_budget: $5 }';
    const g = gateway({
      provider: 'limits: { tokens_per_minute: 1M }',
      tenant: limits,
      team: `${limits}\n        tier_limits: { premium: { monthly_budget: $1 } }`,
      project: `team: search, ${limits}`,
    });
    await settled(g.chat({ model: 'sim-large' }));
    expect((await g.call({ path: '/v1/usage' })).json()['scopes']).toMatchObject([
      { scope: 'key:vk_test', settled: { requests: 1 } },
      { scope: 'project:web', settled: { requests: 1 } },
      { scope: 'team:search', settled: { requests: 1 } },
      { scope: 'team-tier:search/premium', settled: { requests: 1 } },
    ]);
  });
});
