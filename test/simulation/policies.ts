/** Made-up policies: tenants, teams, models, prices and limits at every level. */
import type {
  ModelAlias,
  PolicySnapshot,
  Price,
  Provider,
  Team,
  Tenant,
} from '../../core/catalog/snapshot.ts';
import type { Limits } from '../../core/limits/dimensions.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import type { Random } from './random.ts';

/** Zones without summer time, so that the invariants can tell the calendar by plain arithmetic. */
export const ZONE_OFFSET_MS: Readonly<Record<string, number>> = {
  UTC: 0,
  'Asia/Kolkata': 19_800_000,
  'America/Phoenix': -25_200_000,
};

/** Output tokens of a call that names no maximum. */
export const DEFAULT_MAX_TOKENS = 200;

/** About what a call costs in the end, nano-dollars; budgets are sized by it. */
const USUAL_COST = 350_000;
const USUAL_TOKENS = 600;

export interface Size {
  readonly teams: number;
  /** Calls that each team will make. */
  readonly callsPerTeam: number;
}

export function firstPolicy(
  random: Random,
  { teams: teamCount, callsPerTeam }: Size,
): PolicySnapshot {
  const limitsFor = (teams: number) => someLimits(random, { teams, callsPerTeam });
  // Most histories have two or three levels: every level of limits costs writes, and time here.
  const level = (): ((teams: number) => Limits) => (random.chance(0.25) ? limitsFor : () => ({}));
  const [atTier, atUser, atProject, atTenant, atPool] = [
    level(),
    level(),
    level(),
    level(),
    level(),
  ];
  // Both tenants have a team0: what tells them apart is the tenant alone.
  const teams = Array.from(
    { length: teamCount },
    (_, index): Team => ({
      id: `team${Math.floor(index / 2)}`,
      tenantId: `tenant${index % 2}`,
      tiers: ['shared', 'premium'],
      limits: limitsFor(1),
      tierLimits: { shared: atTier(1), premium: atTier(0.5) },
      perUserLimits: atUser(0.5),
      alertAtPercent: [],
      owner: 'ann',
    }),
  );
  const tenant = (): Tenant => ({
    limits: atTenant(teamCount / 2),
    projectLimits: { web: atProject(teamCount / 2) },
  });
  const provider = (id: string, limits: Limits): Provider => ({
    id,
    kind: 'openai',
    baseUrl: `http://${id}.test`,
    connectTimeoutMs: 1_000,
    firstByteTimeoutMs: 5_000,
    idleTimeoutMs: random.pick([8_000, 20_000]),
    limits,
  });
  return {
    version: 1,
    timeZone: random.pick(Object.keys(ZONE_OFFSET_MS)),
    providers: {
      first: provider('first', atPool(teamCount)),
      second: provider('second', random.chance(0.5) ? {} : atPool(teamCount)),
    },
    models: someModels(random, 1),
    teams: Object.fromEntries(teams.map((team) => [teamKey(team.tenantId, team.id), team])),
    tenants: { tenant0: tenant(), tenant1: tenant() },
    projects: [],
  };
}

/** The policy in force with some limits as the first one had them, or a little lower or higher; maybe new prices. */
export function nextPolicy(
  random: Random,
  first: PolicySnapshot,
  current: PolicySnapshot,
): PolicySnapshot {
  const version = current.version + 1;
  const models = random.chance(0.5) ? current.models : someModels(random, version);
  const next = { ...current, version, models };
  const [name, team] = random.pick(Object.entries(first.teams));
  const tierLimits = Object.fromEntries(
    Object.entries(team.tierLimits ?? {}).map(([tier, limits]) => [tier, changed(random, limits)]),
  );
  const changedTeam = { ...team, limits: changed(random, team.limits), tierLimits };
  if (random.chance(0.6)) return { ...next, teams: { ...next.teams, [name]: changedTeam } };
  const [tenantId, tenant] = random.pick(Object.entries(first.tenants ?? {}));
  const changedTenant = { ...tenant, limits: changed(random, tenant.limits) };
  if (random.chance(0.6))
    return { ...next, tenants: { ...next.tenants, [tenantId]: changedTenant } };
  const [id, provider] = random.pick(Object.entries(first.providers));
  const changedProvider = { ...provider, limits: changed(random, provider.limits ?? {}) };
  return { ...next, providers: { ...next.providers, [id]: changedProvider } };
}

/** Every dimension in some accounts, none in others; budgets from far too small to ample. */
export function someLimits(random: Random, { teams, callsPerTeam }: Size): Limits {
  const scale = Math.max(1, teams);
  const calls = teams * callsPerTeam;
  const some = <K extends keyof Limits>(name: K, low: number, high: number): Limits =>
    random.chance(0.25) ? { [name]: random.between(Math.ceil(low), Math.ceil(high)) } : {};
  return {
    ...some('requestsPerSecond', scale, 16 * scale),
    ...some('requestsPerMinute', 30 * scale, 400 * scale),
    ...some('inputTokensPerMinute', 8_000 * scale, 160_000 * scale),
    ...some('outputTokensPerMinute', 4_000 * scale, 80_000 * scale),
    ...some('tokensPerMinute', 10_000 * scale, 200_000 * scale),
    ...some('concurrentRequests', 2 * scale, 20 * scale),
    ...some('tokensPerDay', 0.2 * calls * USUAL_TOKENS, 2 * calls * USUAL_TOKENS),
    ...some('tokensPerMonth', 0.2 * calls * USUAL_TOKENS, 2 * calls * USUAL_TOKENS),
    ...some('nanoUsdPerDay', 0.2 * calls * USUAL_COST, 2 * calls * USUAL_COST),
    ...some('nanoUsdPerMonth', 0.2 * calls * USUAL_COST, 2 * calls * USUAL_COST),
  };
}

/** Every limit a little lower or a little higher, or the same. */
export function changed(random: Random, limits: Limits): Limits {
  return Object.fromEntries(
    Object.entries(limits).map(([name, limit]) => [
      name,
      Math.max(1, Math.round(Number(limit) * random.pick([0.5, 0.8, 1, 1, 1.3, 2]))),
    ]),
  );
}

function someModels(random: Random, version: number): Record<string, ModelAlias> {
  const price = (name: string): Price => ({
    version: `${name}-v${version}`,
    input: random.between(100_000, 400_000),
    output: random.between(1_000_000, 3_000_000),
    ...(random.chance(0.5) ? { cachedInput: random.between(10_000, 60_000) } : {}),
    ...(random.chance(0.5) ? { cacheWrite5m: random.between(100_000, 500_000) } : {}),
    ...(random.chance(0.5) ? { reasoning: random.between(800_000, 3_000_000) } : {}),
    ...(random.chance(0.5) ? { serviceTiers: { flex: 50, priority: random.pick([90, 175]) } } : {}),
  });
  const model = (
    alias: string,
    tier: ModelAlias['tier'],
    providers: readonly string[],
  ): ModelAlias => ({
    alias,
    tier,
    routes: providers.map((provider) => {
      const name = `${alias}-at-${provider}`;
      return { provider, model: name, price: price(name), free: false };
    }),
    contextTokens: 128_000,
    maxOutputTokens: 600,
    defaultMaxOutputTokens: DEFAULT_MAX_TOKENS,
  });
  return {
    solo: model('solo', 'premium', ['first']),
    pair: model('pair', 'shared', ['first', 'second']),
  };
}
