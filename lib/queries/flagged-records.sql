-- Which raw records of the last 32 days need a look: of a version that nobody books yet, without a request, or of a clock that disagrees with their arrival?
-- Kept as they came. The ledger books late ones and those of a wrong clock at night, and those of a later version once its writer knows it.
with records as (
  select
    *,
    date_diff('day', date '1970-01-01', cast(dt as date)) * 86400000 + cast(hour as bigint) * 3600000 as arrived_hour_ms
  from usage
  where dt >= date_format(current_date - interval '32' day, '%Y-%m-%d')
),
flagged as (
  select
    *,
    case
      when schema_version > 2 then 'unknown version'
      when request_id is null then 'no request'
      when event_time_ms > arrived_hour_ms + 3900000 then 'begins after its arrival'
      when event_time_ms < arrived_hour_ms - 86400000 then 'more than a day late'
    end as flag
  from records
)
select
  flag,
  dt,
  hour,
  request_id,
  tenant_id,
  team_id,
  schema_version,
  event_time_ms,
  outcome,
  cost_nano_usd
from flagged
where flag is not null
order by flag, dt desc, hour desc, request_id
limit 1000
