-- What did each feature cost this month and the last, and which team runs it?
select
  booked_period,
  tenant_id,
  team_id,
  feature,
  sum(requests) as requests,
  sum(input_tokens) as input_tokens,
  sum(cached_input_tokens) as cached_input_tokens,
  sum(output_tokens) as output_tokens,
  sum(cost_nano_usd) as cost_nano_usd,
  sum(cost_usd) as cost_usd,
  sum(charged_usd) as charged_usd
from spend
where booked_period >= date_format(current_date - interval '1' month, '%Y-%m')
  and outcome <> 'denied'
group by 1, 2, 3, 4
order by booked_period desc, cost_nano_usd desc, tenant_id, team_id, feature
