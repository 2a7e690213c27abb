import type { ModelAlias, PolicySnapshot, Route, Team } from '../catalog/snapshot.ts';
import type { ScopeLimits } from '../limits/accounts.ts';
import { hasLimits, type LimitPlan } from '../limits/schedule.ts';
import type { Caller } from './authenticate.ts';
import type { Scope } from './scopes.ts';
import type { Tags } from './tags.ts';

export interface CallOfScopes extends Caller {
  readonly model: ModelAlias;
  /** In order of preference: room is reserved in the first one's pool. */
  readonly routes: readonly Route[];
  readonly tags: Pick<Tags, 'user_id' | 'feature'>;
}

/**
 * Where a call is reserved, the key first: its account carries its status, so that it is always asked.
 * Every other scope is there only when it has limits, because each costs a write to reserve and one to
 * settle. What a scope without limits used is known to the ledger alone; limits given to it later count
 * from then on, and hold as soon as every cache of the policy has them (30 s).
 */
export function scopesOf({
  key,
  team,
  policy,
  model,
  routes,
  tags,
}: CallOfScopes): readonly ScopeLimits[] {
  const { tenantId } = team;
  const tenant = own(policy.tenants, tenantId);
  const others: readonly Candidate[] = [
    ...ownScopes({ key, team, policy }),
    tierOf(team, model.tier),
    { scope: { kind: 'tenant', tenantId }, limits: tenant?.limits },
    ...tagged(team, tags),
    ...poolOf(policy, routes),
  ];
  return [
    { scope: { kind: 'key', keyId: key.keyId }, limits: key.limits },
    ...others.flatMap(({ scope, limits }): ScopeLimits[] =>
      // No account is no fault here: users and features are met for the first time, and a policy is in
      // force a moment before the accounts of its new limits are written. Only a key must have been made.
      hasLimits(limits) ? [{ scope, limits, policyVersion: policy.version }] : [],
    ),
  ];
}

/** What a caller sees of its own: its key; and its project, team and tiers, where they have limits. */
export function scopesOfCaller(caller: Caller): readonly Scope[] {
  const { key, team } = caller;
  const tiers = team.tiers.map((tier) => tierOf(team, tier));
  const limited = [...ownScopes(caller), ...tiers].filter(({ limits }) => hasLimits(limits));
  return [{ kind: 'key', keyId: key.keyId }, ...limited.map(({ scope }) => scope)];
}

interface Candidate {
  readonly scope: Scope;
  readonly limits: LimitPlan | undefined;
}

function ownScopes({ key: { projectId }, team, policy }: Caller): Candidate[] {
  const { tenantId, id: teamId } = team;
  const projectLimits = own(policy.tenants, tenantId)?.projectLimits;
  return [
    { scope: { kind: 'project', tenantId, projectId }, limits: own(projectLimits, projectId) },
    { scope: { kind: 'team', tenantId, teamId }, limits: team.limits },
  ];
}

function tierOf({ tenantId, id: teamId, tierLimits }: Team, tier: ModelAlias['tier']): Candidate {
  return { scope: { kind: 'team-tier', tenantId, teamId, tier }, limits: tierLimits?.[tier] };
}

/** A call without the tag is no user's and no feature's; a key that must not leave one out pins it. */
function tagged(team: Team, { user_id: userId, feature }: CallOfScopes['tags']): Candidate[] {
  const { tenantId, id: teamId, perUserLimits, perFeatureLimits, featureLimits } = team;
  const candidates: Candidate[] = [];
  if (userId !== null) {
    candidates.push({ scope: { kind: 'user', tenantId, teamId, userId }, limits: perUserLimits });
  }
  if (feature !== null) {
    const limits = own(featureLimits, feature) ?? perFeatureLimits;
    candidates.push({ scope: { kind: 'feature', tenantId, teamId, feature }, limits });
  }
  return candidates;
}

/**
 * The first route's pool alone. Room in the pools of all routes would make the smallest of them the limit
 * of the largest, and would count each call in pools that never see it. The other routes are such that
 * they need no room of their own (core/routing).
 */
function poolOf({ providers }: PolicySnapshot, [first]: readonly Route[]): Candidate[] {
  if (first === undefined) return [];
  const { provider: providerId } = first;
  return [{ scope: { kind: 'pool', providerId }, limits: own(providers, providerId)?.limits }];
}

/** Names are free texts: `constructor` is one that every object seems to have. */
function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
