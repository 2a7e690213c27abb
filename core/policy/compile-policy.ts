import type {
  AlertChannel,
  KeyRecord,
  ModelAlias,
  PolicySnapshot,
  Provider,
  Route,
  Team,
  Tenant,
} from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import type { Limits } from '../limits/dimensions.ts';
import { hasLimits, type LimitPlan, mapLimits } from '../limits/schedule.ts';
import { bedrockBaseUrl } from '../providers/bedrock/adapter.ts';
import type { Priority } from '../tenancy/priority.ts';
import { type Scope, teamKey } from '../tenancy/scopes.ts';
import { keyIdOf } from '../tenancy/virtual-key.ts';
import {
  accessOf,
  dataPlacesOf,
  deprecationOf,
  issuersOf,
  type SsoKeyDeclaration,
  ssoKeysOf,
  tagRulesOf,
} from './compile-access.ts';
import { hoursOf, planOf } from './limits-schema.ts';
import { type Policy, shareOf } from './policy-schema.ts';
import { priceOfRoute } from './route-price.ts';
import { toTraceStore } from './trace-store-schema.ts';

/** The hard limits that one scope's account must hold once the policy is in force. */
interface AccountLimits {
  readonly scope: Scope;
  readonly limits: LimitPlan;
}

/** A key of the policy file: whose it is and what it may do. */
export interface KeyDeclaration extends Readonly<Pick<KeyRecord, 'tiers' | 'models'>> {
  readonly tenantId: string;
  readonly name: string;
  readonly teamId: string;
  readonly projectId: string;
  readonly owner: string;
  readonly features: readonly string[];
  readonly pinnedTags: Readonly<Record<string, string>>;
  readonly limits: LimitPlan;
  readonly priority: Priority;
  readonly expiresAtMs?: number;
  /** Hex SHA-256 of the secret; absent where the admin API still has to make one. */
  readonly secretHash?: string;
}

export interface CompiledPolicy {
  readonly snapshot: PolicySnapshot;
  /**
   * Of every scope that is known and has limits, and of every key whose secret exists. Users, and features
   * without limits of their own, get theirs at their first call.
   */
  readonly accounts: readonly AccountLimits[];
  readonly keys: readonly KeyDeclaration[];
  /** Keys without a secret, for which tokens stand. */
  readonly ssoKeys: readonly SsoKeyDeclaration[];
}

type FileTenant = Policy['tenants'][string];
type FileTeam = FileTenant['teams'][string];
type FileProvider = Policy['providers'][string];
type FileModel = Policy['models'][string];
type FileLimits = Parameters<typeof planOf>[0];

/** Limits of the file with the policy's time zone in their schedules. */
type ToPlan = (file: FileLimits) => LimitPlan;

/**
 * Turns a checked policy into what the request path, the accounts and the key store need. Pure. List
 * prices are those in force at the given moment.
 */
export function compilePolicy(policy: Policy, version: number, atMs: EpochMs): CompiledPolicy {
  const toPlan: ToPlan = (file) => planOf(file, policy.time_zone);
  const tenants = Object.entries(policy.tenants);
  const teams = tenants.flatMap(([tenantId, tenant]) => teamsOf(tenantId, tenant, toPlan));
  const keys = tenants.flatMap(([tenantId, tenant]) => keysOf(tenantId, tenant, toPlan));
  const projects = tenants.flatMap(([tenantId, tenant]) =>
    Object.entries(tenant.projects).map(([id, { team }]) => ({ id, tenantId, teamId: team })),
  );
  const ssoKeys = ssoKeysOf(policy, projects, toPlan);
  const snapshot: PolicySnapshot = {
    version,
    timeZone: policy.time_zone,
    providers: mapEntries(policy.providers, (id, provider) => toProvider(id, provider, toPlan)),
    models: mapEntries(policy.models, (alias, file) => ({
      ...toModel(alias, file),
      routes: file.routes.map((route) => toRoute(route, policy, { version, atMs })),
    })),
    tenants: mapEntries(policy.tenants, (_, tenant) => toTenant(tenant, toPlan)),
    teams: Object.fromEntries(teams.map((team) => [teamKey(team.tenantId, team.id), team])),
    projects,
    alertChannels: mapEntries(policy.alert_channels, (_, channel) =>
      toChannel(channel, policy.time_zone),
    ),
    ...notifyOf(policy.alerts),
    keyMaxAgeMs: policy.keys.max_age,
    ...(ssoKeys.length === 0 ? {} : { issuers: issuersOf(policy.sso) }),
  };
  const keyAccounts = [...keys.flatMap(secretKeyAccounts), ...ssoKeys.map(ssoKeyAccount)];
  return { snapshot, accounts: [...accountsOf(snapshot), ...keyAccounts], keys, ssoKeys };
}

function toProvider(id: string, file: FileProvider, toPlan: ToPlan): Provider {
  const share = (limit: number) => shareOf(limit, file.use_at_most);
  return {
    id,
    ...kindOf(file),
    ...(file.secret === undefined ? {} : { secret: file.secret }),
    ...(file.trace_context === undefined ? {} : { continuesTrace: file.trace_context }),
    connectTimeoutMs: file.timeouts.connect,
    firstByteTimeoutMs: file.timeouts.first_byte,
    idleTimeoutMs: file.timeouts.idle,
    ...(file.limits === undefined
      ? {}
      : { limits: mapLimits(toPlan(file.limits), share), useAtMostPercent: file.use_at_most }),
    ...(file.region === undefined ? {} : { region: file.region }),
    ...(file.labels.length === 0 ? {} : { labels: file.labels }),
  };
}

/** What only some kinds have. */
function kindOf(file: FileProvider): Pick<Provider, 'kind' | 'baseUrl'> & Partial<Provider> {
  switch (file.kind) {
    case 'openai':
    case 'anthropic':
      return { kind: file.kind, baseUrl: file.base_url };
    case 'azure-openai':
      return {
        kind: file.kind,
        baseUrl: file.base_url,
        ...(file.api_version === undefined ? {} : { apiVersion: file.api_version }),
      };
    case 'bedrock':
      return {
        kind: file.kind,
        baseUrl: file.base_url ?? bedrockBaseUrl(file.region),
      };
    case 'openai-compatible':
      return {
        kind: file.kind,
        baseUrl: file.base_url,
        ...(file.api_path === undefined ? {} : { apiPath: file.api_path }),
        ...(file.max_tokens_field === undefined ? {} : { maxTokensField: file.max_tokens_field }),
        ...(file.embeddings === undefined ? {} : { embeddings: file.embeddings }),
      };
    case 'vllm':
      return {
        kind: file.kind,
        baseUrl: file.base_url,
        ...(file.schedules_by_priority === true ? { schedulesByPriority: true } : {}),
      };
  }
}

function toModel(alias: string, file: FileModel): Omit<ModelAlias, 'routes'> {
  return {
    alias,
    tier: file.tier,
    contextTokens: file.context_tokens,
    maxOutputTokens: file.max_output_tokens,
    defaultMaxOutputTokens: file.default_max_output_tokens,
    ...(file.max_duration === undefined ? {} : { maxDurationSeconds: file.max_duration }),
    ...deprecationOf(file),
  };
}

function toRoute(
  { provider: id, model, free, price: own }: FileModel['routes'][number],
  { providers }: Policy,
  edition: { version: number; atMs: EpochMs },
): Route {
  const route = { provider: id, model, free };
  const provider = providers[id];
  if (provider === undefined) throw new TypeError(`unchecked policy: no provider ${id}`);
  const price = free ? undefined : priceOfRoute({ model, price: own, provider }, edition);
  return price === undefined ? route : { ...route, price };
}

function toTenant(file: FileTenant, toPlan: ToPlan): Tenant {
  const projects = Object.entries(file.projects).flatMap(
    ([id, { limits, soft_limits: soft }]): [string, LimitPlan][] =>
      limits === undefined && soft === undefined
        ? []
        : [[id, withSoft(toPlan(limits ?? {}), soft)]],
  );
  const traceStore = toTraceStore(file.trace_store);
  return {
    ...accessOf(file),
    ...tagRulesOf(file),
    ...dataPlacesOf(file),
    ...(traceStore === undefined ? {} : { traceStore }),
    limits: withSoft(toPlan(file.limits), file.soft_limits),
    ...(file.owner === undefined ? {} : { owner: file.owner }),
    ...alertsOf(file.alerts),
    projectLimits: Object.fromEntries(projects),
    ...(file.billing === undefined
      ? {}
      : {
          billing: { discountPercent: file.billing.discount, marginPercent: file.billing.margin },
        }),
  };
}

function toChannel(
  { email, slack, kinds, at_least: atLeast, quiet_hours: quiet }: Policy['alert_channels'][string],
  policyZone: string,
): AlertChannel {
  const hours = quiet === undefined ? undefined : hoursOf(quiet, policyZone);
  return {
    ...(email === undefined ? {} : { email }),
    ...(slack === undefined ? {} : { slack }),
    ...(kinds === undefined ? {} : { kinds }),
    ...(atLeast === undefined ? {} : { atLeast }),
    ...(hours === undefined ? {} : { quietHours: { ...hours, days: [...hours.days] } }),
  };
}

function alertsOf({ at_percent: percents, notify, detectors }: FileTeam['alerts']) {
  return {
    ...notifyOf({ notify }),
    alertAtPercent: [...new Set(percents)].toSorted((a, b) => a - b),
    ...(detectors === undefined ? {} : { detectors }),
  };
}

function notifyOf({ notify }: Policy['alerts']): Pick<PolicySnapshot, 'notify'> {
  return notify.length === 0 ? {} : { notify };
}

function plansOf(
  record: Readonly<Record<string, FileLimits | undefined>>,
  toPlan: ToPlan,
): Record<string, LimitPlan> {
  const plans = Object.entries(record).flatMap(([name, file]): [string, LimitPlan][] =>
    file === undefined ? [] : [[name, toPlan(file)]],
  );
  return Object.fromEntries(plans);
}

function teamsOf(tenantId: string, tenant: FileTenant, toPlan: ToPlan): Team[] {
  return Object.entries(tenant.teams).map(([id, file]) => ({
    id,
    tenantId,
    tiers: [...new Set(file.tiers)],
    ...(file.models === undefined ? {} : { models: file.models }),
    ...tagRulesOf(file),
    ...limitsOfTeam(file, toPlan),
    ...(file.when_tight === 'clamp' ? { clampOutput: true } : {}),
    ...(file.max_duration === undefined ? {} : { maxDurationSeconds: file.max_duration }),
    ...alertsOf(file.alerts),
    owner: file.owner,
    ...(file.cost_center === undefined ? {} : { costCenter: file.cost_center }),
  }));
}

type TeamLimits = Pick<
  Team,
  'limits' | 'tierLimits' | 'perUserLimits' | 'perFeatureLimits' | 'featureLimits'
>;

function limitsOfTeam(file: FileTeam, toPlan: ToPlan): TeamLimits {
  const { tier_limits: tiers, per_user_limits: user, per_feature_limits: feature } = file;
  const { feature_limits: features, soft_limits: soft } = file;
  return {
    limits: withSoft(toPlan(file.limits), soft),
    ...(tiers === undefined ? {} : { tierLimits: plansOf(tiers, toPlan) }),
    ...(user === undefined ? {} : { perUserLimits: toPlan(user) }),
    ...(feature === undefined ? {} : { perFeatureLimits: toPlan(feature) }),
    ...(features === undefined ? {} : { featureLimits: plansOf(features, toPlan) }),
  };
}

function withSoft(plan: LimitPlan, soft: Limits | undefined): LimitPlan {
  return soft === undefined ? plan : { ...plan, soft };
}

function keysOf(tenantId: string, tenant: FileTenant, toPlan: ToPlan): KeyDeclaration[] {
  return Object.entries(tenant.keys).map(([name, file]) => {
    const project = tenant.projects[file.project];
    if (project === undefined) throw new TypeError(`unchecked policy: no project ${file.project}`);
    return {
      tenantId,
      name,
      teamId: project.team,
      projectId: file.project,
      owner: file.owner,
      features: file.features,
      ...accessOf(file),
      pinnedTags: file.tags,
      limits: withSoft(toPlan(file.limits), file.soft_limits),
      priority: file.priority,
      ...(file.expires === undefined ? {} : { expiresAtMs: file.expires }),
      ...(file.secret === undefined ? {} : { secretHash: file.secret }),
    };
  });
}

interface Candidate {
  readonly scope: Scope;
  readonly limits: LimitPlan | undefined;
}

function accountsOf({ providers, tenants = {}, teams }: PolicySnapshot): AccountLimits[] {
  const candidates = [
    ...Object.values(providers).map(poolAccount),
    ...Object.entries(tenants).flatMap(([id, tenant]) => tenantAccounts(id, tenant)),
    ...Object.values(teams).flatMap(teamAccounts),
  ];
  return candidates.flatMap(({ scope, limits }) => (hasLimits(limits) ? [{ scope, limits }] : []));
}

function poolAccount({ id: providerId, limits }: Provider): Candidate {
  return { scope: { kind: 'pool', providerId }, limits };
}

function tenantAccounts(tenantId: string, { limits, projectLimits }: Tenant): Candidate[] {
  const projects = Object.entries(projectLimits).map(
    ([projectId, each]): Candidate => ({
      scope: { kind: 'project', tenantId, projectId },
      limits: each,
    }),
  );
  return [{ scope: { kind: 'tenant', tenantId }, limits }, ...projects];
}

function teamAccounts(team: Team): Candidate[] {
  const { tenantId, id: teamId, tiers, tierLimits = {}, featureLimits = {} } = team;
  const scope = { tenantId, teamId };
  return [
    { scope: { kind: 'team', ...scope }, limits: team.limits },
    ...tiers.map(
      (tier): Candidate => ({
        scope: { kind: 'team-tier', ...scope, tier },
        limits: tierLimits[tier],
      }),
    ),
    ...Object.entries(featureLimits).map(
      ([feature, limits]): Candidate => ({
        scope: { kind: 'feature', ...scope, feature },
        limits,
      }),
    ),
  ];
}

function ssoKeyAccount({ keyId, limits }: SsoKeyDeclaration): AccountLimits {
  return { scope: { kind: 'key', keyId }, limits };
}

function secretKeyAccounts({ secretHash, limits }: KeyDeclaration): AccountLimits[] {
  if (secretHash === undefined) return [];
  return [{ scope: { kind: 'key', keyId: keyIdOf(secretHash) }, limits }];
}

function mapEntries<T, R>(
  record: Readonly<Record<string, T>>,
  convert: (name: string, value: T) => R,
): Record<string, R> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, convert(name, value)]),
  );
}
