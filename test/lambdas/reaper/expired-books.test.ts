import { expect, it } from 'vitest';
import type { KeyRecord, PolicySnapshot } from '../../../core/catalog/snapshot.ts';
import type { Hold } from '../../../core/limits/account.ts';
import { type UsageEvent, usageEventSchema } from '../../../core/usage/event.ts';
import { createExpiredBooks } from '../../../lambdas/reaper/expired-books.ts';

const KEY: KeyRecord = {
  keyId: 'vk_1',
  tenantId: 'acme',
  teamId: 'search',
  projectId: 'web',
  owner: 'ann',
  pinnedTags: { cost_center: 'CC-1' },
  features: ['answers'],
  limits: {},
  createdAtMs: 0,
};
const HOLD: Hold = {
  nanoUsd: 1_000,
  inputTokens: 100,
  outputTokens: 20,
  expiresAtSeconds: 1_795_000_000,
  day: 20261119,
  countsDay: false,
  owner: { kind: 'lead', requestId: 'req_1', alias: 'small' },
};

async function booked(policy: () => Promise<PolicySnapshot>): Promise<UsageEvent[]> {
  const events: UsageEvent[] = [];
  const book = createExpiredBooks({
    clock: { nowMs: () => 1_796_000_000_000 },
    directory: { findKeyById: async () => KEY, policy },
    usage: { put: async (event) => void events.push(usageEventSchema.parse(event)) },
  });
  await book('key/vk_1', { id: 'h1', hold: HOLD });
  return events;
}

it('a call whose process died is booked at its hold and billed by the terms of its tenant', async () => {
  const billing = { discountPercent: 10, marginPercent: 0 };
  const policy: PolicySnapshot = {
    version: 3,
    timeZone: 'UTC',
    providers: {},
    models: {},
    tenants: { acme: { limits: {}, projectLimits: {}, billing } },
    teams: {},
    projects: [],
  };
  expect(await booked(async () => policy)).toMatchObject([
    {
      request_id: 'req_1',
      outcome: 'expired',
      cost_nano_usd: 1_000,
      discount_percent: 10,
      billed_nano_usd: 900,
      cost_center: 'CC-1',
    },
  ]);
});

it('its hold stays while the policy is out of reach: a row at the wrong price would be worse than a late one', async () => {
  await expect(booked(() => Promise.reject(new Error('throttled')))).rejects.toThrow('throttled');
});
