/** Tells budget thresholds of teams: claim in the account, put the event on the bus, mark as told. */
import { crossedThresholds, thresholdMark } from '../../core/alerts/budget.ts';
import { FOREVER } from '../../core/alerts/mark.ts';
import type { Team } from '../../core/catalog/snapshot.ts';
import { holdIdsOf } from '../../core/ids.ts';
import { readScope } from '../../core/limits/account-store.ts';
import { formatUsd, nanoUsd } from '../../core/money.ts';
import { ALERT_DETAIL_TYPE } from '../../core/names.ts';
import type { Directory } from '../../core/tenancy/authenticate.ts';
import { accountKey, scopeLabel, teamKey } from '../../core/tenancy/scopes.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { type AlertBus, tellOnce } from './tell-once.ts';

export interface BudgetAlertsOptions extends AlertBus {
  readonly directory: Directory;
}

interface TeamMonth {
  readonly tenantId: string;
  readonly teamId: string;
  readonly period: string;
  readonly events: UsageEvent[];
}

export function createBudgetAlerts(options: BudgetAlertsOptions): {
  check(events: readonly UsageEvent[]): Promise<void>;
} {
  return {
    async check(events) {
      const policy = await options.directory.policy();
      for (const group of byTeamAndMonth(events)) {
        const team = policy.teams[teamKey(group.tenantId, group.teamId)];
        if (team !== undefined) await checkTeam(options, team, group);
      }
    },
  };
}

function byTeamAndMonth(events: readonly UsageEvent[]): TeamMonth[] {
  const groups = new Map<string, TeamMonth>();
  for (const event of events) {
    if (event.cost_nano_usd === 0) continue;
    const { tenant_id: tenantId, team_id: teamId, period } = event;
    const key = JSON.stringify([tenantId, teamId, period]);
    const group = groups.get(key) ?? { tenantId, teamId, period, events: [] };
    group.events.push(event);
    groups.set(key, group);
  }
  return [...groups.values()];
}

async function checkTeam(
  options: BudgetAlertsOptions,
  team: Team,
  { period, events }: TeamMonth,
): Promise<void> {
  const key = accountKey({ kind: 'team', tenantId: team.tenantId, teamId: team.id });
  const account = await readScope(options.store, key);
  if (account === undefined) return;
  const month = Number(period.replace('-', ''));
  const unsettled = new Map(
    events
      .filter((event) => holdIdsOf(event.request_id).some((id) => account.holds.has(id)))
      .map((event) => [event.request_id, event.cost_nano_usd]),
  );
  const unsettledNanoUsd = [...unsettled.values()].reduce((sum, cost) => sum + cost, 0);
  const { spent, limit, crossed } = crossedThresholds(
    { account, month, nowMs: options.clock.nowMs(), unsettledNanoUsd },
    team.alertAtPercent,
  );
  if (limit === undefined || crossed.length === 0) return;
  for (const percent of crossed)
    await tellOnce(options, {
      key,
      mark: thresholdMark(month, percent),
      untilSeconds: FOREVER,
      detailType: ALERT_DETAIL_TYPE.budget,
      detail: detailOf({ team, period, percent, spent, limit }),
    });
}

interface Crossing {
  readonly team: Team;
  readonly period: string;
  readonly percent: number;
  readonly spent: number;
  readonly limit: number;
}

function detailOf({
  team,
  period,
  percent,
  spent,
  limit,
}: Crossing): Record<string, string | number> {
  const scope = scopeLabel({ kind: 'team', tenantId: team.tenantId, teamId: team.id });
  return {
    scope,
    tenantId: team.tenantId,
    teamId: team.id,
    owner: team.owner,
    period,
    thresholdPercent: percent,
    spentUsd: formatUsd(nanoUsd(spent)),
    limitUsd: formatUsd(nanoUsd(limit)),
    /** Deliveries may repeat; receivers tell repetitions by this. */
    deduplicationId: `${team.tenantId}/${team.id}/${period}/${percent}`,
  };
}
