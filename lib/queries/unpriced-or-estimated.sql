-- Which calls of the last 32 days rest on a guess: no price, or tokens that no provider reported?
select
  tenant_id,
  model_alias,
  provider,
  model,
  outcome,
  unpriced,
  estimated,
  sum(requests) as requests,
  sum(cost_nano_usd) as cost_nano_usd,
  sum(cost_usd) as cost_usd
from spend
where booked_period >= date_format(current_date - interval '34' day, '%Y-%m')
  and usage_day >= current_date - interval '32' day
  and outcome <> 'denied'
  and (estimated or unpriced)
group by 1, 2, 3, 4, 5, 6, 7
having sum(requests) <> 0 or sum(cost_nano_usd) <> 0
order by requests desc, tenant_id, model_alias
