-- Which team was refused in the last 32 days, by which limit, for which model, and how often?
with calls as (
  select
    *,
    row_number() over (
      partition by request_id
      order by estimated, attempts desc, duration_ms desc
    ) as copy
  from usage
  where dt >= date_format(current_date - interval '32' day, '%Y-%m-%d')
)
select
  tenant_id,
  team_id,
  denied_scope,
  denied_dimension,
  model_alias,
  count(*) as denied_requests,
  min(event_time_ms) as first_denied_ms,
  max(event_time_ms) as last_denied_ms
from calls
where copy = 1 and outcome = 'denied'
group by 1, 2, 3, 4, 5
order by denied_requests desc
