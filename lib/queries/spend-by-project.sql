-- What did each project spend in each month of the last 32 days?
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
  period,
  tenant_id,
  team_id,
  project_id,
  count(*) as requests,
  cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
  cast(coalesce(sum(cached_input_tokens), 0) as bigint) as cached_input_tokens,
  cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
  cast(sum(cost_nano_usd) as bigint) as cost_nano_usd,
  cast(sum(cost_nano_usd) as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as cost_usd
from calls
where copy = 1 and outcome <> 'denied'
group by 1, 2, 3, 4
order by period desc, cost_nano_usd desc
