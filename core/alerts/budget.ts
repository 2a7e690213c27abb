/**
 * Budgets of a month: which thresholds are crossed and not yet told, and what the month comes to at this pace. Decides from
 * the account alone, so that redelivered, reordered or late usage events change nothing. Sends nothing.
 */
import type { EpochMs } from '../clock.ts';
import { type Account, ALERT_MARK, counterValue } from '../limits/account.ts';
import { calendarDay, periodEnd } from '../limits/periods.ts';
import { limitsAt } from '../limits/schedule.ts';
import { formatUsd, nanoUsd } from '../money.ts';
import { type Finding, findingOf, type Labels, percentOf, rounded } from './finding.ts';
import type { Overrides } from './thresholds.ts';

export interface BudgetState {
  readonly account: Account;
  readonly month: number;
  readonly nowMs: EpochMs;
  /** Cost of calls whose usage is known while their settlement is still on its way. */
  readonly unsettledNanoUsd: number;
}

/** Of scopes whose policy names none. */
export const DEFAULT_ALERT_PERCENTS: readonly number[] = [50, 70, 80, 100];

/** Nano-dollars spent in the month, and the percents of the limit that this reaches. */
export function crossedThresholds(
  { account, month, nowMs, unsettledNanoUsd }: BudgetState,
  percents: readonly number[],
): { spent: number; limit: number | undefined; crossed: number[] } {
  const spent = counterValue(account, 'settledNanoUsd', month) + unsettledNanoUsd;
  // What an override adds counts too: half of a doubled budget is no alarm.
  const limit = limitsAt(account.plan, nowMs).nanoUsdPerMonth;
  // Whole numbers on both sides: a floating quotient would miss a budget spent to the last nano-dollar.
  const crossed =
    limit === undefined || limit === 0
      ? []
      : percents.filter((percent) => BigInt(spent) * 100n >= BigInt(limit) * BigInt(percent));
  return { spent, limit, crossed };
}

/** Each threshold is told once a period. */
export function thresholdMark(month: number, percent: number): string {
  return `${ALERT_MARK}${month}_${percent}`;
}

export interface Projection {
  readonly account: Account;
  readonly labels: Labels;
  readonly overrides: Overrides;
  readonly nowMs: EpochMs;
  readonly timeZone: string;
}

/** A straight line through less than a tenth of the month, or from less than a quarter of the budget, is a guess. */
const LEAST_ELAPSED = 0.1;
const LEAST_SPENT = 0.25;

/** A budget that runs out before its month does, at the pace of the month so far. One that is out already is no projection. */
export function projectedOverrun({
  account,
  labels,
  overrides,
  nowMs,
  timeZone,
}: Projection): Finding[] {
  const limit = limitsAt(account.plan, nowMs).nanoUsdPerMonth;
  const { month } = calendarDay(nowMs, timeZone);
  const spent = counterValue(account, 'settledNanoUsd', month);
  if (limit === undefined || limit === 0 || spent < limit * LEAST_SPENT || spent >= limit)
    return [];
  const days = new Date(Date.UTC(Math.floor(month / 100), month % 100, 0)).getUTCDate();
  const leftMs = periodEnd(nowMs, timeZone, 'month') - nowMs;
  const elapsed = 1 - leftMs / (days * 86_400_000);
  if (elapsed < LEAST_ELAPSED) return [];
  const percent = percentOf(spent / elapsed, limit);
  return findingOf({
    kind: 'budget-projection',
    labels,
    overrides,
    value: percent,
    say: () => ({
      numbers: { percent, spentUsd: rounded(spent / 1e9), limitUsd: rounded(limit / 1e9) },
      summary: `${formatUsd(nanoUsd(spent))} of ${formatUsd(nanoUsd(limit))} US dollars are spent, which comes to ${percent} % by the end of the month`,
    }),
  });
}
