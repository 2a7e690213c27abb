/** Writes that policy changes make to accounts: limits set, status changed. Counters and holds stay untouched. */
import { ATTR, type KeyStatus } from './account.ts';
import type { AccountWrite, Condition } from './account-write.ts';
import { type LimitPlan, planToCodes, planVersionOf } from './schedule.ts';

/** What a scope's accounts are brought to; made when there are none. Refused when a later policy was here first. */
export interface AccountSetup {
  readonly limits: LimitPlan;
  readonly policyVersion: number;
}

/** Makes the account of a scope that is met for the first time; refused when another call was faster. */
export function planCreate(setup: AccountSetup, status: KeyStatus = 'active'): AccountWrite {
  return {
    conditions: [{ kind: 'absent', path: [ATTR.status] }],
    set: [
      [[ATTR.status], status],
      ...planSet(setup.limits),
      [[ATTR.policyVersion], setup.policyVersion],
      [[ATTR.holds], {}],
      [[ATTR.voided], {}],
    ],
    add: [],
    remove: [],
  };
}

export function planSet(plan: LimitPlan): AccountWrite['set'] {
  return [
    [[ATTR.limits], planToCodes(plan)],
    [[ATTR.limitsVersion], planVersionOf(plan)],
  ];
}

/** Refused when there is no such account, or it is revoked: nothing brings that back, however late it comes. */
export function planStatus(status: KeyStatus): AccountWrite {
  const path = [ATTR.status] as const;
  const isOneOf = (statuses: readonly KeyStatus[]): Condition => ({
    kind: 'any',
    of: statuses.map((value) => [{ kind: 'equals', path, value }]),
  });
  const condition: Condition =
    status === 'revoked' ? { kind: 'present', path } : isOneOf(['active', 'suspended']);
  return { conditions: [condition], set: [[path, status]], add: [], remove: [] };
}
