import { describe, expect, it } from 'vitest';
import type { ModelAlias, PolicySnapshot, Provider } from '../../core/catalog/snapshot.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import { model, type TestGateway } from '../support/gateway.ts';
import { withProvider } from '../support/served.ts';

const { gateway } = withProvider();
const DAY_MS = 86_400_000;

/** The usual policy with something of it changed, as a policy that was applied since. */
function changed(g: TestGateway, change: (policy: PolicySnapshot) => PolicySnapshot): TestGateway {
  const { policy } = g.ports.directory;
  const ports = g.ports.directory;
  ports.policy = async () => change(await policy());
  return g;
}

const asTenant =
  (tenant: Partial<NonNullable<PolicySnapshot['tenants']>[string]>) =>
  (policy: PolicySnapshot) => ({
    ...policy,
    tenants: { acme: { limits: {}, projectLimits: {}, ...tenant } },
  });

const withProviderOf = (fields: Partial<Provider>) => (policy: PolicySnapshot) => {
  const { sim } = policy.providers;
  if (sim === undefined) throw new Error('no provider');
  return { ...policy, providers: { ...policy.providers, sim: { ...sim, ...fields } } };
};

const going = (alias: string, deprecation: NonNullable<ModelAlias['deprecation']>) => ({
  ...model(alias, 'sim-small'),
  deprecation,
});

describe('a model that goes', () => {
  const NOW_MS = Date.now();
  const soon = Math.floor(NOW_MS / 1000) * 1000 + DAY_MS;

  it('serves and says on every call when it ends and what comes after', async () => {
    const goes = going('old', {
      onMs: 0,
      sunsetMs: soon,
      replacement: 'sim-small',
      message: 'Faster.',
    });
    const g = gateway({ models: [model('sim-small'), goes] });
    for (const stream of [false, true]) {
      const { status, headers } = await g.chat({ model: 'old', stream });
      expect(status).toBe(200);
      expect(headers).toMatchObject({
        deprecation: '@0',
        sunset: new Date(soon).toUTCString(),
        'x-tollgate-deprecated': `old is deprecated until ${new Date(soon).toISOString()}; call sim-small instead. Faster.`,
      });
    }
    expect((await g.chat({})).headers).not.toHaveProperty('deprecation');
    const { data } = (await g.call({})).json() as { data: { id: string; deprecated?: object }[] };
    expect(data.find(({ id }) => id === 'old')?.deprecated).toMatchObject({
      sunset: new Date(soon).toISOString(),
      replacement: 'sim-small',
    });
    expect(data.find(({ id }) => id === 'sim-small')).not.toHaveProperty('deprecated');
  });

  it('is refused after its sunset with the name of the replacement', async () => {
    const gone = going('old', { onMs: 0, sunsetMs: 1, replacement: 'sim-small' });
    const g = gateway({ models: [model('sim-small'), gone] });
    const answer = await g.chat({ model: 'old' });
    expect(answer.status).toBe(404);
    expect(answer.json().error).toMatchObject({
      code: 'model_not_found',
      message: "The model 'old' is no longer served. Call 'sim-small' instead.",
    });
    expect((await g.call({})).text).not.toContain('"old"');
  });

  it('hands its calls to the replacement where the policy says so', async () => {
    const gone = going('old', { onMs: 0, sunsetMs: 1, replacement: 'sim-small', redirects: true });
    const g = gateway({ models: [model('sim-small'), gone] });
    const answer = await g.chat({ model: 'old' });
    await answer.closed;
    expect(answer.status).toBe(200);
    expect(answer.headers['x-tollgate-deprecated']).toContain('call sim-small instead');
    expect(g.events[0]).toMatchObject({ model_alias: 'sim-small' });
  });

  it('is no way around in a circle', async () => {
    const to = (alias: string, replacement: string) =>
      going(alias, { onMs: 0, sunsetMs: 1, replacement, redirects: true });
    const g = gateway({ models: [to('a', 'b'), to('b', 'a')] });
    expect((await g.chat({ model: 'a' })).status).toBe(404);
  });
});

describe('a model that this key may not call', () => {
  it.each([
    ['the key', { key: { models: ['other'] } }, {}],
    ['the key’s tiers', { key: { tiers: ['premium' as const] } }, {}],
    ['the tenant', {}, { models: ['other'] }],
    ['the tenant’s tiers', {}, { tiers: [] }],
    ['the tenant’s regions', {}, { dataMayGoTo: { regions: ['eu-central-1'] } }],
    ['the tenant’s labels', {}, { dataMayGoTo: { labels: ['hipaa'] } }],
    ['the tenant’s providers', {}, { dataMayGoTo: { providers: ['vllm'] } }],
  ])('because of %s is refused and not listed', async (_why, options, tenant) => {
    const g = changed(gateway(options), asTenant(tenant));
    const answer = await g.chat({});
    expect(answer.status).toBe(403);
    expect(answer.json().error?.code).toBe('model_not_allowed');
    expect((await g.call({})).json()['data']).toEqual([]);
    expect((await g.call({ path: '/v1/models/sim-small' })).status).toBe(404);
    const anthropic = await g.call({ headers: { 'anthropic-version': '2023-06-01' } });
    expect(anthropic.json()['data']).toEqual([]);
    expect(g.events).toEqual([]);
  });

  it('is served where its provider has the region and every label', async () => {
    const g = changed(
      gateway(),
      withProviderOf({ region: 'eu-central-1', labels: ['eu', 'hipaa'] }),
    );
    changed(g, asTenant({ dataMayGoTo: { regions: ['eu-central-1'], labels: ['hipaa', 'eu'] } }));
    expect((await g.chat({})).status).toBe(200);
  });
});

describe('tags', () => {
  const rules = { required: ['customer_id'], allowedValues: { use_case: ['chat', 'batch-*'] } };
  const tag = (header: string) => ({ 'x-tollgate-tags': header });
  const send = (g: TestGateway, headers: Record<string, string>) =>
    g.call({
      method: 'POST',
      path: '/v1/chat/completions',
      headers,
      body: { model: 'sim-small', messages: [{ role: 'user', content: 'Hello' }] },
    });

  it.each([
    ['', 400, /'customer_id'/],
    ['customer_id=7', 200, undefined],
    ['customer_id=7,use_case=chat', 200, undefined],
    ['customer_id=7,use_case=batch-night', 200, undefined],
    ['customer_id=7,use_case=chats', 400, /'use_case' is one of: chat, batch-\*/],
    ['customer_id=7,feature=answers', 200, undefined],
    ['customer_id=7,feature=other', 403, /serves other features: answers/],
  ])(
    '%j are under the rules of the tenant and the features of the key',
    async (header, status, message) => {
      const g = changed(gateway(), asTenant({ tagRules: rules }));
      const answer = await send(g, header === '' ? {} : tag(header));
      expect(answer.status).toBe(status);
      if (message !== undefined) expect(answer.json().error?.message).toMatch(message);
    },
  );

  it('are under the rules of the team as well', async () => {
    const g = changed(gateway(), (policy) => {
      const name = teamKey('acme', 'search');
      const team = policy.teams[name];
      if (team === undefined) throw new Error('no team');
      return { ...policy, teams: { [name]: { ...team, tagRules: rules } } };
    });
    expect((await send(g, {})).status).toBe(400);
  });

  it('of a key that lists no features may name any', async () => {
    const answer = await send(gateway({ key: { features: [] } }), tag('feature=anything'));
    expect(answer.status).toBe(200);
  });
});

describe('a fallback', () => {
  it('names the route that was tried first, in a header and only then', async () => {
    const g = gateway({ models: [model('sim-small', 'sim-small+fault=500', 'sim-small')] });
    const { headers } = await g.chat({});
    expect(headers['x-tollgate-fallback']).toBe('sim/sim-small+fault=500');
    expect((await gateway().chat({})).headers).not.toHaveProperty('x-tollgate-fallback');
  });
});
