import { describe, expect, it } from 'vitest';
import type { KeyRecord, PolicySnapshot } from '../../../core/catalog/snapshot.ts';
import type { LimitPlan } from '../../../core/limits/schedule.ts';
import { keyShardCount } from '../../../core/limits/shards.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { teamOf } from '../../../core/routing/select-routes.ts';
import { planOfKey } from '../../../core/tenancy/scopes-of.ts';

/** A policy in which the tenant, the team and the project of the key have these limits. */
function policyWith({ tenant = '{}', team = '{}', project = '{}' }): PolicySnapshot {
  const parsed = parsePolicy(
    `time_zone: UTC
providers:
  p: { kind: openai, base_url: 'https://api.example.com' }
models:
  m:
    tier: shared
    context_tokens: 8K
    max_output_tokens: 1K
    default_max_output_tokens: 100
    routes: [{ provider: p, model: m, price: { input: $1.00, output: $2.00 } }]
tenants:
  acme:
    limits: ${tenant}
    teams:
      search: { owner: a@example.com, limits: ${team} }
    projects:
      chat: { team: search, limits: ${project} }
`,
    'test',
  );
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
  return compilePolicy(parsed.policy, 1, 0).snapshot;
}

function keyWith(limits: LimitPlan): KeyRecord {
  return {
    ...{ keyId: 'vk_0123456789ab', tenantId: 'acme', teamId: 'search', projectId: 'chat' },
    ...{ owner: 'a@example.com', limits, createdAtMs: 0, pinnedTags: {}, features: [] },
  };
}

function planOf(policy: PolicySnapshot, limits: LimitPlan = {}): LimitPlan {
  const key = keyWith(limits);
  return planOfKey({ key, team: teamOf(policy, key), policy });
}

const FAST = '{ requests_per_second: 500 }';
const SLOW = '{ requests_per_minute: 6K }';

describe('the plan of a key', () => {
  it.each([
    ['team', { team: SLOW, tenant: FAST }],
    ['tenant', { team: FAST, tenant: SLOW }],
    ['project', { team: FAST, tenant: FAST, project: SLOW }],
  ])('has the accounts that the narrowest around it asks for: %s', (_name, limits) => {
    const accounts = keyShardCount([{ requestsPerMinute: 6_000 }]);
    expect(accounts).toBeGreaterThan(1);
    expect(planOf(policyWith(limits))).toEqual({ accounts });
  });

  it('is its own limits where it has some, or nothing around it asks for more accounts', () => {
    const own = { nanoUsdPerMonth: 1_000_000 };
    expect(planOf(policyWith({ team: FAST }), own)).toBe(own);
    const none = {};
    expect(planOf(policyWith({ team: '{ monthly_budget: $100 }' }), none)).toBe(none);
  });

  it('is the same object for every call, until the policy changes', () => {
    const limits = {};
    const policy = policyWith({ team: FAST });
    expect(planOf(policy, limits)).toBe(planOf(policy, limits));
    expect(planOf(policyWith({ team: SLOW }), limits)).not.toEqual(planOf(policy, limits));
  });
});
