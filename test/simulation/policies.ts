/** Made-up policies: tenants, teams, models, prices and limits at every level. */
import type {
  ModelAlias,
  PolicySnapshot,
  Price,
  Provider,
  Team,
  Tenant,
} from '../../core/catalog/snapshot.ts';
import type { EpochMs } from '../../core/clock.ts';
import type { Limits } from '../../core/limits/dimensions.ts';
import { type LimitPlan, mapLimits } from '../../core/limits/schedule.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import type { Random } from './random.ts';
import { localTime, ZONE_OFFSET_MS } from './true-money.ts';

/** Output tokens of a call that names no maximum. */
export const DEFAULT_MAX_TOKENS = 200;

/** About what a call costs in the end, nano-dollars; budgets are sized by it. */
const USUAL_COST = 350_000;
const USUAL_TOKENS = 600;

/** The first team, the hot one where there is one, makes so many of all calls. */
export const HOT_SHARE = 0.3;

export interface Size {
  readonly teams: number;
  /** Calls that each team will make. */
  readonly callsPerTeam: number;
  readonly startMs: EpochMs;
  /** The first team is hot for certain. */
  readonly isHot?: boolean;
  /** How roomy limits are. */
  readonly scale: number;
}

export function firstPolicy(random: Random, size: Size): PolicySnapshot {
  const { teams: teamCount, callsPerTeam, scale } = size;
  const limitsFor = (teams: number) => somePlan(random, { ...size, teams });
  const withSoft = (plan: LimitPlan, teams: number) =>
    random.chance(0.3) ? { ...plan, soft: someLimits(random, { ...size, teams }) } : plan;
  // Workers with leases meet scopes of a few accounts, not of many.
  const hasHotTeam = size.isHot === true || (scale === 1 && random.chance(0.3));
  // Most histories have two or three levels: every level of limits costs writes, and time here.
  const level = (): ((teams: number) => LimitPlan) =>
    random.chance(0.25) ? limitsFor : () => ({});
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
      limits: withSoft(
        {
          ...limitsFor(1),
          ...(hasHotTeam && index === 0
            ? hotLimits(random, HOT_SHARE * teamCount * callsPerTeam)
            : {}),
        },
        1,
      ),
      tierLimits: { shared: atTier(1), premium: atTier(0.5) },
      perUserLimits: atUser(0.5),
      alertAtPercent: [],
      owner: 'ann',
    }),
  );
  const tenant = (): Tenant => ({
    limits: withSoft(atTenant(teamCount / 2), teamCount / 2),
    projectLimits: { web: withSoft(atProject(teamCount / 2), teamCount / 2) },
  });
  const provider = (id: string, limits: LimitPlan): Provider => ({
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

/** So many requests that the scope has several accounts, and budgets that run out in some of them before others. */
function hotLimits(random: Random, calls: number): Limits {
  const tight = (usual: number) => random.between(Math.ceil(0.2 * usual), Math.ceil(1.5 * usual));
  return {
    requestsPerSecond: random.between(400, 2_400),
    requestsPerMinute: undefined,
    nanoUsdPerMonth: tight(calls * USUAL_COST),
    nanoUsdPerDay: undefined,
    ...(random.chance(0.5) ? { tokensPerDay: tight(calls * USUAL_TOKENS) } : {}),
    ...(random.chance(0.5) ? { tokensPerMinute: random.between(10_000, 60_000) } : {}),
    ...(random.chance(0.5) ? { concurrentRequests: random.between(3, 12) } : {}),
  };
}

/** Limits, and in some plans a window of the day in which others hold: it opens or closes soon. */
export function somePlan(random: Random, size: Size): LimitPlan {
  const limits = someLimits(random, size);
  if (random.chance(0.7)) return limits;
  const timeZone = random.pick(Object.keys(ZONE_OFFSET_MS));
  const { minute } = localTime(size.startMs, timeZone);
  const fromMinute = (minute + random.between(0, 2)) % 1_440;
  const toMinute = (fromMinute + random.between(1, 3)) % 1_440 || 1_440;
  const days = [1, 2, 3, 4, 5, 6, 7];
  const within = someLimits(random, size);
  return { ...limits, schedules: [{ days, fromMinute, toMinute, timeZone, limits: within }] };
}

/** Every dimension in some accounts, none in others; budgets from far too small to ample. */
function someLimits(random: Random, { teams, callsPerTeam, ...size }: Size): Limits {
  const scale = Math.max(1, teams) * size.scale;
  const calls = teams * callsPerTeam * size.scale;
  const some = <K extends keyof Limits>(name: K, low: number, high: number): Limits =>
    random.chance(0.25) ? { [name]: random.between(Math.ceil(low), Math.ceil(high)) } : {};
  return {
    // A few accounts at most: many are for hot teams.
    ...some('requestsPerSecond', Math.min(scale, 150), Math.min(16 * scale, 150)),
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
export function changed(random: Random, plan: LimitPlan): LimitPlan {
  return mapLimits(plan, (limit) =>
    Math.max(1, Math.round(limit * random.pick([0.5, 0.8, 1, 1, 1.3, 2]))),
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
      return alias === 'own'
        ? { provider, model: name, free: true }
        : { provider, model: name, price: price(name), free: false };
    }),
    contextTokens: 128_000,
    maxOutputTokens: 600,
    defaultMaxOutputTokens: DEFAULT_MAX_TOKENS,
  });
  return {
    solo: model('solo', 'premium', ['first']),
    pair: model('pair', 'shared', ['first', 'second']),
    // On servers of the company's own: costs nothing a token.
    own: model('own', 'shared', ['second', 'first']),
  };
}
