import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Principal } from '../../../core/governance/principal.ts';
import { applyBatch } from '../../../core/rollups/apply-batch.ts';
import { overSdk } from '../../../lambdas/adapters/dynamo-sdk.ts';
import { createRollups } from '../../../lambdas/adapters/rollups.ts';
import { AT_MS, usageEvent } from '../../core/rollups/usage-events.ts';
import { type AdminApi, startAdminApi } from '../../support/admin-api.ts';
import { TABLES } from '../../support/control-plane.ts';

const LEAD: Principal = {
  id: 'l',
  name: 'l',
  role: 'team-lead',
  tenantId: 'acme',
  teamId: 'search',
};
let api: AdminApi;

beforeAll(async () => {
  api = await startAdminApi({ nowMs: () => AT_MS });
  const rollups = createRollups({ dynamo: overSdk(api.client), tableName: TABLES.rollupsTable });
  const events = ['search', 'search', 'support'].map((team_id, index) => ({
    event: usageEvent({ team_id }),
    sequence: String(index).padStart(56, '0'),
    arrivedAtMs: AT_MS,
  }));
  const featureOf = () => 'answers';
  await applyBatch(rollups, { shard: 'shardId-000000000000', events, featureOf });
});
afterAll(() => api.close());

const ask = (query: Record<string, string>, principal?: Principal) =>
  api.ask('GET /activity', undefined, { query, ...(principal === undefined ? {} : { principal }) });

it('shows what the monitor has added up, of a team with its parts and of a tenant', async () => {
  const team = await ask({ tenantId: 'acme', teamId: 'search', last: '1h' });
  expect(team).toMatchObject({
    status: 200,
    body: {
      last: '1h',
      total: { requests: 2 },
      windows: [{ start: '2026-11-20T10:00:00.000Z', requests: 2 }],
      features: { data: [{ name: 'answers', requests: 2 }] },
      models: { data: [{ name: 'small', requests: 2 }] },
    },
  });
  const tenant = await ask({ tenantId: 'acme' });
  expect(tenant.body).toMatchObject({
    last: '24h',
    total: { requests: 3 },
    features: { data: [] },
  });
});

it.each([
  [{ tenantId: 'acme', teamId: 'search' }, 200],
  [{ tenantId: 'acme', teamId: 'support' }, 403],
  [{ tenantId: 'acme' }, 403],
  [{ tenantId: 'globex', teamId: 'search' }, 403],
])('shows to a lead the own team alone: %j is %i', async (query, status) => {
  expect((await ask(query, LEAD)).status).toBe(status);
});

it('refuses a span that it does not have', async () => {
  expect((await ask({ tenantId: 'acme', last: '7d' })).status).toBe(400);
});
