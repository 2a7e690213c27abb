-- Which teams and features grew most in the last seven whole days, against the seven before?
with weeks as (
  select
    tenant_id,
    team_id,
    feature,
    sum(case when usage_day >= current_date - interval '7' day then requests else 0 end) as requests,
    sum(case when usage_day < current_date - interval '7' day then requests else 0 end) as requests_before,
    sum(case when usage_day >= current_date - interval '7' day then cost_nano_usd else 0 end) as cost_nano_usd,
    sum(case when usage_day < current_date - interval '7' day then cost_nano_usd else 0 end) as cost_before_nano_usd
  from spend
  where booked_period >= date_format(current_date - interval '16' day, '%Y-%m')
    and usage_day >= current_date - interval '14' day
    and usage_day < current_date
    and outcome <> 'denied'
  group by 1, 2, 3
)
select
  tenant_id,
  team_id,
  feature,
  requests,
  requests_before,
  cast(cost_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as cost_usd,
  cast(cost_before_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as cost_before_usd,
  cast(cost_nano_usd - cost_before_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as growth_usd,
  case when cost_before_nano_usd > 0 then (cost_nano_usd - cost_before_nano_usd) * 100 / cost_before_nano_usd end as growth_percent
from weeks
where cost_nano_usd > cost_before_nano_usd
order by cost_nano_usd - cost_before_nano_usd desc, tenant_id, team_id, feature
limit 50
