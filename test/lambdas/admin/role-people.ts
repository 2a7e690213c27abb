/** Who tries, what they may see and change, and what their requests are made of. */
import type { Principal } from '../../../core/governance/principal.ts';
import { ROOT } from '../../support/control-plane.ts';
import type { Call, Governance } from '../../support/governance.ts';

export const WHO = {
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
export type Who = keyof typeof WHO;
export interface Expectation {
  /** A request that concerns team search of tenant acme; made anew for each try. */
  readonly call: (governance: Governance) => Promise<Omit<Call, 'as'>>;
  /** All others are refused, and change nothing. */
  readonly allowed: readonly Who[];
  /** What is asked for is not there: who may ask is told so, and all others that they may not. */
  readonly isMissing?: true;
}

let sequence = 0;
export function unused(): number {
  sequence += 1;
  return sequence;
}

export const post = (path: string, body: object) => async () => ({ method: 'POST', path, body });
export const get =
  (path: string, query: Record<string, string> = {}) =>
  async () => ({ method: 'GET', path, query });

export const ALL = Object.keys(WHO).filter(isWho);
/** Who is not bound to a tenant; who sees all of acme; who sees team search. */
export const READS_ALL: readonly Who[] = ['platform', 'finance', 'auditor'];
export const READS_TENANT: readonly Who[] = [...READS_ALL, 'admin', 'tenantFinance'];
export const READS_TEAM: readonly Who[] = [...READS_TENANT, 'lead'];
export const PLATFORM: readonly Who[] = ['platform'];
export const ADMINS: readonly Who[] = ['platform', 'admin'];
export const LEADS: readonly Who[] = [...ADMINS, 'lead'];

export const ACME = '/tenants/acme';
export const next = (): string => `n${unused()}`;
/** A limit that differs from any before, and is within what the team and the tenant have. */
export const someLimits = () => ({
  requests_per_minute: 100_000 - unused(),
  monthly_budget: '$10',
});

/** What the root does before somebody tries. */
export async function given(governance: Governance, method: string, path: string, body: object) {
  const { status, body: said } = await governance.call({ as: ROOT, method, path, body });
  if (status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(said)}`);
  return said;
}

export function isWho(name: string): name is Who {
  return name in WHO;
}
