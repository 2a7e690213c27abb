/**
 * When one account is out of reach while the call's key still answers: who may go on without its limits, and how much. Money and
 * quotas never; limits of rate within a small allowance, which is counted when the account answers again (ADR 0011).
 * Decides from the plan and its own memory; reads and writes nothing but that.
 */
import type { Moment } from './denial.ts';
import { DIMENSION_NAMES, DIMENSIONS, type Dimension } from './dimensions.ts';
import { amountOf, type Demand } from './reserve.ts';
import { everLimits, type LimitPlan, limitsAt } from './schedule.ts';

/** True where no hard limit of the plan is of a kind that fails closed. Soft limits refuse nobody, here neither. */
export function failsOpen({ soft: _soft, ...hard }: LimitPlan): boolean {
  return DIMENSION_NAMES.every(
    (dimension) => DIMENSIONS[dimension].outage === 'open' || !everLimits(hard, dimension),
  );
}

/** Of each limit, in each minute and environment; one call a minute goes on in any case. */
const SHARE = 0.01;
const MAX_ACCOUNTS = 10_000;

export interface OutageAllowance {
  /** False when this minute's allowance for the account is used up. */
  take(account: string, plan: LimitPlan, asked: { demand: Demand; at: Moment }): boolean;
}

export function createOutageAllowance(): OutageAllowance {
  const taken = new Map<string, { readonly minute: number; readonly demands: readonly Demand[] }>();
  return {
    take(account, plan, { demand, at }) {
      if (!failsOpen(plan)) return false;
      const known = taken.get(account);
      // Calls that run side by side come here in another order than they began.
      const minute = Math.max(at.minute, known?.minute ?? 0);
      const before = known?.minute === minute ? known.demands : [];
      const demands = [...before, demand];
      const limits = limitsAt(plan, at.nowMs);
      const fits = DIMENSION_NAMES.every((dimension) => {
        const limit = limits[dimension];
        return limit === undefined || sumOf(dimension, demands) <= SHARE * limit;
      });
      if (before.length > 0 && !fits) return false;
      if (taken.size >= MAX_ACCOUNTS) taken.clear();
      taken.set(account, { minute, demands });
      return true;
    },
  };
}

function sumOf(dimension: Dimension, demands: readonly Demand[]): number {
  return demands.reduce((sum, demand) => sum + amountOf(dimension, demand), 0);
}
