import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  DataPlaces,
  KeyRecord,
  ModelAlias,
  PolicySnapshot,
  Team,
  Tier,
} from '../../../core/catalog/snapshot.ts';
import { GatewayError } from '../../../core/errors.ts';
import { type Access, allowedModels, selectRoutes } from '../../../core/routing/select-routes.ts';

const NOW_MS = Date.UTC(2026, 10, 21);
const TIERS: readonly Tier[] = ['shared', 'premium', 'experimental'];
const ALIASES = ['a', 'b', 'c', 'd'];
const PROVIDERS = ['p', 'q', 'r'];
const REGIONS = ['eu-central-1', 'us-east-1', 'eu'];
const LABELS = ['eu', 'hipaa'];

const some = (names: readonly string[]) => fc.subarray([...names]);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const optional = <T extends object>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(shape, { requiredKeys: [] });

const access = optional<{ tiers: Tier[]; models: string[] }>({
  tiers: fc.subarray([...TIERS]),
  models: some(ALIASES),
});
const places = optional<{ regions: string[]; providers: string[]; labels: string[] }>({
  regions: some(REGIONS),
  providers: some(PROVIDERS),
  labels: some(LABELS),
});
const provider = fc.record(
  { region: fc.constantFrom(...REGIONS), labels: some(LABELS) },
  { requiredKeys: [] },
);
const deprecation = fc.record(
  {
    onMs: fc.constant(0),
    sunsetMs: fc.constantFrom(NOW_MS - 1, NOW_MS, NOW_MS + 1),
    replacement: fc.constantFrom(...ALIASES),
    redirects: fc.boolean(),
  },
  { requiredKeys: ['onMs'] },
);
const model = fc.record({
  tier: fc.constantFrom(...TIERS),
  routes: fc.array(
    fc.record({
      provider: fc.constantFrom(...PROVIDERS),
      model: fc.constantFrom('m', 'eu.maker.m', 'us.maker.m', 'global.maker.m'),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  deprecation: maybe(deprecation),
});

const world = fc
  .record({
    tenant: access,
    places: maybe(places),
    team: access,
    key: access,
    providers: fc.tuple(provider, provider, provider),
    models: fc.tuple(model, model, model, model),
  })
  .map(toWorld);

interface World {
  readonly access: Access;
  readonly places: DataPlaces | undefined;
}

interface Drawn {
  readonly tenant: { tiers?: Tier[]; models?: string[] };
  readonly places: { regions?: string[]; providers?: string[]; labels?: string[] } | undefined;
  readonly team: { tiers?: Tier[]; models?: string[] };
  readonly key: { tiers?: Tier[]; models?: string[] };
  readonly providers: readonly { region?: string; labels?: string[] }[];
  readonly models: readonly {
    readonly tier: Tier;
    readonly routes: readonly { provider: string; model: string }[];
    readonly deprecation: ModelAlias['deprecation'] | undefined;
  }[];
}

function toWorld({ tenant, places: to, team, key, providers, models }: Drawn): World {
  const own: Team = {
    id: 'search',
    tenantId: 'acme',
    limits: {},
    alertAtPercent: [],
    owner: 'ann',
    tiers: [...TIERS],
    ...team,
  };
  const policy: PolicySnapshot = {
    version: 1,
    timeZone: 'UTC',
    providers: Object.fromEntries(
      PROVIDERS.map((id, index) => [
        id,
        {
          id,
          kind: 'openai',
          baseUrl: 'https://a.b',
          connectTimeoutMs: 1,
          firstByteTimeoutMs: 1,
          idleTimeoutMs: 1,
          ...providers[index],
        },
      ]),
    ),
    models: Object.fromEntries(
      models.map(({ routes, deprecation: goes, tier }, index) => {
        const alias = ALIASES[index] ?? '';
        return [
          alias,
          {
            alias,
            tier,
            contextTokens: 1,
            maxOutputTokens: 1,
            defaultMaxOutputTokens: 1,
            routes: routes.map((route) => ({ ...route, free: true })),
            ...(goes === undefined ? {} : { deprecation: goes }),
          },
        ];
      }),
    ),
    tenants: {
      acme: { ...tenant, limits: {}, projectLimits: {}, ...(to ? { dataMayGoTo: to } : {}) },
    },
    teams: {},
    projects: [],
  };
  const record: KeyRecord = {
    keyId: 'vk_1',
    tenantId: 'acme',
    teamId: 'search',
    projectId: 'web',
    owner: 'ann',
    pinnedTags: {},
    features: [],
    limits: {},
    createdAtMs: 0,
    ...key,
  };
  return { access: { key: record, team: own, policy }, places: to };
}

function selected(of: Access, alias: string) {
  try {
    return selectRoutes(of, alias, NOW_MS);
  } catch (error) {
    if (error instanceof GatewayError && /^model_not_/.test(error.code)) return undefined;
    throw error;
  }
}

describe('whatever the policy', () => {
  it('no route that is selected lies outside of a list or of where the tenant’s data may go', () => {
    fc.assert(
      fc.property(world, fc.constantFrom(...ALIASES), ({ access: of, places: to }, alias) => {
        const selection = selected(of, alias);
        if (selection === undefined) return;
        const lists = [of.policy.tenants?.['acme'], of.team, of.key];
        for (const { tier, alias: name } of [selection.model, selection.asked ?? selection.model]) {
          for (const list of lists) {
            if (list?.tiers !== undefined) expect(list.tiers).toContain(tier);
            if (list?.models !== undefined) expect(list.models).toContain(name);
          }
        }
        const { sunsetMs = NOW_MS + 1 } = selection.model.deprecation ?? {};
        expect(sunsetMs).toBeGreaterThan(NOW_MS);
        for (const { provider: id, model: name } of selection.routes) {
          const { region = '', labels = [] } = of.policy.providers[id] ?? {};
          const place = /^(eu|us|global)\./.exec(name)?.[1] ?? region;
          if (to?.providers !== undefined) expect(to.providers).toContain(id);
          if (to?.regions !== undefined) expect(to.regions).toContain(place);
          for (const label of to?.labels ?? []) expect(labels).toContain(label);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('the list of models is exactly what may be called', () => {
    fc.assert(
      fc.property(world, ({ access: of }) => {
        const callable = ALIASES.filter((alias) => selected(of, alias) !== undefined);
        expect(allowedModels(of, NOW_MS).map(({ alias }) => alias)).toEqual(callable);
      }),
      { numRuns: 1_000 },
    );
  });
});
