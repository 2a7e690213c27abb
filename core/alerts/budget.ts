/**
 * Budget thresholds: which are crossed and not yet told. Decides from the account alone, so that
 * redelivered, reordered or late usage events change nothing. Sends nothing.
 */
import { type Account, ALERT_MARK, counterValue } from '../limits/account.ts';
import type { AccountWrite, Path } from '../limits/account-write.ts';

/** A claim that was not followed by a delivery for so long belongs to a process that died. */
const CLAIM_SECONDS = 10;
const TOLD = Number.MAX_SAFE_INTEGER;

export interface BudgetState {
  readonly account: Account;
  readonly month: number;
  /** Cost of calls whose usage is known while their settlement is still on its way. */
  readonly unsettledNanoUsd: number;
}

/** Nano-dollars spent in the month, and the percents of the limit that this reaches. */
export function crossedThresholds(
  { account, month, unsettledNanoUsd }: BudgetState,
  percents: readonly number[],
): { spent: number; limit: number | undefined; crossed: number[] } {
  const spent = counterValue(account, 'settledNanoUsd', month) + unsettledNanoUsd;
  const limit = account.plan.nanoUsdPerMonth;
  // Whole numbers on both sides: a floating quotient would miss a budget spent to the last nano-dollar.
  const crossed =
    limit === undefined || limit === 0
      ? []
      : percents.filter((percent) => BigInt(spent) * 100n >= BigInt(limit) * BigInt(percent));
  return { spent, limit, crossed };
}

/** Takes the right to tell a threshold, once per period; a dead claimant's right passes on. */
export function planClaim(month: number, percent: number, nowSeconds: number): AccountWrite {
  const path = markPath(month, percent);
  return {
    conditions: [{ kind: 'at-most', path, value: nowSeconds - CLAIM_SECONDS }],
    set: [[path, nowSeconds]],
    add: [],
    remove: [],
  };
}

/** After delivery: nobody tells this threshold again in this period. */
export function planTold(month: number, percent: number): AccountWrite {
  const path = markPath(month, percent);
  return { conditions: [{ kind: 'present', path }], set: [[path, TOLD]], add: [], remove: [] };
}

export function wasTold(
  item: Readonly<Record<string, unknown>>,
  month: number,
  percent: number,
): boolean {
  return item[markPath(month, percent)[0]] === TOLD;
}

function markPath(month: number, percent: number): Path {
  return [`${ALERT_MARK}${month}_${percent}`];
}
