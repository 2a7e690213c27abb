-- What did prompt caching save each team this month and the last, after what writing the cache cost?
-- At the present list prices of the table `prices`; models without a price for cached input save nothing.
with used as (
  select
    booked_period,
    tenant_id,
    team_id,
    provider,
    model,
    sum(input_tokens) as input_tokens,
    sum(cached_input_tokens) as cached_input_tokens,
    sum(cache_write_5m_tokens) as cache_write_5m_tokens,
    sum(cache_write_1h_tokens) as cache_write_1h_tokens,
    sum(cost_usd) as cost_usd
  from spend
  where booked_period >= date_format(current_date - interval '1' month, '%Y-%m')
    and outcome <> 'denied'
  group by 1, 2, 3, 4, 5
),
listed as (
  select
    provider,
    model,
    min(input_micro_usd) as input_micro_usd,
    min(cached_input_micro_usd) as cached_input_micro_usd,
    min(cache_write_5m_micro_usd) as cache_write_5m_micro_usd,
    min(cache_write_1h_micro_usd) as cache_write_1h_micro_usd
  from prices
  group by 1, 2
),
saved as (
  select
    used.*,
    (
      cached_input_tokens * (input_micro_usd - coalesce(cached_input_micro_usd, input_micro_usd))
      - cache_write_5m_tokens * (coalesce(cache_write_5m_micro_usd, input_micro_usd) - input_micro_usd)
      - cache_write_1h_tokens * (coalesce(cache_write_1h_micro_usd, input_micro_usd) - input_micro_usd)
    ) / 1000 as saved_nano_usd
  from used
  join listed on listed.provider = used.provider and listed.model = used.model
)
select
  booked_period,
  tenant_id,
  team_id,
  provider,
  model,
  cached_input_tokens,
  case
    when input_tokens + cached_input_tokens > 0 then cached_input_tokens * 100 / (input_tokens + cached_input_tokens)
  end as cached_percent,
  cost_usd,
  cast(saved_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as saved_usd
from saved
order by booked_period desc, saved_nano_usd desc, tenant_id, team_id, provider, model
