/** Who may do what: every operation of the admin API with a request for it, and who is allowed to make it. Written by hand. */
import { expect } from 'vitest';
import * as z from 'zod';
import type { Principal } from '../../../core/governance/principal.ts';
import { newRequestId } from '../../../core/ids.ts';
import { createAccounts } from '../../../core/limits/accounts.ts';
import { ROOT } from '../../support/control-plane.ts';
import { type Governance, POLICY } from '../../support/governance.ts';
import { objectRows } from './role-objects.ts';
import {
  ACME,
  ADMINS,
  ALL,
  type Expectation,
  get,
  given,
  isWho,
  LEADS,
  PLATFORM,
  post,
  READS_ALL,
  READS_TEAM,
  unused,
  WHO,
  type Who,
} from './role-people.ts';

const SCOPE = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const wish = { scope: SCOPE, dimension: 'nanoUsdPerMonth', reason: 'why' };
const allocation = { ...wish, kind: 'allocation', amount: '$1' };
/** A finance person of acme, made by the root. */
export async function somebody(governance: Governance): Promise<string> {
  const id = `p${unused()}`;
  const body = { id, name: 'x', role: 'finance', tenantId: 'acme' };
  const { status } = await governance.call({ as: ROOT, method: 'POST', path: '/principals', body });
  expect(status).toBe(201);
  return id;
}

const withId = z.object({ override: z.object({ id: z.string() }) });
export async function requested(
  governance: Governance,
  as: Principal = { ...ROOT, id: 'other-root' },
) {
  const asked = { as, method: 'POST', path: '/overrides', body: allocation };
  return withId.parse((await governance.call(asked)).body).override.id;
}
function policyRows(): Record<string, Expectation> {
  const file = (method: string, path: string, allowed: readonly Who[]): Expectation => ({
    call: async () => ({ method, path, body: POLICY }),
    allowed,
  });
  return {
    showPolicy: { call: get('/policy'), allowed: READS_ALL },
    planPolicy: file('POST', '/policy/plan', READS_ALL),
    // A file says everything of everybody; whoever has a part of it changes objects.
    applyPolicy: file('PUT', '/policy', PLATFORM),
    resumeRollout: { call: post('/policy/rollout', {}), allowed: PLATFORM },
  };
}

const NEW_KEY = { tenantId: 'acme', teamId: 'search', projectId: 'web', owner: 'x' };
const withKeyId = z.object({ keyId: z.string() });

function keyRows(): Record<string, Expectation> {
  const readers: readonly Who[] = [...LEADS, 'auditor'];
  const one = (method: string, part: string, allowed: readonly Who[]): Expectation => ({
    call: async (governance) => {
      const { keyId } = withKeyId.parse(await given(governance, 'POST', '/keys', NEW_KEY));
      return { method, path: `/keys/${keyId}${part}`, ...(part === '' ? {} : { body: {} }) };
    },
    allowed,
  });
  const whose = { tenantId: 'acme', teamId: 'search' };
  return {
    listKeys: { call: get('/keys', whose), allowed: readers },
    listUnusedKeys: { call: get('/keys/unused', whose), allowed: readers },
    createKey: { call: post('/keys', NEW_KEY), allowed: LEADS },
    showKey: one('GET', '', readers),
    rotateKey: one('POST', '/rotate', LEADS),
    suspendKey: one('POST', '/suspend', LEADS),
    resumeKey: one('POST', '/resume', LEADS),
    revokeKey: one('DELETE', '', LEADS),
    suspendTeam: { call: post(`${ACME}/teams/search/suspend`, {}), allowed: ADMINS },
    resumeTeam: { call: post(`${ACME}/teams/search/resume`, {}), allowed: ADMINS },
    suspendTenant: { call: post(`${ACME}/suspend`, {}), allowed: PLATFORM },
    resumeTenant: { call: post(`${ACME}/resume`, {}), allowed: PLATFORM },
  };
}

/** A call that runs under a key of team search. */
async function running({ store, clock, call }: Governance) {
  const made = await call({ as: ROOT, method: 'POST', path: '/keys', body: NEW_KEY });
  const { keyId } = withKeyId.parse(made.body);
  const requestId = newRequestId();
  const { kind } = await createAccounts({ store, clock }).reserve({
    requestId,
    alias: 'fast',
    demand: { nanoUsd: 1, inputTokens: 1, outputTokens: 1 },
    scopes: [{ scope: { kind: 'key', keyId }, limits: {} }],
    timeZone: 'UTC',
    holdSeconds: 900,
  });
  expect(kind).toBe('reserved');
  return { method: 'GET', path: `/requests/${requestId}`, query: { key: keyId } };
}

function ledgerRows(): Record<string, Expectation> {
  const invoice = '/invoices/own/0123456789abcdef';
  return {
    showClosedMonths: { call: get('/ledger/close'), allowed: READS_ALL },
    closeMonth: { call: post('/ledger/close', { period: '2026-10' }), allowed: PLATFORM },
    importInvoice: {
      call: async () => ({ method: 'PUT', path: '/invoices/nobody', body: '{}' }),
      allowed: PLATFORM,
      isMissing: true,
    },
    showInvoice: { call: get(invoice), allowed: READS_ALL, isMissing: true },
    approveInvoice: { call: post(`${invoice}/approve`, {}), allowed: PLATFORM, isMissing: true },
  };
}

export const EXPECTED: Readonly<Record<string, Expectation>> = {
  ...objectRows(),
  ...policyRows(),
  ...keyRows(),
  ...ledgerRows(),
  showDocument: { call: get('/openapi.json'), allowed: ALL },
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
      const body = {
        id: `p${unused()}`,
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
  /** Everybody may ask, and is shown what its reach holds (usage-routes.test.ts). */
  listUsage: { call: get('/usage'), allowed: ALL },
  showRequest: { call: running, allowed: READS_TEAM },
  listDenials: {
    call: get('/denials', { tenantId: 'acme', teamId: 'search' }),
    allowed: READS_TEAM,
  },
  showActivity: {
    call: get('/activity', { tenantId: 'acme', teamId: 'search' }),
    allowed: READS_TEAM,
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
