import type {
  ModelAlias,
  PolicySnapshot,
  Price,
  Provider,
  Route,
  Team,
} from '../catalog/snapshot.ts';
import type { Limits } from '../limits/dimensions.ts';
import { type Scope, teamKey } from '../tenancy/scopes.ts';
import { keyIdOf } from '../tenancy/virtual-key.ts';
import type { Policy } from './policy-schema.ts';

/** The hard limits that one scope's account must hold once the policy is in force. */
interface AccountLimits {
  readonly scope: Scope;
  readonly limits: Limits;
}

/** A key of the policy file: whose it is and what it may do. */
export interface KeyDeclaration {
  readonly tenantId: string;
  readonly name: string;
  readonly teamId: string;
  readonly projectId: string;
  readonly owner: string;
  readonly features: readonly string[];
  readonly pinnedTags: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly expiresAtMs?: number;
  /** Hex SHA-256 of the secret; absent where the admin API still has to make one. */
  readonly secretHash?: string;
}

export interface CompiledPolicy {
  readonly snapshot: PolicySnapshot;
  /** Of every team, and of every key whose secret exists. */
  readonly accounts: readonly AccountLimits[];
  readonly keys: readonly KeyDeclaration[];
}

type FileTenant = Policy['tenants'][string];
type FileModel = Policy['models'][string];

/** Turns a checked policy into what the request path, the accounts and the key store need. Pure. */
export function compilePolicy(policy: Policy, version: number): CompiledPolicy {
  const tenants = Object.entries(policy.tenants);
  const teams = tenants.flatMap(([tenantId, tenant]) => teamsOf(tenantId, tenant));
  const keys = tenants.flatMap(([tenantId, tenant]) => keysOf(tenantId, tenant));
  const snapshot = {
    version,
    timeZone: policy.time_zone,
    providers: mapEntries(policy.providers, toProvider),
    models: mapEntries(policy.models, (alias, model) => toModel(alias, model, version)),
    teams: Object.fromEntries(teams.map((team) => [teamKey(team.tenantId, team.id), team])),
    projects: tenants.flatMap(([tenantId, tenant]) =>
      Object.entries(tenant.projects).map(([id, { team }]) => ({ id, tenantId, teamId: team })),
    ),
  };
  return { snapshot, accounts: [...teams.map(teamAccount), ...keys.flatMap(keyAccounts)], keys };
}

function toProvider(id: string, file: Policy['providers'][string]): Provider {
  return {
    id,
    kind: file.kind,
    baseUrl: file.base_url,
    ...(file.secret === undefined ? {} : { secret: file.secret }),
    connectTimeoutMs: file.timeouts.connect,
    firstByteTimeoutMs: file.timeouts.first_byte,
    idleTimeoutMs: file.timeouts.idle,
  };
}

function toModel(alias: string, file: FileModel, version: number): ModelAlias {
  return {
    alias,
    tier: file.tier,
    routes: file.routes.map((route) => toRoute(route, version)),
    contextTokens: file.context_tokens,
    maxOutputTokens: file.max_output_tokens,
    defaultMaxOutputTokens: file.default_max_output_tokens,
  };
}

function toRoute(file: FileModel['routes'][number], version: number): Route {
  const route = { provider: file.provider, model: file.model, free: file.free };
  return file.price === undefined ? route : { ...route, price: toPrice(file.price, version) };
}

/** A price is known by the policy that set it: that document says what it was, forever. */
function toPrice(file: NonNullable<FileModel['routes'][number]['price']>, version: number): Price {
  return {
    version: `policy-${version}`,
    input: file.input,
    ...(file.cached_input === undefined ? {} : { cachedInput: file.cached_input }),
    output: file.output,
  };
}

function teamsOf(tenantId: string, tenant: FileTenant): Team[] {
  return Object.entries(tenant.teams).map(([id, file]) => ({
    id,
    tenantId,
    tiers: [...new Set(file.tiers)],
    ...(file.models === undefined ? {} : { models: file.models }),
    limits: file.limits,
    alertAtPercent: [...new Set(file.alerts.at_percent)].toSorted((a, b) => a - b),
    owner: file.owner,
    ...(file.cost_center === undefined ? {} : { costCenter: file.cost_center }),
  }));
}

function keysOf(tenantId: string, tenant: FileTenant): KeyDeclaration[] {
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
      pinnedTags: file.tags,
      limits: file.limits,
      ...(file.expires === undefined ? {} : { expiresAtMs: file.expires }),
      ...(file.secret === undefined ? {} : { secretHash: file.secret }),
    };
  });
}

function teamAccount({ tenantId, id, limits }: Team): AccountLimits {
  return { scope: { kind: 'team', tenantId, teamId: id }, limits };
}

function keyAccounts({ secretHash, limits }: KeyDeclaration): AccountLimits[] {
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
