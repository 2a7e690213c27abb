/**
 * What overrides do to limits: the raises of each scope's plan. They are worked into every version of the policy when
 * it is made, whoever makes it, so that applying a file never removes one; and they end inside the plan, by the clock.
 */
import type { PolicySnapshot, Team, Tenant } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import { DIMENSION_NAMES, type Dimension, type Limits } from '../limits/dimensions.ts';
import type { LimitPlan, Raise } from '../limits/schedule.ts';
import { isOfPeriod } from '../limits/soft.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import { endOfPeriod, type Override } from './overrides.ts';

/** A scope whose accounts hold limits. */
interface ScopePlan {
  readonly scope: Scope;
  readonly limits: LimitPlan;
}

export interface Overridden {
  readonly snapshot: PolicySnapshot;
  readonly accounts: readonly ScopePlan[];
}

/** The policy and the limits of its accounts with the overrides that hold now or later, and with no others. */
export function withOverrides<T extends Overridden>(
  policy: T,
  overrides: readonly Override[],
  nowMs: EpochMs,
): T {
  const { timeZone } = policy.snapshot;
  const claims = overrides.flatMap(claimsOf).filter(({ untilMs }) => untilMs > nowMs);
  const raise: Raising = (scope, limits) => {
    const key = accountKey(scope);
    const own = claims.filter((claim) => accountKey(claim.scope) === key);
    const { raises: _, ...plain } = limits;
    const raises = raisesOf(plain, own, timeZone);
    return raises.length === 0 ? plain : { ...plain, raises };
  };
  const accounts = policy.accounts.map((each) => ({
    ...each,
    limits: raise(each.scope, each.limits),
  }));
  return { ...policy, snapshot: raisedSnapshot(policy.snapshot, raise), accounts };
}

/** The plan that the policy has for a scope; undefined where it has none. */
export function planOfScope(
  { tenants = {}, teams }: PolicySnapshot,
  scope: Scope,
): LimitPlan | undefined {
  const team = (tenantId: string, teamId: string) =>
    Object.values(teams).find((each) => each.tenantId === tenantId && each.id === teamId);
  switch (scope.kind) {
    case 'tenant':
      return own(tenants, scope.tenantId)?.limits;
    case 'project':
      return own(own(tenants, scope.tenantId)?.projectLimits ?? {}, scope.projectId);
    case 'team':
      return team(scope.tenantId, scope.teamId)?.limits;
    case 'team-tier':
      return team(scope.tenantId, scope.teamId)?.tierLimits?.[scope.tier];
    case 'feature':
      return own(team(scope.tenantId, scope.teamId)?.featureLimits ?? {}, scope.feature);
    default:
      return undefined;
  }
}

interface Claim {
  readonly scope: Scope;
  readonly dimension: Dimension;
  readonly amount: number;
  readonly fromMs: EpochMs;
  readonly untilMs: EpochMs;
}

/** Of a transfer the lender's part comes first: the borrower has nothing before the lender has given it. */
function claimsOf(override: Override): readonly Claim[] {
  const { kind, scope, to, dimension, amount, fromMs, untilMs, state } = override;
  if (fromMs === undefined || untilMs === undefined) return [];
  if (state !== 'effective' && state !== 'approved') return [];
  const claim = { dimension, fromMs, untilMs };
  if (kind !== 'transfer') return state === 'effective' ? [{ ...claim, scope, amount }] : [];
  const lent = { ...claim, scope, amount: -amount };
  return state === 'effective' && to !== undefined
    ? [lent, { ...claim, scope: to, amount }]
    : [lent];
}

/** Windows that do not overlap, with the sums of what holds in each. */
function raisesOf(plan: LimitPlan, claims: readonly Claim[], timeZone: string): Raise[] {
  const limited = claims.filter(({ dimension }) => plan[dimension] !== undefined);
  const edges = [...new Set(limited.flatMap(({ fromMs, untilMs }) => [fromMs, untilMs]))].toSorted(
    (a, b) => a - b,
  );
  const amounts = edges.map((edge) => amountsAt(plan, limited, edge));
  return edges.flatMap((fromMs, index): Raise[] => {
    const [untilMs, limits, after] = [edges[index + 1], amounts[index] ?? {}, amounts[index + 1]];
    if (untilMs === undefined || Object.keys(limits).length === 0) return [];
    const endsWithPeriod = DIMENSION_NAMES.every(
      (dimension) =>
        !isOfPeriod(dimension) ||
        (limits[dimension] ?? 0) <= (after?.[dimension] ?? 0) ||
        endOfPeriod(dimension, untilMs - 1, timeZone) === untilMs,
    );
    return [{ fromMs, untilMs, limits, endsWithPeriod }];
  });
}

/** A limit that was lowered after a part of it was lent has nothing left, and not less. */
function amountsAt(plan: LimitPlan, claims: readonly Claim[], atMs: EpochMs): Limits {
  const now = claims.filter(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs);
  return Object.fromEntries(
    DIMENSION_NAMES.flatMap((dimension) => {
      const own = now.filter((claim) => claim.dimension === dimension);
      const sum = own.reduce((all, { amount }) => all + amount, 0);
      return own.length === 0 ? [] : [[dimension, Math.max(sum, -(plan[dimension] ?? 0))]];
    }),
  );
}

type Raising = (scope: Scope, limits: LimitPlan) => LimitPlan;

function raisedSnapshot(snapshot: PolicySnapshot, raise: Raising): PolicySnapshot {
  const { tenants, teams } = snapshot;
  return {
    ...snapshot,
    ...(tenants === undefined
      ? {}
      : { tenants: mapEntries(tenants, (id, tenant) => raisedTenant(id, tenant, raise)) }),
    teams: mapEntries(teams, (_, team) => raisedTeam(team, raise)),
  };
}

function raisedTenant(tenantId: string, tenant: Tenant, raise: Raising): Tenant {
  return {
    ...tenant,
    limits: raise({ kind: 'tenant', tenantId }, tenant.limits),
    projectLimits: mapEntries(tenant.projectLimits, (projectId, limits) =>
      raise({ kind: 'project', tenantId, projectId }, limits),
    ),
  };
}

function raisedTeam(team: Team, raise: Raising): Team {
  const { tenantId, id: teamId, limits, tierLimits, featureLimits } = team;
  const tiers = (['shared', 'premium', 'experimental'] as const).flatMap((tier) => {
    const plan = tierLimits?.[tier];
    return plan === undefined
      ? []
      : [[tier, raise({ kind: 'team-tier', tenantId, teamId, tier }, plan)] as const];
  });
  return {
    ...team,
    limits: raise({ kind: 'team', tenantId, teamId }, limits),
    ...(tierLimits === undefined ? {} : { tierLimits: Object.fromEntries(tiers) }),
    ...(featureLimits === undefined
      ? {}
      : {
          featureLimits: mapEntries(featureLimits, (feature, plan) =>
            raise({ kind: 'feature', tenantId, teamId, feature }, plan),
          ),
        }),
  };
}

function mapEntries<T, R>(record: Readonly<Record<string, T>>, to: (name: string, value: T) => R) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, to(name, value)]));
}

/** Names are free texts: `constructor` is one that every object seems to have. */
function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
