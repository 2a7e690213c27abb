/** What would deny a call right now: every limit of one scope that has no room for it. Takes nothing. */
import type { Scope } from '../tenancy/scopes.ts';
import type { Account } from './account.ts';
import type { Refusal, ScopeLimits } from './accounts.ts';
import { denialOf, type Moment } from './denial.ts';
import { DIMENSION_NAMES } from './dimensions.ts';
import { adoptDay, adoptWindows, amountOf, type Demand } from './reserve.ts';
import { limitsAt } from './schedule.ts';

export interface Question {
  readonly demand: Demand;
  readonly at: Moment;
  readonly timeZone: string;
}

/** `account` is the scope's, all shards together; absent where nothing was reserved yet. */
export function wouldDeny(
  { scope, limits, policyVersion = 0 }: ScopeLimits,
  account: Account | undefined,
  { demand, at, timeZone }: Question,
): Refusal[] {
  const inactive = inactiveOf(scope, account);
  if (inactive !== undefined) return [inactive];
  const seen = account ?? UNUSED;
  // A reserve gives the account the newer limits first, so they are the ones that judge.
  const plan = account === undefined || policyVersion > account.policyVersion ? limits : seen.plan;
  const claim = { account: seen, at: adoptDay(seen, adoptWindows(seen, at)) };
  const inForce = limitsAt(plan, at.nowMs);
  return DIMENSION_NAMES.flatMap((dimension): Refusal[] => {
    const limit = inForce[dimension];
    if (limit === undefined) return [];
    const amount = amountOf(dimension, demand);
    const denial = denialOf(dimension, limit, { ...claim, amount });
    return denial === undefined ? [] : [{ kind: 'refused', scope, denial, timeZone }];
  });
}

function inactiveOf(scope: Scope, account: Account | undefined): Refusal | undefined {
  if (account === undefined || account.status === 'active') return undefined;
  return { kind: 'inactive', scope, status: account.status };
}

const UNUSED: Account = {
  status: 'active',
  limitsVersion: '',
  plan: {},
  policyVersion: 0,
  latestSecond: 0,
  latestMinute: 0,
  latestDay: 0,
  holds: new Map(),
  voided: new Map(),
  counters: new Map(),
  told: new Map(),
  shards: 1,
};
