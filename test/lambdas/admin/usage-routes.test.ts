import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Principal } from '../../../core/governance/principal.ts';
import { type AdminApi, startAdminApi } from '../../support/admin-api.ts';

const NOW = Date.UTC(2026, 10, 21, 22);
const POLICY = `
time_zone: UTC
providers: {}
models: {}
tenants:
  acme:
    limits: { monthly_budget: $1K }
    teams:
      search: { owner: ann, limits: { monthly_budget: $100 } }
      support: { owner: bob, limits: { monthly_budget: $200 } }
  other:
    limits: { monthly_budget: $300 }
    teams:
      lab: { owner: eve, limits: { monthly_budget: $30 } }
`;
const answerSchema = z.object({
  scopes: z.array(
    z.object({
      scope: z.object({ tenantId: z.string(), teamId: z.string().optional() }),
      limits: z.object({ usdPerMonth: z.string() }),
      projected_end_usd: z.string(),
    }),
  ),
  next: z.string().nullable(),
});

describe('GET /usage', () => {
  let api: AdminApi;
  beforeAll(async () => {
    api = await startAdminApi({ nowMs: () => NOW });
    await api.ask('PUT /policy', POLICY);
  });
  afterAll(() => api.close());

  it('lists each tenant before its teams, with their budgets', async () => {
    expect(await usage()).toEqual([
      ['acme', '1000'],
      ['acme/search', '100'],
      ['acme/support', '200'],
      ['other', '300'],
      ['other/lab', '30'],
    ]);
  });

  it('gives all of it once, page by page', async () => {
    const seen: string[] = [];
    let after: string | null = '';
    while (after !== null) {
      const query = { limit: '2', ...(after === '' ? {} : { after }) };
      const { body } = await api.ask('GET /usage', undefined, { query });
      const page = answerSchema.parse(body);
      expect(page.scopes.length).toBeLessThanOrEqual(2);
      seen.push(...page.scopes.map(({ scope }) => scope.teamId ?? scope.tenantId));
      after = page.next;
    }
    expect(seen).toEqual(['acme', 'search', 'support', 'other', 'lab']);
  });

  it.each<[string, Principal, string[]]>([
    [
      'a team lead sees the own team alone',
      { id: 'l', name: 'l', role: 'team-lead', tenantId: 'acme', teamId: 'search' },
      ['acme/search'],
    ],
    [
      'finance of a tenant sees nothing of another',
      { id: 'f', name: 'f', role: 'finance', tenantId: 'other' },
      ['other', 'other/lab'],
    ],
  ])('%s', async (_, principal, expected) => {
    expect((await usage(principal)).map(([who]) => who)).toEqual(expected);
  });

  async function usage(principal?: Principal) {
    const options = principal === undefined ? {} : { principal };
    const { body } = await api.ask('GET /usage', undefined, options);
    return answerSchema
      .parse(body)
      .scopes.map(({ scope: { tenantId, teamId }, limits }) => [
        teamId === undefined ? tenantId : `${tenantId}/${teamId}`,
        limits.usdPerMonth,
      ]);
  }
});
