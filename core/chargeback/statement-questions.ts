/** The SQL behind statements. Periods and days are checked texts of ours; no name of a caller's stands in it. */
import type { Period } from '../ledger/closed-months.ts';

export const PERIOD = /^\d{4}-(0[1-9]|1[0-2])$/;

/** What a month's statement is made of; the named query `chargeback-statement` asks the same of last month. */
export function monthLines(booked: string): string {
  return `select
  booked_period,
  period as usage_period,
  tenant_id,
  cost_center,
  team_id,
  project_id,
  provider,
  model,
  sum(requests) as requests,
  sum(input_tokens + cached_input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + audio_input_tokens) as input_tokens,
  sum(output_tokens + audio_output_tokens) as output_tokens,
  sum(cost_nano_usd) as cost_nano_usd,
  sum(discount_nano_usd) as discount_nano_usd,
  sum(margin_nano_usd) as margin_nano_usd,
  sum(charged_nano_usd) as charged_nano_usd,
  sum(cost_usd) as cost_usd,
  sum(charged_usd) as charged_usd
from spend
where booked_period = ${booked}
  and outcome <> 'denied'
group by 1, 2, 3, 4, 5, 6, 7, 8
order by tenant_id, cost_center, team_id, project_id, charged_nano_usd desc, usage_period, provider, model
`;
}

/** Day and nano-dollars, of the month's own calls. */
export function monthDays(period: Period): string {
  return `select usage_day, sum(charged_nano_usd)
from spend
where booked_period = '${period}' and period = booked_period and outcome <> 'denied'
group by 1
order by 1`;
}

/** Days `YYYY-MM-DD`, both inclusive. */
export interface Days {
  readonly from: string;
  readonly to: string;
}

/** Tenant, team, feature, model, day, requests and nano-dollars. */
export function dailyUse({ from, to }: Days): string {
  // A day of the policy's time zone may lie in the month before the day's own in UTC.
  const before = new Date(Date.parse(`${from}T00:00:00Z`) - 2 * 86_400_000).toISOString();
  return `select tenant_id, team_id, feature, model_alias, usage_day, sum(requests), sum(charged_nano_usd)
from spend
where booked_period >= '${before.slice(0, 7)}'
  and usage_day >= date '${from}' and usage_day <= date '${to}'
  and team_id is not null and outcome <> 'denied'
group by 1, 2, 3, 4, 5
order by 1, 2, 3, 4, 5`;
}

/** Tenant, team and nano-dollars at the providers' prices, which budgets count. */
export function teamsInMonth(period: Period): string {
  return `select tenant_id, team_id, sum(cost_nano_usd)
from spend
where booked_period = '${period}' and team_id is not null and outcome <> 'denied'
group by 1, 2`;
}
