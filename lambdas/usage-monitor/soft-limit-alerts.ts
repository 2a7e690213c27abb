/** Tells soft limits that usage events say were crossed. */
import { whoAnswers } from '../../core/alerts/answers.ts';
import type { SoftLimitEvent } from '../../core/alerts/event-schema.ts';
import { planTold, wasTold } from '../../core/alerts/mark.ts';
import {
  crossingsOf,
  deduplicationId,
  type ToldCrossing,
  toldUntil,
} from '../../core/alerts/soft-limits.ts';
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import { readShards } from '../../core/limits/account-store.ts';
import { usedOf } from '../../core/limits/denial.ts';
import { DIMENSIONS } from '../../core/limits/dimensions.ts';
import { amountText } from '../../core/limits/refusal.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { type Shard, sumAccounts } from '../../core/limits/shards.ts';
import { isOfPeriod } from '../../core/limits/soft.ts';
import { ALERT_DETAIL_TYPE } from '../../core/names.ts';
import type { Report } from '../../core/report.ts';
import type { Directory } from '../../core/tenancy/authenticate.ts';
import { accountKey, scopeLabel } from '../../core/tenancy/scopes.ts';
import type { UsageEvent } from '../../core/usage/event.ts';
import { type AlertBus, tellOnce } from './tell-once.ts';

export interface SoftLimitAlertsOptions extends AlertBus {
  readonly directory: Directory;
  readonly report: Report;
}

export function createSoftLimitAlerts(options: SoftLimitAlertsOptions): {
  check(events: readonly UsageEvent[]): Promise<void>;
} {
  return {
    async check(events) {
      const crossings = new Map<string, ToldCrossing>();
      for (const crossing of events.flatMap((event) => readCrossings(options, event)))
        crossings.set(`${accountKey(crossing.scope)} ${crossing.mark}`, crossing);
      if (crossings.size === 0) return;
      const policy = await options.directory.policy();
      for (const crossing of crossings.values()) await tellCrossing(options, policy, crossing);
    },
  };
}

/** A column that cannot be read must not keep the other alerts of the batch back. */
function readCrossings({ report }: SoftLimitAlertsOptions, event: UsageEvent): ToldCrossing[] {
  try {
    return crossingsOf(event);
  } catch (fault) {
    report('record not readable', fault);
    return [];
  }
}

async function tellCrossing(
  options: SoftLimitAlertsOptions,
  policy: PolicySnapshot,
  crossing: ToldCrossing,
): Promise<void> {
  const { scope, event, mark } = crossing;
  // What a whole tenant has reached is no matter of the team whose call saw it.
  const team = scope.kind === 'tenant' ? undefined : event.team_id;
  const nowSeconds = Math.floor(options.clock.nowMs() / 1000);
  const key = accountKey(scope);
  const [first, ...others] = await readShards(options.store, key, 1);
  if (first === undefined) return;
  const whole = crossedByAll([first, ...others], crossing);
  if (whole === undefined) return;
  const untilSeconds = toldUntil(crossing, nowSeconds);
  await tellOnce(options, {
    key,
    mark,
    untilSeconds,
    detailType: ALERT_DETAIL_TYPE.softLimit,
    detail: {
      scope: scopeLabel(scope),
      tenantId: event.tenant_id,
      ...(team === undefined ? {} : { teamId: team }),
      owner: whoAnswers(policy, { tenant: event.tenant_id, team }).owner,
      dimension: DIMENSIONS[crossing.dimension].label,
      limit: amountText(crossing.dimension, whole.limit),
      used: amountText(crossing.dimension, whole.used),
      time: new Date(event.event_time_ms).toISOString(),
      deduplicationId: deduplicationId(crossing, nowSeconds),
    } satisfies SoftLimitEvent,
  });
  // The other shards' calls see their own account alone. What an earlier delivery has marked is not written again, so that
  // each brings a scope of many accounts nearer to its end, whatever fails.
  const untold = others.filter(({ account }) => !wasTold(account.told.get(mark), nowSeconds));
  await Promise.all(
    untold.map((shard) => options.store.write(shard.key, planTold(mark, untilSeconds))),
  );
}

/**
 * A scope with several accounts has a slice of the limit in each, and its calls see one. The sum of a day or month
 * decides; of windows, which are over by now, the slice does, a little early. Undefined: not crossed by all together.
 */
function crossedByAll(
  shards: readonly [Shard, ...Shard[]],
  { dimension, period, limit, used, event }: ToldCrossing,
): { limit: number; used: number } | undefined {
  const [first, ...others] = shards;
  if (others.length === 0) return { limit, used };
  const whole = sumAccounts([first.account, ...others.map(({ account }) => account)]);
  const wholeLimit = whole.plan.soft?.[dimension] ?? limit;
  if (!isOfPeriod(dimension)) return { limit: wholeLimit, used };
  const month = period > 999_999 ? Math.floor(period / 100) : period;
  const at = momentOf(event.event_time_ms, { day: period, month });
  const total = usedOf(dimension, whole, at);
  return total < wholeLimit ? undefined : { limit: wholeLimit, used: total };
}
