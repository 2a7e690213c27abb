-- What did calls cost this month and the last that nobody got a whole answer from: failed, cancelled and expired ones?
select
  booked_period,
  tenant_id,
  team_id,
  outcome,
  error_code,
  provider,
  sum(requests) as requests,
  sum(output_tokens) as output_tokens,
  sum(cost_nano_usd) as cost_nano_usd,
  sum(cost_usd) as cost_usd
from spend
where booked_period >= date_format(current_date - interval '1' month, '%Y-%m')
  and outcome in ('error', 'cancelled', 'expired')
group by 1, 2, 3, 4, 5, 6
having sum(requests) <> 0 or sum(cost_nano_usd) <> 0
order by booked_period desc, cost_nano_usd desc, requests desc, tenant_id, team_id
