-- What is each cost center charged for last month, from the provider's price over discount and margin to the amount due?
-- Bookings that came late for a month that was closed stand in lines of their own, under the month they are for.
select
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
where booked_period = date_format(current_date - interval '1' month, '%Y-%m')
  and outcome <> 'denied'
group by 1, 2, 3, 4, 5, 6, 7, 8
order by tenant_id, cost_center, team_id, project_id, charged_nano_usd desc, usage_period, provider, model
