/**
 * Budget thresholds: which are crossed and not yet told. Decides from the account alone, so that
 * redelivered, reordered or late usage events change nothing. Sends nothing.
 */
import type { EpochMs } from '../clock.ts';
import { type Account, ALERT_MARK, counterValue } from '../limits/account.ts';
import { limitsAt } from '../limits/schedule.ts';

export interface BudgetState {
  readonly account: Account;
  readonly month: number;
  readonly nowMs: EpochMs;
  /** Cost of calls whose usage is known while their settlement is still on its way. */
  readonly unsettledNanoUsd: number;
}

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
