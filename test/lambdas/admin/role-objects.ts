/** Who may do what with the objects of the policy. */

import type { Governance } from '../../support/governance.ts';
import {
  ACME,
  ADMINS,
  ALL,
  type Expectation,
  get,
  given,
  LEADS,
  next,
  PLATFORM,
  READS_ALL,
  READS_TEAM,
  READS_TENANT,
  someLimits,
  unused,
  type Who,
} from './role-people.ts';

interface Rows {
  readonly kind: string;
  readonly plural?: string;
  /** Below which a new one is made, and what it is. */
  readonly under: string;
  readonly value: () => object;
  /** Of a part that its owner has once: its address below that of the owner. */
  readonly part?: string;
  readonly sees: readonly Who[];
  readonly changes: readonly Who[];
}

const TEAM_VALUE = () => ({ owner: 'x', limits: { monthly_budget: '$100' } });
const PROJECT_VALUE = () => ({ team: 'search', limits: { monthly_budget: '$20' } });
const KEY_VALUE = () => ({ project: 'web', owner: 'x', limits: { monthly_budget: '$20' } });
const MODEL_VALUE = () => ({
  tier: 'shared',
  context_tokens: 1_000 + unused(),
  max_output_tokens: 100,
  default_max_output_tokens: 10,
  routes: [{ provider: 'own', model: 'llama', free: true }],
});
const PROVIDER_VALUE = () => ({ kind: 'vllm', base_url: `http://vllm${unused()}.internal:8000` });
const CHANNEL_VALUE = () => ({ email: `ops${unused()}@example.com` });

const OBJECTS: readonly Rows[] = [
  {
    kind: 'Team',
    plural: 'Teams',
    under: `${ACME}/teams`,
    value: () => ({ ...TEAM_VALUE(), owner: `o${unused()}` }),
    sees: READS_TENANT,
    changes: ADMINS,
  },
  {
    kind: 'Project',
    plural: 'Projects',
    under: `${ACME}/projects`,
    value: () => ({ ...PROJECT_VALUE(), limits: someLimits() }),
    sees: READS_TEAM,
    changes: LEADS,
  },
  {
    kind: 'DeclaredKey',
    plural: 'DeclaredKeys',
    under: `${ACME}/declared-keys`,
    value: () => ({ ...KEY_VALUE(), owner: `o${unused()}` }),
    sees: READS_TEAM,
    changes: LEADS,
  },
  {
    kind: 'Model',
    plural: 'Models',
    under: '/models',
    value: MODEL_VALUE,
    sees: ALL,
    changes: PLATFORM,
  },
  {
    kind: 'Provider',
    plural: 'Providers',
    under: '/providers',
    value: PROVIDER_VALUE,
    sees: READS_ALL,
    changes: PLATFORM,
  },
  {
    kind: 'AlertChannel',
    plural: 'AlertChannels',
    under: '/alert-channels',
    value: CHANNEL_VALUE,
    sees: READS_ALL,
    changes: PLATFORM,
  },
  {
    kind: 'TeamLimits',
    under: `${ACME}/teams`,
    value: TEAM_VALUE,
    part: 'limits',
    sees: READS_TENANT,
    changes: ADMINS,
  },
  {
    kind: 'TeamTierLimits',
    under: `${ACME}/teams`,
    value: () => ({ ...TEAM_VALUE(), tier_limits: { shared: { monthly_budget: '$20' } } }),
    part: 'tier-limits/shared',
    sees: READS_TENANT,
    changes: ADMINS,
  },
  {
    kind: 'ProjectLimits',
    under: `${ACME}/projects`,
    value: PROJECT_VALUE,
    part: 'limits',
    sees: READS_TEAM,
    changes: LEADS,
  },
  {
    kind: 'DeclaredKeyLimits',
    under: `${ACME}/declared-keys`,
    value: KEY_VALUE,
    part: 'limits',
    sees: READS_TEAM,
    changes: LEADS,
  },
  {
    kind: 'ProviderLimits',
    under: '/providers',
    value: () => ({ ...PROVIDER_VALUE(), limits: { requests_per_minute: 5_000 } }),
    part: 'limits',
    sees: READS_ALL,
    changes: PLATFORM,
  },
];

/** Every operation on objects. */
export function objectRows(): Record<string, Expectation> {
  const rows: Record<string, Expectation> = {};
  for (const { kind, plural, under, value, part, sees, changes } of OBJECTS) {
    const made = async (governance: Governance) => {
      const path = `${under}/${next()}`;
      await given(governance, 'PUT', path, value());
      return part === undefined ? path : `${path}/${part}`;
    };
    const body = () => (part === undefined ? value() : someLimits());
    let shared: Promise<string> | undefined;
    const row = (method: string, allowed: readonly Who[], sent?: () => object): Expectation => ({
      async call(governance) {
        // What is removed is made for the try; all others share one.
        shared ??= made(governance);
        const path = method === 'DELETE' ? await made(governance) : await shared;
        return { method, path, body: sent?.() };
      },
      allowed,
    });
    rows[`show${kind}`] = row('GET', sees);
    rows[`put${kind}`] = row('PUT', changes, body);
    rows[`patch${kind}`] = row('PATCH', changes, body);
    rows[`delete${kind}`] = row('DELETE', changes);
    if (plural !== undefined) {
      const isTenants = under.startsWith(ACME);
      const allowed = isTenants ? ALL.filter((who) => !who.startsWith('foreign')) : ALL;
      rows[`list${plural}`] = { call: get(under), allowed };
    }
  }
  return { ...rows, ...tenantRows() };
}

/** Of tenant acme itself, whose principals all others are. */
function tenantRows(): Record<string, Expectation> {
  const tenant = async (governance: Governance) => {
    const path = `/tenants/${next()}`;
    await given(governance, 'PUT', path, { limits: someLimits(), teams: { a: { owner: 'x' } } });
    return path;
  };
  const one = (method: string, part = '', body?: () => object): Expectation => ({
    call: async (governance) => ({
      method,
      path: `${await tenant(governance)}${part}`,
      body: body?.(),
    }),
    allowed: PLATFORM,
  });
  const limits = `${ACME}/limits`;
  const own = (method: string): Expectation => ({
    call: async () => ({
      method,
      path: limits,
      body: { monthly_budget: '$1K', tokens_per_minute: 1_000_000 + unused() },
    }),
    allowed: PLATFORM,
  });
  return {
    listTenants: { call: get('/tenants'), allowed: ALL },
    showTenant: { call: get(ACME), allowed: READS_TENANT },
    putTenant: one('PUT', '', () => ({ teams: { a: { owner: `o${unused()}` } } })),
    patchTenant: {
      call: async () => ({
        method: 'PATCH',
        path: ACME,
        body: { soft_limits: { monthly_budget: `$${unused()}` } },
      }),
      allowed: PLATFORM,
    },
    deleteTenant: one('DELETE'),
    showTenantLimits: { call: get(limits), allowed: READS_TENANT },
    putTenantLimits: own('PUT'),
    patchTenantLimits: own('PATCH'),
    deleteTenantLimits: one('DELETE', '/limits'),
  };
}
