-- Which calls of the last 32 days rest on a guess: no price, or tokens that no provider reported?
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
  model_alias,
  provider,
  model,
  outcome,
  price_version is null and provider is not null as unpriced,
  estimated,
  count(*) as requests,
  cast(sum(cost_nano_usd) as bigint) as cost_nano_usd,
  cast(sum(cost_nano_usd) as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as cost_usd
from calls
where copy = 1 and outcome <> 'denied' and (estimated or (price_version is null and provider is not null))
group by 1, 2, 3, 4, 5, 6
order by requests desc
