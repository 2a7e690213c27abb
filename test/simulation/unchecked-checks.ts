/** The bound of what passes while accounts are out of reach: told again from the limits, apart from the core's table. */
import type { EpochMs } from '../../core/clock.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import { scopeOf } from './account-names.ts';
import type { Environment, UncheckedAdmission } from './environment.ts';

const MONEY_AND_QUOTAS = [
  'tokensPerDay',
  'tokensPerMonth',
  'nanoUsdPerDay',
  'nanoUsdPerMonth',
] as const;
const REQUESTS = ['requestsPerSecond', 'requestsPerMinute', 'concurrentRequests'] as const;

export interface UncheckedChecks {
  complaints(admission: UncheckedAdmission): string[];
}

/** Per environment, account and minute: one call, or one in a hundred of what the smallest limit of requests allows. */
export function createUncheckedChecks(): UncheckedChecks {
  const admitted = new WeakMap<Environment, Map<string, Admitted>>();
  return {
    complaints({ environment, account, limits, at }) {
      const complaints: string[] = [];
      if (account.startsWith('key/')) complaints.push(`a key was not asked: ${account}`);
      if (MONEY_AND_QUOTAS.some((dimension) => limits[dimension] !== undefined))
        complaints.push(`I1 a budget was not asked: ${account}`);
      const ofEnvironment = admitted.get(environment) ?? new Map<string, Admitted>();
      admitted.set(environment, ofEnvironment);
      const scope = scopeOf(account);
      const known = ofEnvironment.get(scope);
      // A call that began before the minute did, and is admitted after another of it, is one of that minute's.
      const minute = Math.max(at.minute, known?.minute ?? 0);
      const count = known?.minute === minute ? known.count + 1 : 1;
      ofEnvironment.set(scope, { minute, count });
      if (count > mostCalls(limits, at.nowMs))
        complaints.push(`${count} calls passed unchecked: ${account}`);
      return complaints;
    },
  };
}

interface Admitted {
  readonly minute: number;
  readonly count: number;
}

function mostCalls({ raises = [], ...limits }: LimitPlan, atMs: EpochMs): number {
  const raise = raises.find(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs);
  const most = REQUESTS.map((dimension) => {
    const limit = (limits[dimension] ?? Infinity) + (raise?.limits[dimension] ?? 0);
    return Math.floor(limit / 100);
  });
  return Math.max(1, Math.min(...most));
}
