-- How much of each team's spend went to premium models this month and the last, and what would the cheapest shared model have cost?
-- The same tokens at the present list prices of the table `prices`; whether the cheaper model would have done is for people to judge.
with used as (
  select
    booked_period,
    tenant_id,
    team_id,
    sum(cost_nano_usd) as cost_nano_usd,
    sum(case when tier = 'premium' then cost_nano_usd else 0 end) as premium_nano_usd,
    sum(case when tier = 'premium' then input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + audio_input_tokens else 0 end) as input_tokens,
    sum(case when tier = 'premium' then cached_input_tokens else 0 end) as cached_input_tokens,
    sum(case when tier = 'premium' then output_tokens + audio_output_tokens else 0 end) as output_tokens
  from spend
  where booked_period >= date_format(current_date - interval '1' month, '%Y-%m')
    and outcome <> 'denied'
  group by 1, 2, 3
),
alternatives as (
  select
    used.*,
    prices.alias as cheaper_alias,
    (
      input_tokens * input_micro_usd
      + cached_input_tokens * coalesce(cached_input_micro_usd, input_micro_usd)
      + output_tokens * output_micro_usd
    ) / 1000 as cheaper_nano_usd
  from used
  cross join prices
  where prices.tier = 'shared' and prices.is_first_route and premium_nano_usd > 0
),
cheapest as (
  select
    *,
    row_number() over (partition by booked_period, tenant_id, team_id order by cheaper_nano_usd, cheaper_alias) as place
  from alternatives
)
select
  booked_period,
  tenant_id,
  team_id,
  cast(cost_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as cost_usd,
  cast(premium_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as premium_usd,
  case when cost_nano_usd > 0 then premium_nano_usd * 100 / cost_nano_usd end as premium_percent,
  cheaper_alias,
  cast(cheaper_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as cheaper_usd,
  cast(premium_nano_usd - cheaper_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as difference_usd
from cheapest
where place = 1
order by booked_period desc, premium_nano_usd desc, tenant_id, team_id
