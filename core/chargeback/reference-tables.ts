/**
 * What questions about money need besides the ledger, as small tables made from the policy in force: each scope's
 * budget, each route's list price. Decides their columns and rows; they say what is, never what was.
 */
import type { PolicySnapshot, Route, Team } from '../catalog/snapshot.ts';
import type { Column } from '../usage/event.ts';

export interface ReferenceTable {
  readonly description: string;
  readonly columns: readonly Column[];
  readonly rowsOf: (policy: PolicySnapshot) => readonly ReferenceRow[];
}

/** By column; what is not known is absent. */
export type ReferenceRow = Readonly<Record<string, string | number | boolean | undefined>>;

const text = (name: string): Column => ({ name, type: 'string' });
const amount = (name: string): Column => ({ name, type: 'bigint' });

/** By the table's name in Glue. */
export const REFERENCE_TABLES = {
  budgets: {
    description: 'The monthly budget of each tenant, team and project in the policy in force',
    columns: [
      text('scope'),
      text('tenant_id'),
      text('team_id'),
      text('project_id'),
      text('owner'),
      text('cost_center'),
      amount('monthly_budget_nano_usd'),
      amount('policy_version'),
    ],
    rowsOf: budgetRows,
  },
  prices: {
    description:
      'The prices of each route in the policy in force, micro-dollars per million tokens; free routes have none',
    columns: [
      text('alias'),
      text('tier'),
      text('provider'),
      text('model'),
      { name: 'is_first_route', type: 'boolean' },
      amount('input_micro_usd'),
      amount('cached_input_micro_usd'),
      amount('cache_write_5m_micro_usd'),
      amount('cache_write_1h_micro_usd'),
      amount('output_micro_usd'),
      text('price_version'),
      amount('policy_version'),
    ],
    rowsOf: priceRows,
  },
} as const satisfies Record<string, ReferenceTable>;

/** Below the lake's bucket; one file, replaced whole. */
export function referencePrefix(table: string): string {
  return `${REFERENCE_PREFIX}${table}/`;
}

export const REFERENCE_PREFIX = 'reference/';

/** Ids that a scope has not are empty, as the questions' joins want them. */
function budgetRows(policy: PolicySnapshot): readonly ReferenceRow[] {
  const none = { team_id: '', project_id: '', policy_version: policy.version };
  const tenants = Object.entries(policy.tenants ?? {}).map(([tenantId, { limits }]) => ({
    ...none,
    scope: 'tenant',
    tenant_id: tenantId,
    monthly_budget_nano_usd: limits.nanoUsdPerMonth,
  }));
  const teams = Object.values(policy.teams).map((team) => ({
    ...none,
    ...ownerOf(team),
    scope: 'team',
    tenant_id: team.tenantId,
    team_id: team.id,
    monthly_budget_nano_usd: team.limits.nanoUsdPerMonth,
  }));
  const projects = policy.projects.map(({ id, tenantId, teamId }) => ({
    ...none,
    scope: 'project',
    tenant_id: tenantId,
    team_id: teamId,
    project_id: id,
    monthly_budget_nano_usd: policy.tenants?.[tenantId]?.projectLimits[id]?.nanoUsdPerMonth,
  }));
  return [...tenants, ...teams, ...projects];
}

function ownerOf({ owner, costCenter }: Team): ReferenceRow {
  return { owner, cost_center: costCenter };
}

function priceRows(policy: PolicySnapshot): readonly ReferenceRow[] {
  return Object.values(policy.models).flatMap(({ alias, tier, routes }) =>
    routes.flatMap((route, index) =>
      route.price === undefined
        ? []
        : {
            alias,
            tier,
            provider: route.provider,
            model: route.model,
            is_first_route: index === 0,
            ...pricesOf(route.price),
            policy_version: policy.version,
          },
    ),
  );
}

function pricesOf(price: NonNullable<Route['price']>): ReferenceRow {
  return {
    input_micro_usd: price.input,
    cached_input_micro_usd: price.cachedInput,
    cache_write_5m_micro_usd: price.cacheWrite5m,
    cache_write_1h_micro_usd: price.cacheWrite1h,
    output_micro_usd: price.output,
    price_version: price.version,
  };
}
