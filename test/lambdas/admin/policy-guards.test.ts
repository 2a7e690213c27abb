import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { SMALL_POLICY } from '../../core/policy/policy-texts.ts';
import { type AdminApi, startAdminApi } from '../../support/admin-api.ts';

const SEARCH = '/tenants/acme/teams/search';
let api: AdminApi;

beforeAll(async () => {
  api = await startAdminApi({ nowMs: () => Date.parse('2026-11-05T12:00:00Z') });
}, 30_000);
afterAll(() => api.close());

const apply = (text: string, options = {}) => api.ask('PUT /policy', text, options);

describe('a project or team', () => {
  it('stays while keys of the API need it, which are named, and goes when they are revoked', async () => {
    await apply(SMALL_POLICY);
    await api.ask('PUT /tenants/acme/teams/lab', { owner: 'x' });
    await api.ask('PUT /tenants/acme/projects/lab', { team: 'lab' });
    const owner = { tenantId: 'acme', teamId: 'lab', projectId: 'lab', owner: 'Ada' };
    const made = await api.ask('POST /keys', owner);
    const { keyId } = z.looseObject({ keyId: z.string() }).parse(made.body);
    const remain = { status: 409, body: { error: { code: 'keys_remain', keys: [keyId] } } };
    expect(await api.ask('DELETE /tenants/acme/projects/lab')).toMatchObject(remain);
    const moved = { team: 'search' };
    expect(await api.ask('PATCH /tenants/acme/projects/lab', moved)).toMatchObject(remain);
    const withoutLab = { teams: { lab: null }, projects: { lab: null } };
    expect(await api.ask('PATCH /tenants/acme', withoutLab)).toMatchObject(remain);
    expect((await api.ask(`DELETE /keys/${keyId}`)).status).toBe(200);
    expect((await api.ask('PATCH /tenants/acme', withoutLab)).status).toBe(200);
  });
});

describe('the audit log', () => {
  it('has each change with what it replaced and its version, and none that was refused', async () => {
    await apply(SMALL_POLICY);
    const before = (await api.records()).length;
    await api.ask(`PATCH ${SEARCH}`, { role: 'root' });
    await apply(SMALL_POLICY, { ifMatch: '"1"' });
    expect(await api.records()).toHaveLength(before);
    const { version } = await api.ask(`PATCH ${SEARCH}`, { owner: 'Eve' });
    const inSearch = (owner: string) =>
      JSON.stringify({ tenants: { acme: { teams: { search: { owner } } } } });
    const records = (await api.records()).filter(
      ({ policy_version: each }) => each === String(version),
    );
    expect(records).toMatchObject([
      {
        principal_id: 'root',
        via: 'api',
        operation: 'patchTeam',
        object: 'tenants/acme/teams/search',
        tenant_id: 'acme',
        team_id: 'search',
        before: inSearch('Ada'),
        after: inSearch('Eve'),
      },
    ]);
    await apply(SMALL_POLICY);
    const files = (await api.records()).filter(({ via }) => via === 'file');
    expect(files.map(({ object }) => object)).toContain('policy');
  });
});
