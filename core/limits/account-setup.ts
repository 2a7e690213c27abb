/** Writes that policy changes make to accounts: limits set, status changed. Counters and holds stay untouched. */
import { ATTR, type KeyStatus } from './account.ts';
import type { AccountWrite } from './account-write.ts';
import { type Limits, limitsToCodes, limitsVersionOf } from './dimensions.ts';

/** What an account item is brought to; created when there is none. Refused when a later policy was here first. */
export interface AccountSetup {
  readonly limits: Limits;
  readonly policyVersion: number;
}

export interface SetupExpression {
  readonly condition: string;
  readonly update: string;
  readonly names: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, string | number | Readonly<Record<string, number>>>>;
}

export function renderSetup({ limits, policyVersion }: AccountSetup): SetupExpression {
  return {
    // Closes the race between two policies: accounts follow the later one, whichever comes last.
    condition: 'attribute_not_exists(#pv) OR #pv <= :pv',
    update:
      'SET #l = :l, #lv = :lv, #pv = :pv, #st = if_not_exists(#st, :active), #h = if_not_exists(#h, :none), #x = if_not_exists(#x, :none)',
    names: {
      '#l': ATTR.limits,
      '#lv': ATTR.limitsVersion,
      '#pv': ATTR.policyVersion,
      '#st': ATTR.status,
      '#h': ATTR.holds,
      '#x': ATTR.posted,
    },
    values: {
      ':l': limitsToCodes(limits),
      ':lv': limitsVersionOf(limits),
      ':pv': policyVersion,
      ':active': 'active',
      ':none': {},
    },
  };
}

/** Makes the account of a scope that is met for the first time; refused when another call was faster. */
export function planCreate(limits: Limits): AccountWrite {
  return {
    conditions: [{ kind: 'absent', path: [ATTR.status] }],
    set: [
      [[ATTR.status], 'active'],
      [[ATTR.limits], limitsToCodes(limits)],
      [[ATTR.limitsVersion], limitsVersionOf(limits)],
      [[ATTR.policyVersion], 0],
      [[ATTR.holds], {}],
      [[ATTR.posted], {}],
    ],
    add: [],
    remove: [],
  };
}

export function renderStatus(status: KeyStatus): SetupExpression {
  return {
    condition: 'attribute_exists(#st)',
    update: 'SET #st = :status',
    names: { '#st': ATTR.status },
    values: { ':status': status },
  };
}
