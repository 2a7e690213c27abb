import { describe, expect, it } from 'vitest';
import { type AccountItem, parseAccount } from '../../../core/limits/account.ts';
import { momentOf } from '../../../core/limits/reserve.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { wouldDeny } from '../../../core/limits/would-deny.ts';
import { accountKey, type Scope } from '../../../core/tenancy/scopes.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const QUESTION = {
  demand: { nanoUsd: 50, inputTokens: 5, outputTokens: 5 },
  at: momentOf(Date.parse('2026-11-20T12:00:00Z'), { day: 20261120, month: 202611 }),
  timeZone: 'UTC',
};
const asked = (limits: LimitPlan, policyVersion = 1) => ({ scope: TEAM, limits, policyVersion });

function itemWith(limits: LimitPlan): AccountItem {
  const store = createMemoryStore();
  store.setUp(TEAM, limits);
  return store.items.get(accountKey(TEAM)) ?? {};
}
const accountWith = (limits: LimitPlan) => parseAccount(itemWith(limits));
const dimensions = (refusals: ReturnType<typeof wouldDeny>) =>
  refusals.map((refusal) =>
    refusal.kind === 'refused' ? refusal.denial.dimension : refusal.status,
  );

describe('what would deny', () => {
  it("is judged by the account's own limits, and by those of a policy that it has not heard of yet", () => {
    const account = accountWith({ nanoUsdPerMonth: 40 });
    const wider = { nanoUsdPerMonth: 1_000 };
    expect(dimensions(wouldDeny(asked(wider), account, QUESTION))).toEqual(['nanoUsdPerMonth']);
    expect(dimensions(wouldDeny(asked(wider, 2), account, QUESTION))).toEqual([]);
  });

  it('is what the call alone breaks where nothing was reserved yet', () => {
    const limits = { nanoUsdPerMonth: 40, tokensPerMinute: 10, tokensPerDay: 9 };
    expect(dimensions(wouldDeny(asked(limits), undefined, QUESTION))).toEqual([
      'tokensPerDay',
      'nanoUsdPerMonth',
    ]);
  });

  it('is the status of a scope that is switched off, and nothing else', () => {
    const account = { ...accountWith({ nanoUsdPerMonth: 1 }), status: 'suspended' as const };
    expect(dimensions(wouldDeny(asked({}), account, QUESTION))).toEqual(['suspended']);
  });

  it('keeps to the windows of a clock that was ahead', () => {
    const limits = { requestsPerMinute: 1 };
    const ahead = QUESTION.at.minute + 1;
    const account = parseAccount({ ...itemWith(limits), m: ahead, [`rm${ahead}`]: 1 });
    expect(dimensions(wouldDeny(asked(limits), account, QUESTION))).toEqual(['requestsPerMinute']);
  });
});
