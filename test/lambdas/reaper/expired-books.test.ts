import { expect, it } from 'vitest';
import type { KeyRecord, PolicySnapshot, Team } from '../../../core/catalog/snapshot.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { reapAccount } from '../../../core/limits/reaper.ts';
import { accountKey, type Scope, teamKey } from '../../../core/tenancy/scopes.ts';
import { type UsageEvent, usageEventSchema } from '../../../core/usage/event.ts';
import { createExpiredBooks } from '../../../lambdas/reaper/expired-books.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const KEY: KeyRecord = {
  keyId: 'vk_1',
  tenantId: 'acme',
  teamId: 'search',
  projectId: 'web',
  owner: 'ann',
  pinnedTags: { feature: 'answers', customer_id: 'initech', stage: 'live' },
  features: ['drafts', 'answers'],
  limits: {},
  createdAtMs: 0,
};
const SCOPE: Scope = { kind: 'key', keyId: KEY.keyId };
const BEGAN_MS = Date.UTC(2026, 10, 19, 12);
const SEARCH: Team = {
  id: 'search',
  tenantId: 'acme',
  owner: 'ann',
  tiers: ['shared'],
  limits: {},
  alertAtPercent: [],
  costCenter: 'CC-1',
};
const POLICY: PolicySnapshot = {
  version: 1_003,
  timeZone: 'UTC',
  providers: {},
  models: {},
  tenants: {
    acme: {
      limits: {},
      projectLimits: {},
      billing: { discountPercent: 10, marginPercent: 0 },
    },
  },
  teams: { [teamKey('acme', 'search')]: SEARCH },
  projects: [],
};

/** A call reserves under a version of the policy, its process dies, and the reaper comes by when its hold has expired. */
async function died({ policyVersion }: { policyVersion?: number }) {
  const store = createMemoryStore();
  store.setUp(SCOPE, {});
  let nowMs = BEGAN_MS;
  const clock = { nowMs: () => nowMs };
  await createAccounts({ store, clock }).reserve({
    requestId: 'req_0123456789abcdefghijkl',
    alias: 'org/small:8b',
    ...(policyVersion === undefined ? {} : { policyVersion }),
    demand: { nanoUsd: 1_000, inputTokens: 100, outputTokens: 20 },
    scopes: [{ scope: SCOPE, limits: {} }],
    timeZone: 'UTC',
    holdSeconds: 900,
  });
  nowMs += 960_000;
  const events: UsageEvent[] = [];
  const reap = (policy: () => Promise<PolicySnapshot>) => {
    const bookExpired = createExpiredBooks({
      clock,
      directory: { findKeyById: async () => KEY, policy },
      usage: { put: async (event) => void events.push(usageEventSchema.parse(event)) },
    });
    return reapAccount({ store, clock, pause: async () => {}, bookExpired }, accountKey(SCOPE));
  };
  const holds = () => Object.keys(store.items.get(accountKey(SCOPE))?.['h'] ?? {}).length;
  return { reap, events, holds };
}

it('a call whose process died is booked at its hold and billed by the terms of its tenant', async () => {
  const { reap, events, holds } = await died({ policyVersion: 1_002 });
  await reap(async () => POLICY);
  expect(events).toMatchObject([
    {
      request_id: 'req_0123456789abcdefghijkl',
      model_alias: 'org/small:8b',
      outcome: 'expired',
      cost_nano_usd: 1_000,
      discount_percent: 10,
      billed_nano_usd: 900,
    },
  ]);
  expect(holds()).toBe(0);
});

it('its row has the tags that its key pins, and its team where the key says nothing of the cost center', async () => {
  const { reap, events } = await died({});
  await reap(async () => POLICY);
  const tags = { feature: 'answers', customer_id: 'initech', tags: '{"stage":"live"}' };
  expect(events).toMatchObject([{ ...tags, cost_center: 'CC-1', user_id: null }]);
});

it('its row is written though its team is gone', async () => {
  const { reap, events } = await died({});
  await reap(async () => ({ ...POLICY, teams: {} }));
  expect(events).toMatchObject([{ team_id: 'search', cost_center: null }]);
});

it('its row names the policy that it ran under, not the one in force when it is found', async () => {
  const { reap, events } = await died({ policyVersion: 1_002 });
  await reap(async () => POLICY);
  expect(events).toMatchObject([{ policy_version: 1_002 }]);
});

it('its row names no policy where its hold is of a release that kept none', async () => {
  const { reap, events } = await died({});
  await reap(async () => POLICY);
  expect(events).toMatchObject([{ model_alias: 'org/small:8b', policy_version: 0 }]);
});

it('its hold stays while the policy is out of reach: a row at the wrong price would be worse than a late one', async () => {
  const { reap, events, holds } = await died({ policyVersion: 1_002 });
  await expect(reap(() => Promise.reject(new Error('throttled')))).rejects.toThrow('throttled');
  expect([events.length, holds()]).toEqual([0, 1]);
});
