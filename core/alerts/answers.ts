/** Who answers for a tenant or a team, and what the policy says of its alerts: the team's word wins over its tenant's. */
import type { PolicySnapshot } from '../catalog/snapshot.ts';
import { teamKey } from '../tenancy/scopes.ts';
import { DEFAULT_ALERT_PERCENTS } from './budget.ts';
import type { Labels } from './finding.ts';
import type { Overrides } from './thresholds.ts';

export interface Answers {
  readonly owner: string;
  readonly overrides: Overrides;
  /** Of a monthly budget, at which an alert is due. */
  readonly percents: readonly number[];
}

const PLATFORM_TEAM = 'platform team';

/** Of a provider pool, and of what the policy no longer has: the platform team. */
export function whoAnswers(
  { tenants = {}, teams }: PolicySnapshot,
  { tenant: tenantId, team: teamId }: Pick<Labels, 'tenant' | 'team'>,
): Answers {
  const tenant = tenantId === undefined ? undefined : tenants[tenantId];
  const isOfTeam = tenantId !== undefined && teamId !== undefined;
  const team = isOfTeam ? teams[teamKey(tenantId, teamId)] : undefined;
  return {
    owner: team?.owner ?? tenant?.owner ?? PLATFORM_TEAM,
    overrides: { ...tenant?.detectors, ...team?.detectors },
    percents: (isOfTeam ? team : tenant)?.alertAtPercent ?? DEFAULT_ALERT_PERCENTS,
  };
}
