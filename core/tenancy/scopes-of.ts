import type { ModelAlias, Route, Tier } from '../catalog/snapshot.ts';
import type { ScopeLimits } from '../limits/accounts.ts';
import { hasLimits, type LimitPlan } from '../limits/schedule.ts';
import { keyShardCount } from '../limits/shards.ts';
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
export function scopesOf(call: CallOfScopes): readonly ScopeLimits[] {
  const { policy } = call;
  const [lead, ...others] = scopesNamed(namesOf(call));
  return [
    { scope: lead, limits: planOfKey(call) },
    ...others.flatMap((scope): ScopeLimits[] => {
      const limits = limitsOf(scope, call);
      // No account is no fault here: users and features are met for the first time, and a policy is in
      // force a moment before the accounts of its new limits are written. Only a key must have been made.
      return hasLimits(limits) ? [{ scope, limits, policyVersion: policy.version }] : [];
    }),
  ];
}

/** A key without limits has as many accounts as the calls of the project, team and tenant around it ask for. */
export function planOfKey(caller: Caller): LimitPlan {
  const { key, team, policy } = caller;
  if (hasLimits(key.limits)) return key.limits;
  const { projectId } = key;
  const known = keyPlans.get(key.limits);
  if (known?.policy === policy && known.team === team && known.projectId === projectId)
    return known.plan;
  const { tenantId, id: teamId } = team;
  const around: readonly Scope[] = [
    { kind: 'project', tenantId, projectId },
    { kind: 'team', tenantId, teamId },
    { kind: 'tenant', tenantId },
  ];
  const accounts = keyShardCount(around.map((each) => limitsOf(each, caller)).filter(hasLimits));
  const plan = accounts === 1 ? key.limits : { ...key.limits, accounts };
  keyPlans.set(key.limits, { policy, team, projectId, plan });
  return plan;
}

/** Records and policies live for half a minute or longer, so that each pair is counted once. */
const keyPlans = new WeakMap<
  LimitPlan,
  Pick<Caller, 'policy' | 'team'> & { readonly projectId: string; readonly plan: LimitPlan }
>();

/** What a caller sees of its own: its key; and its project, team and tiers, where they have limits. */
export function scopesOfCaller(caller: Caller): readonly Scope[] {
  const { key, team } = caller;
  const { tenantId, id: teamId } = team;
  const own: readonly Scope[] = [
    { kind: 'project', tenantId, projectId: key.projectId },
    { kind: 'team', tenantId, teamId },
    ...team.tiers.map((tier): Scope => ({ kind: 'team-tier', tenantId, teamId, tier })),
  ];
  const limited = own.filter((scope) => hasLimits(limitsOf(scope, caller)));
  return [{ kind: 'key', keyId: key.keyId }, ...limited];
}

/** What the scopes of a call are named after. */
export interface CallNames {
  readonly tenantId: string;
  readonly teamId: string;
  readonly projectId: string;
  readonly keyId: string;
  /** Undefined where nobody knows the model any more. */
  readonly tier: Tier | undefined;
  /** A call without the tag is no user's and no feature's; a key that must not leave one out pins it. */
  readonly userId: string | null;
  readonly feature: string | null;
  /** By their providers. */
  readonly pools: readonly string[];
}

/** Every scope that a call of these names can be reserved at, the key first. */
export function scopesNamed(names: CallNames): readonly [Scope, ...Scope[]] {
  const { tenantId, teamId, projectId, keyId, tier, userId, feature, pools } = names;
  return [
    { kind: 'key', keyId },
    { kind: 'project', tenantId, projectId },
    { kind: 'team', tenantId, teamId },
    ...(tier === undefined ? [] : [{ kind: 'team-tier', tenantId, teamId, tier } as const]),
    { kind: 'tenant', tenantId },
    ...(userId === null ? [] : [{ kind: 'user', tenantId, teamId, userId } as const]),
    ...(feature === null ? [] : [{ kind: 'feature', tenantId, teamId, feature } as const]),
    ...pools.map((providerId) => ({ kind: 'pool', providerId }) as const),
  ];
}

/**
 * The first route's pool alone. Room in the pools of all routes would make the smallest of them the limit
 * of the largest, and would count each call in pools that never see it. The other routes are such that
 * they need no room of their own (core/routing).
 */
function namesOf({ key, team, model, routes: [first], tags }: CallOfScopes): CallNames {
  const { keyId, projectId } = key;
  return {
    ...{ tenantId: team.tenantId, teamId: team.id, projectId, keyId, tier: model.tier },
    ...{ userId: tags.user_id, feature: tags.feature },
    pools: first === undefined ? [] : [first.provider],
  };
}

/** As the policy has them. A key's are its own. */
function limitsOf(scope: Scope, { key, team, policy }: Caller): LimitPlan | undefined {
  const tenant = own(policy.tenants, team.tenantId);
  switch (scope.kind) {
    case 'key':
      return key.limits;
    case 'project':
      return own(tenant?.projectLimits, scope.projectId);
    case 'team':
      return team.limits;
    case 'team-tier':
      return team.tierLimits?.[scope.tier];
    case 'tenant':
      return tenant?.limits;
    case 'user':
      return team.perUserLimits;
    case 'feature':
      return own(team.featureLimits, scope.feature) ?? team.perFeatureLimits;
    case 'pool':
      return own(policy.providers, scope.providerId)?.limits;
  }
}

/** Names are free texts: `constructor` is one that every object seems to have. */
function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
