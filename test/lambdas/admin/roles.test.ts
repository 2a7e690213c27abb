/** Every operation of governance, tried by everybody, against a table that was written by hand. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { Principal } from '../../../core/governance/principal.ts';
import { ROOT } from '../../support/control-plane.ts';
import { dynoxideBinary } from '../../support/dynoxide.ts';
import { type Call, type Governance, startGovernance } from '../../support/governance.ts';

const binary = dynoxideBinary();

const WHO = {
  platform: { id: 'plato', name: 'p', role: 'platform-admin' },
  admin: { id: 'ada', name: 'a', role: 'tenant-admin', tenantId: 'acme' },
  foreignAdmin: { id: 'fay', name: 'f', role: 'tenant-admin', tenantId: 'other' },
  lead: { id: 'lea', name: 'l', role: 'team-lead', tenantId: 'acme', teamId: 'search' },
  otherLead: { id: 'lou', name: 'l', role: 'team-lead', tenantId: 'acme', teamId: 'support' },
  /** Of a team that has the same name in another tenant. */
  foreignLead: { id: 'lex', name: 'l', role: 'team-lead', tenantId: 'other', teamId: 'search' },
  finance: { id: 'fin', name: 'f', role: 'finance' },
  tenantFinance: { id: 'fit', name: 'f', role: 'finance', tenantId: 'acme' },
  auditor: { id: 'aud', name: 'a', role: 'auditor' },
  foreignAuditor: { id: 'auf', name: 'a', role: 'auditor', tenantId: 'other' },
} as const satisfies Record<string, Principal>;
type Who = keyof typeof WHO;
const EVERYBODY = Object.keys(WHO);

interface Expectation {
  /** A request that concerns team search of tenant acme; made anew for each try. */
  readonly call: (governance: Governance) => Promise<Omit<Call, 'as'>>;
  /** All others are refused, and change nothing. */
  readonly allowed: readonly Who[];
}

const SCOPE = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const wish = { scope: SCOPE, dimension: 'nanoUsdPerMonth', reason: 'why' };
const allocation = { ...wish, kind: 'allocation', amount: '$1' };
let sequence = 0;

const post = (path: string, body: object) => async () => ({ method: 'POST', path, body });
const get =
  (path: string, query: Record<string, string> = {}) =>
  async () => ({ method: 'GET', path, query });

/** A finance person of acme, made by the root. */
async function somebody(governance: Governance): Promise<string> {
  sequence += 1;
  const id = `p${sequence}`;
  const body = { id, name: 'x', role: 'finance', tenantId: 'acme' };
  const { status } = await governance.call({ as: ROOT, method: 'POST', path: '/principals', body });
  expect(status).toBe(201);
  return id;
}

const withId = z.object({ override: z.object({ id: z.string() }) });
async function requested(governance: Governance, as: Principal = { ...ROOT, id: 'other-root' }) {
  const asked = { as, method: 'POST', path: '/overrides', body: allocation };
  return withId.parse((await governance.call(asked)).body).override.id;
}

const EXPECTED: Readonly<Record<string, Expectation>> = {
  listPrincipals: {
    call: get('/principals', { tenantId: 'acme' }),
    allowed: ['platform', 'admin', 'auditor'],
  },
  showPrincipal: {
    call: async (governance) => ({
      method: 'GET',
      path: `/principals/${await somebody(governance)}`,
    }),
    allowed: ['platform', 'admin', 'auditor'],
  },
  createPrincipal: {
    call: async () => {
      sequence += 1;
      const body = {
        id: `p${sequence}`,
        name: 'x',
        role: 'team-lead',
        tenantId: 'acme',
        teamId: 'search',
      };
      return { method: 'POST', path: '/principals', body };
    },
    allowed: ['platform', 'admin'],
  },
  rotatePrincipal: {
    call: async (governance) => ({
      method: 'POST',
      path: `/principals/${await somebody(governance)}/rotate`,
      body: {},
    }),
    allowed: ['platform', 'admin'],
  },
  revokePrincipal: {
    call: async (governance) => ({
      method: 'DELETE',
      path: `/principals/${await somebody(governance)}`,
    }),
    allowed: ['platform', 'admin'],
  },
  whoami: { call: get('/whoami'), allowed: Object.keys(WHO).filter(isWho) },
  /** They are all made below, so that each has a key to replace. */
  rotateOwnKey: { call: post('/whoami/rotate', {}), allowed: Object.keys(WHO).filter(isWho) },
  listOverrides: { call: get('/overrides'), allowed: Object.keys(WHO).filter(isWho) },
  requestOverride: { call: post('/overrides', allocation), allowed: ['platform', 'admin', 'lead'] },
  requestBudgetReset: {
    call: post('/budgets/reset', wish),
    allowed: ['platform', 'admin', 'lead'],
  },
  requestBudgetTransfer: {
    call: post('/budgets/transfer', {
      ...wish,
      amount: '$1',
      to: { kind: 'team', tenantId: 'acme', teamId: 'support' },
    }),
    // A lead does not give to another team, nor take from one.
    allowed: ['platform', 'admin'],
  },
  approveOverride: {
    call: async (governance) => ({
      method: 'POST',
      path: `/overrides/${await requested(governance)}/approve`,
      body: {},
    }),
    allowed: ['platform', 'admin'],
  },
  rejectOverride: {
    call: async (governance) => ({
      method: 'POST',
      path: `/overrides/${await requested(governance)}/reject`,
      body: {},
    }),
    allowed: ['platform', 'admin'],
  },
  withdrawOverride: {
    call: async (governance) => ({
      method: 'POST',
      path: `/overrides/${await requested(governance, WHO.lead)}/withdraw`,
      body: {},
    }),
    allowed: ['lead'],
  },
  listAuditRecords: {
    call: get('/audit', { tenantId: 'acme' }),
    allowed: ['platform', 'admin', 'auditor'],
  },
};

function isWho(name: string): name is Who {
  return name in WHO;
}

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
  )('%s by %s', async (operation, who, { call, allowed }) => {
    const request = await call(governance);
    const before = await governance.records();
    const answer = await governance.call({ ...request, as: WHO[who] });
    expect(answer.operation).toBe(operation);
    if (allowed.includes(who)) expect(answer.status).toBeLessThan(300);
    else {
      expect([403, 404]).toContain(answer.status);
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
