/** Every operation of governance, tried by everybody, against a table that was written by hand. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ROOT } from '../../support/control-plane.ts';
import { dynoxideBinary } from '../../support/dynoxide.ts';
import { type Governance, startGovernance } from '../../support/governance.ts';
import { isWho, WHO, type Who } from './role-people.ts';
import { EXPECTED, requested, somebody } from './role-table.ts';

const EVERYBODY = Object.keys(WHO);
const binary = dynoxideBinary();

describe.skipIf(binary === undefined)('the roles', () => {
  let governance: Governance;
  beforeAll(async () => {
    governance = await startGovernance(binary ?? '');
    for (const { id, name, role, ...at } of Object.values(WHO)) {
      const body = { id, name, role, ...at };
      const made = { as: ROOT, method: 'POST', path: '/principals', body };
      expect((await governance.call(made)).status).toBe(201);
    }
  });
  afterAll(() => governance.stop());

  it('are said for every operation that there is', () => {
    const operations = governance.routes.map(({ operation }) => operation);
    expect(Object.keys(EXPECTED).sort()).toEqual(operations.sort());
  });

  it.each(
    Object.entries(EXPECTED).flatMap(([operation, expected]) =>
      Object.keys(WHO)
        .filter(isWho)
        .map((who) => [operation, who, expected] as const),
    ),
  )('%s by %s', async (operation, who, { call, allowed, isMissing }) => {
    const request = await call(governance);
    const before = await governance.records();
    const answer = await governance.call({ ...request, as: WHO[who] });
    expect(answer.operation).toBe(operation);
    if (allowed.includes(who))
      isMissing ? expect(answer.status).toBe(404) : expect(answer.status).toBeLessThan(300);
    else {
      expect(isMissing ? [403] : [403, 404]).toContain(answer.status);
      expect(await governance.records()).toEqual(before);
    }
  });

  it('give nobody a role or a reach above their own', async () => {
    const grants = [
      { role: 'platform-admin' },
      { role: 'tenant-admin', tenantId: 'other' },
      { role: 'finance' },
      { role: 'auditor' },
      { role: 'tenant-admin' },
      { role: 'tenant-admin', tenantId: 'acme', teamId: 'search' },
    ];
    for (const [index, grant] of grants.entries())
      for (const who of EVERYBODY.filter(isWho).filter((each) => each !== 'platform')) {
        const body = { id: `grant${index}`, name: 'x', ...grant };
        const asked = { as: WHO[who], method: 'POST', path: '/principals', body };
        const { status } = await governance.call(asked);
        const isOwn = who === 'foreignAdmin' && index === 1;
        expect([who, grant, status]).toEqual([who, grant, isOwn ? 201 : 403]);
      }
  });

  it('show nobody what concerns another tenant', async () => {
    await requested(governance);
    const seen = async (who: Who) => {
      const list = { as: WHO[who], method: 'GET', path: '/overrides' };
      const { body } = await governance.call(list);
      return z.object({ overrides: z.array(z.unknown()) }).parse(body).overrides.length;
    };
    expect(await seen('lead')).toBeGreaterThan(0);
    expect(await seen('tenantFinance')).toBeGreaterThan(0);
    for (const who of ['foreignAdmin', 'foreignLead', 'foreignAuditor'] as const)
      expect(await seen(who)).toBe(0);
    const all = { method: 'GET', path: '/audit' };
    expect((await governance.call({ ...all, as: WHO.admin })).status).toBe(403);
    expect((await governance.call({ ...all, as: WHO.auditor })).status).toBe(200);
  });

  it('take no field that would make more of a principal', async () => {
    const id = await somebody(governance);
    const path = `/principals/${id}/rotate`;
    for (const body of [
      { role: 'platform-admin' },
      { tenantId: 'other' },
      { keys: [] },
      { __proto__: 1, role: 1 },
    ])
      expect((await governance.call({ as: WHO.admin, method: 'POST', path, body })).status).toBe(
        400,
      );
  });
});
