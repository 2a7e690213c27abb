/** Overrides that people approve on the way: more for a while, more of this period's budget, a part of it for another team. */
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { EpochMs } from '../../core/clock.ts';
import {
  endOfPeriod,
  type OverriddenScope,
  type Override,
} from '../../core/governance/overrides.ts';
import { withOverrides } from '../../core/governance/raises-of.ts';
import { DIMENSION_NAMES, type Dimension } from '../../core/limits/dimensions.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import { isOfPeriod } from '../../core/limits/soft.ts';
import type { Random } from './random.ts';

export interface Approvals {
  /** Somebody gets more from now on, if the policy limits anybody. */
  approve(policy: PolicySnapshot, nowMs: EpochMs): void;
  /** The policy with every override that holds now or later, as each version of it is made. */
  workedInto(policy: PolicySnapshot, nowMs: EpochMs): PolicySnapshot;
}

/** Histories last for some minutes at most, and raises end in many of them. */
const LONGEST_RAISE_MS = 40_000;

export function createApprovals(random: Random): Approvals {
  const overrides: Override[] = [];
  return {
    approve(policy, nowMs) {
      const limits = limitsOf(policy);
      if (limits.length === 0) return;
      const { scope, dimension, limit } = random.pick(limits);
      const isOfBudget = isOfPeriod(dimension);
      const kind = isOfBudget
        ? random.pick(['raise', 'raise', 'allocation', 'transfer'] as const)
        : 'raise';
      const untilMs =
        kind === 'raise'
          ? nowMs + random.between(500, LONGEST_RAISE_MS)
          : endOfPeriod(dimension, nowMs, policy.timeZone);
      const amount = Math.ceil(limit * random.pick([0.2, 0.5, 1]));
      overrides.push({
        ...{ id: `o${overrides.length}`, kind, scope, dimension, amount, untilMs, fromMs: nowMs },
        reason: 'more',
        // The lender of a transfer has given; who borrows may be anybody.
        state: kind === 'transfer' ? 'approved' : 'effective',
        requestedBy: { id: 'ann', name: 'Ann' },
        requestedAtMs: nowMs,
        expiresAtMs: untilMs,
      });
    },
    workedInto: (policy, nowMs) =>
      withOverrides({ snapshot: policy, accounts: [] }, overrides, nowMs).snapshot,
  };
}

interface Limited {
  readonly scope: OverriddenScope;
  readonly dimension: Dimension;
  readonly limit: number;
}

/** Limits that overrides may change. */
function limitsOf({ teams, tenants = {} }: PolicySnapshot): readonly Limited[] {
  const ofTeams = Object.values(teams).flatMap(({ tenantId, id: teamId, limits, tierLimits }) => [
    ...limited({ kind: 'team', tenantId, teamId }, limits),
    ...limited({ kind: 'team-tier', tenantId, teamId, tier: 'shared' }, tierLimits?.shared),
  ]);
  const ofTenants = Object.entries(tenants).flatMap(([tenantId, { limits, projectLimits }]) => [
    ...limited({ kind: 'tenant', tenantId }, limits),
    ...limited({ kind: 'project', tenantId, projectId: 'web' }, projectLimits['web']),
  ]);
  return [...ofTeams, ...ofTenants];
}

function limited(scope: OverriddenScope, plan: LimitPlan = {}): readonly Limited[] {
  return DIMENSION_NAMES.flatMap((dimension) => {
    const limit = plan[dimension];
    return limit === undefined ? [] : [{ scope, dimension, limit }];
  });
}
