/** Two tenants in October and November 2026, small enough to add up by hand. Today is the 20th of November. */
import type { Booking, SpendLake } from './spend-lake.ts';

export const TODAY = '2026-11-20';

const MILLION = 1_000_000;
const at = (day: string) => ({ event_time_ms: Date.parse(`${day}T12:00:00Z`) });
/** Dollars of three decimals. */
const usd = (amount: number) => Math.round(amount * 1000) * MILLION;
const tokens = (
  input: number,
  cached: number,
  output: number,
): Pick<Booking, 'input_tokens' | 'cached_input_tokens' | 'output_tokens'> => ({
  input_tokens: input,
  cached_input_tokens: cached,
  output_tokens: output,
});

const small = { model_alias: 'small', provider: 'openai', model: 'gpt-5-mini', tier: 'shared' };
const large = { model_alias: 'large', provider: 'openai', model: 'gpt-5', tier: 'premium' };
const claude = {
  model_alias: 'claude',
  provider: 'anthropic',
  model: 'claude-sonnet-5',
  tier: 'premium',
};
const search = { team_id: 'search', project_id: 'web', cost_center: 'CC-1', feature: 'answers' };
const support = { team_id: 'support', project_id: 'bot', cost_center: 'CC-2', feature: 'replies' };
const lab = { ...small, tenant_id: 'globex', team_id: 'lab', project_id: 'lab' };
const nothing = { ...tokens(0, 0, 0), cost_nano_usd: 0 };
const denied = {
  ...support,
  ...small,
  ...nothing,
  outcome: 'denied',
  status: 429,
  provider: null,
  model: null,
  denied_scope: 'team:support',
  denied_dimension: 'requestsPerMinute',
} as const;
/** What is held for a call whose process died, and what the call really was. */
const expired = {
  ...lab,
  ...at('2026-11-14'),
  ...tokens(20 * MILLION, 0, 0),
  cost_nano_usd: usd(5),
  outcome: 'expired',
  estimated: true,
  duration_ms: 0,
  ttft_ms: null,
} as const;

const BOOKINGS: readonly Booking[] = [
  // This month, on two models, one of them with a discount of 20 % and a margin of 10 %.
  {
    entry_id: 'r1',
    ...search,
    ...small,
    ...at('2026-11-20'),
    ...tokens(MILLION, 0, 100_000),
    cost_nano_usd: usd(0.45),
    user_id: 'ann',
    customer_id: 'c-1',
  },
  {
    entry_id: 'r2',
    ...search,
    ...small,
    ...at('2026-11-10'),
    ...tokens(MILLION, MILLION, 0),
    cost_nano_usd: usd(0.275),
    user_id: 'ben',
    customer_id: 'c-1',
  },
  {
    entry_id: 'r3',
    ...search,
    ...large,
    ...at('2026-11-12'),
    ...tokens(MILLION, 0, 100_000),
    cost_nano_usd: usd(2.25),
    discount_percent: 20,
    margin_percent: 10,
    billed_nano_usd: usd(1.98),
    project_id: 'evaluation',
    feature: 'evaluation',
    user_id: 'ann',
  },
  {
    entry_id: 'r4',
    ...support,
    ...claude,
    ...at('2026-11-19'),
    ...tokens(0, MILLION, 10_000),
    cache_write_5m_tokens: 100_000,
    cache_write_1h_tokens: 100_000,
    cost_nano_usd: usd(1.425),
    user_id: 'cleo',
    customer_id: 'c-2',
  },
  { entry_id: 'r5', ...denied, ...at('2026-11-18') },
  { entry_id: 'r6', ...denied, ...at('2026-11-18') },
  // Calls that ended badly, and one without a price.
  {
    entry_id: 'r7',
    ...lab,
    ...at('2026-11-15'),
    ...nothing,
    outcome: 'error',
    status: 502,
    error_code: 'upstream_failed',
  },
  {
    entry_id: 'r8',
    ...lab,
    ...at('2026-11-16'),
    ...tokens(0, 0, 50_000),
    cost_nano_usd: usd(0.1),
    outcome: 'cancelled',
    status: 499,
  },
  { entry_id: 'r9', ...lab, ...at('2026-11-16'), ...nothing, price_version: null },
  // Posted at what was held when its process died; the truth came later.
  { entry_id: 'r10', ...expired },
  {
    entry_id: 'r10/c1-',
    entry_kind: 'correction',
    reason: 'a better copy arrived: taken back',
    ...expired,
    ...tokens(-20 * MILLION, 0, 0),
    cost_nano_usd: usd(-5),
  },
  {
    entry_id: 'r10/c1+',
    entry_kind: 'correction',
    reason: 'a better copy arrived',
    ...lab,
    ...at('2026-11-14'),
    ...tokens(MILLION, 0, 25_000),
    cost_nano_usd: usd(0.3),
  },
  // October, and what came for it when it was closed.
  {
    entry_id: 'r11',
    ...search,
    ...small,
    ...at('2026-10-15'),
    ...tokens(4 * MILLION, 0, 0),
    cost_nano_usd: usd(1),
    period: '2026-10',
    user_id: 'ann',
  },
  {
    entry_id: 'r12',
    ...search,
    ...small,
    ...at('2026-10-31'),
    ...tokens(200_000, 0, 0),
    cost_nano_usd: usd(0.05),
    period: '2026-10',
    booked_period: '2026-11',
    user_id: 'ben',
  },
  {
    entry_id: 'invoice/openai/2026-10',
    entry_kind: 'adjustment',
    reason: 'invoice of openai for 2026-10',
    ...at('2026-10-31'),
    ...tokens(0, 0, 0),
    request_id: null,
    outcome: null,
    team_id: null,
    project_id: null,
    model_alias: null,
    model: null,
    tier: null,
    price_version: null,
    cost_nano_usd: usd(-0.02),
    period: '2026-10',
    booked_period: '2026-11',
  },
];

export async function bookCompany(lake: SpendLake): Promise<void> {
  const route = { is_first_route: true, price_version: 'v1', policy_version: 1 };
  lake.refer('prices', [
    {
      ...route,
      alias: 'small',
      tier: 'shared',
      provider: 'openai',
      model: 'gpt-5-mini',
      input_micro_usd: 250_000,
      cached_input_micro_usd: 25_000,
      output_micro_usd: 2_000_000,
    },
    {
      ...route,
      alias: 'large',
      tier: 'premium',
      provider: 'openai',
      model: 'gpt-5',
      input_micro_usd: 1_250_000,
      cached_input_micro_usd: 125_000,
      output_micro_usd: 10_000_000,
    },
    {
      ...route,
      alias: 'claude',
      tier: 'premium',
      provider: 'anthropic',
      model: 'claude-sonnet-5',
      input_micro_usd: 3_000_000,
      cached_input_micro_usd: 300_000,
      cache_write_5m_micro_usd: 3_750_000,
      cache_write_1h_micro_usd: 6_000_000,
      output_micro_usd: 15_000_000,
    },
  ]);
  const scope = { team_id: '', project_id: '', policy_version: 1 };
  lake.refer('budgets', [
    { ...scope, scope: 'tenant', tenant_id: 'acme', monthly_budget_nano_usd: usd(10) },
    {
      ...scope,
      scope: 'team',
      tenant_id: 'acme',
      team_id: 'search',
      monthly_budget_nano_usd: usd(4),
    },
    {
      ...scope,
      scope: 'team',
      tenant_id: 'acme',
      team_id: 'quiet',
      monthly_budget_nano_usd: usd(1),
    },
    { ...scope, scope: 'team', tenant_id: 'acme', team_id: 'support' },
  ]);
  await lake.book(BOOKINGS);
}
