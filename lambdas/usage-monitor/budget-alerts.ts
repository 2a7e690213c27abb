/**
 * Tells budget thresholds of every scope that has a monthly budget: claim in the account, put the event on the bus, mark as
 * told. The accounts that it reads also say whether a budget will run out before its month does.
 */
import { whoAnswers } from '../../core/alerts/answers.ts';
import { crossedThresholds, projectedOverrun, thresholdMark } from '../../core/alerts/budget.ts';
import { type BudgetScope, budgetScopes } from '../../core/alerts/budget-scopes.ts';
import type { BudgetEvent } from '../../core/alerts/event-schema.ts';
import type { Found } from '../../core/alerts/incidents.ts';
import { FOREVER } from '../../core/alerts/mark.ts';
import type { KeyRecord, PolicySnapshot } from '../../core/catalog/snapshot.ts';
import { holdIdsOf } from '../../core/ids.ts';
import type { Account } from '../../core/limits/account.ts';
import { readScope } from '../../core/limits/account-store.ts';
import { formatUsd, nanoUsd } from '../../core/money.ts';
import { ALERT_DETAIL_TYPE } from '../../core/names.ts';
import type { Directory, KeyDirectory } from '../../core/tenancy/authenticate.ts';
import { accountKey, scopeLabel } from '../../core/tenancy/scopes.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { inParallel } from './in-parallel.ts';
import { type AlertBus, tellOnce } from './tell-once.ts';

export interface BudgetAlertsOptions extends AlertBus {
  readonly directory: Pick<Directory, 'policy'> & KeyDirectory;
}

export interface BudgetAlerts {
  /** Gives the scopes that it looked at, each with what its budget will come to. */
  check(events: readonly UsageEvent[]): Promise<readonly BudgetOutlook[]>;
  /** Of one scope, without an event of it. */
  outlook(budget: BudgetScope): Promise<BudgetOutlook>;
}

export interface BudgetOutlook {
  readonly scope: BudgetScope['scope'];
  readonly found: readonly Found[];
}

interface BudgetMonth extends BudgetScope {
  readonly period: string;
  readonly events: UsageEvent[];
}

const PARALLEL = 16;

export function createBudgetAlerts(options: BudgetAlertsOptions): BudgetAlerts {
  return {
    async check(events) {
      const policy = await options.directory.policy();
      const months = await budgetMonths(options, policy, events);
      const outlooks: BudgetOutlook[] = [];
      await inParallel(months.values(), PARALLEL, async (month) => {
        const account = await readScope(options.store, accountKey(month.scope));
        if (account === undefined) return;
        await tellThresholds(options, policy, { month, account });
        outlooks.push(outlookOf(options, policy, { ...month, account }));
      });
      return outlooks;
    },
    async outlook(budget) {
      const policy = await options.directory.policy();
      const account = await readScope(options.store, accountKey(budget.scope));
      if (account === undefined) return { scope: budget.scope, found: [] };
      return outlookOf(options, policy, { ...budget, account });
    },
  };
}

/** By scope and month. A batch has few of either, however many events it has. */
async function budgetMonths(
  { directory }: BudgetAlertsOptions,
  policy: PolicySnapshot,
  events: readonly UsageEvent[],
): Promise<ReadonlyMap<string, BudgetMonth>> {
  const months = new Map<string, BudgetMonth>();
  const paid = events.filter(({ cost_nano_usd: cost }) => cost !== 0);
  const keys = new Map<string, KeyRecord | undefined>();
  await inParallel(new Set(paid.map((event) => event.virtual_key_id)), PARALLEL, async (id) => {
    keys.set(id, await directory.findKeyById(id));
  });
  for (const event of paid) {
    const limits = keys.get(event.virtual_key_id)?.limits;
    for (const budget of budgetScopes(event, policy, limits)) {
      const name = `${event.period} ${accountKey(budget.scope)}`;
      const month = months.get(name) ?? { ...budget, period: event.period, events: [] };
      month.events.push(event);
      months.set(name, month);
    }
  }
  return months;
}

async function tellThresholds(
  options: BudgetAlertsOptions,
  policy: PolicySnapshot,
  { month: { scope, labels, period, events }, account }: { month: BudgetMonth; account: Account },
): Promise<void> {
  const { owner, percents } = whoAnswers(policy, labels);
  const month = Number(period.replace('-', ''));
  const unsettledNanoUsd = unsettledIn(account, events);
  const state = { account, month, nowMs: options.clock.nowMs(), unsettledNanoUsd };
  const { spent, limit, crossed } = crossedThresholds(state, percents);
  if (limit === undefined) return;
  for (const percent of crossed)
    await tellOnce(options, {
      key: accountKey(scope),
      mark: thresholdMark(month, percent),
      untilSeconds: FOREVER,
      detailType: ALERT_DETAIL_TYPE.budget,
      detail: {
        scope: scopeLabel(scope),
        ...(labels.tenant === undefined ? {} : { tenantId: labels.tenant }),
        ...(labels.team === undefined ? {} : { teamId: labels.team }),
        owner,
        period,
        thresholdPercent: percent,
        spentUsd: formatUsd(nanoUsd(spent)),
        limitUsd: formatUsd(nanoUsd(limit)),
        deduplicationId: [labels.tenant, scopeLabel(scope), period, percent].join('/'),
      } satisfies BudgetEvent,
    });
}

/** Cost of the batch's calls that still have their hold in the account: their settlement is on its way. */
function unsettledIn(account: Account, events: readonly UsageEvent[]): number {
  const unsettled = new Map(
    events
      .filter((event) => holdIdsOf(event.request_id).some((id) => account.holds.has(id)))
      .map((event) => [event.request_id, event.cost_nano_usd]),
  );
  return [...unsettled.values()].reduce((sum, cost) => sum + cost, 0);
}

function outlookOf(
  { clock }: BudgetAlertsOptions,
  policy: PolicySnapshot,
  { scope, labels, account }: BudgetScope & { readonly account: Account },
): BudgetOutlook {
  const { owner, overrides } = whoAnswers(policy, labels);
  const { timeZone } = policy;
  const findings = projectedOverrun({ account, labels, overrides, nowMs: clock.nowMs(), timeZone });
  return { scope, found: findings.map((finding) => ({ finding, scope, owner })) };
}
