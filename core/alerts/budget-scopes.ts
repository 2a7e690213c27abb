/** Of the scopes that a call is charged to, those with a monthly budget. */
import { type PolicySnapshot, type Tier, tierSchema } from '../catalog/snapshot.ts';
import type { LimitPlan } from '../limits/schedule.ts';
import { type Scope, teamKey } from '../tenancy/scopes.ts';
import type { UsageEvent } from '../usage/event.ts';
import type { Labels } from './finding.ts';
import { labelsOf } from './incidents.ts';

export interface BudgetScope {
  readonly scope: Scope;
  /** Of the scope, with the team of its project or key. */
  readonly labels: Labels;
}

/** `keyLimits` are those of the event's key: keys are not in the policy. */
export function budgetScopes(
  event: UsageEvent,
  { tenants = {}, teams }: PolicySnapshot,
  keyLimits: LimitPlan | undefined,
): BudgetScope[] {
  const { tenant_id: tenantId, team_id: teamId, project_id: projectId } = event;
  const tenant = tenants[tenantId];
  const team = teams[teamKey(tenantId, teamId)];
  const tier = tierSchema.safeParse(event.tier).data;
  const ofTeam: readonly Candidate[] = [
    { scope: { kind: 'team', tenantId, teamId }, limits: team?.limits },
    ...(tier === undefined ? [] : [tierCandidate({ tenantId, teamId, tier }, team?.tierLimits)]),
    { scope: { kind: 'project', tenantId, projectId }, limits: tenant?.projectLimits[projectId] },
    { scope: { kind: 'key', keyId: event.virtual_key_id }, limits: keyLimits },
  ];
  const whole: BudgetScope[] =
    tenant?.limits.nanoUsdPerMonth === undefined
      ? []
      : [{ scope: { kind: 'tenant', tenantId }, labels: { tenant: tenantId } }];
  return [
    ...whole,
    ...ofTeam.flatMap(({ scope, limits }) =>
      limits?.nanoUsdPerMonth === undefined
        ? []
        : [{ scope, labels: { tenant: tenantId, team: teamId, ...labelsOf(scope) } }],
    ),
  ];
}

interface Candidate {
  readonly scope: Scope;
  readonly limits: LimitPlan | undefined;
}

function tierCandidate(
  ids: { readonly tenantId: string; readonly teamId: string; readonly tier: Tier },
  limits: { readonly [T in Tier]?: LimitPlan | undefined } | undefined,
): Candidate {
  return { scope: { kind: 'team-tier', ...ids }, limits: limits?.[ids.tier] };
}
