-- Which team was refused in the last 32 days, by which limit, for which model, and how often?
select
  tenant_id,
  team_id,
  denied_scope,
  denied_dimension,
  model_alias,
  sum(requests) as denied_requests,
  min(event_time_ms) as first_denied_ms,
  max(event_time_ms) as last_denied_ms
from spend
where booked_period >= date_format(current_date - interval '34' day, '%Y-%m')
  and usage_day >= current_date - interval '32' day
  and outcome = 'denied'
group by 1, 2, 3, 4, 5
order by denied_requests desc, tenant_id, team_id
