-- What was used and what did it cost in the last 32 days, over everything?
-- The reconciliation: equals what the accounts have settled and what the providers report.
with calls as (
  select
    *,
    row_number() over (
      partition by request_id
      order by estimated, attempts desc, duration_ms desc
    ) as copy
  from usage
  where dt >= date_format(current_date - interval '32' day, '%Y-%m-%d')
    and request_id is not null
)
select
  count(*) as requests,
  count(*) filter (where outcome = 'denied') as denied_requests,
  cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
  cast(coalesce(sum(cached_input_tokens), 0) as bigint) as cached_input_tokens,
  cast(coalesce(sum(cache_write_5m_tokens), 0) + coalesce(sum(cache_write_1h_tokens), 0) as bigint) as cache_write_tokens,
  cast(coalesce(sum(audio_input_tokens), 0) as bigint) as audio_input_tokens,
  cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
  cast(coalesce(sum(audio_output_tokens), 0) as bigint) as audio_output_tokens,
  cast(coalesce(sum(cost_nano_usd), 0) as bigint) as cost_nano_usd,
  cast(coalesce(sum(cost_nano_usd), 0) as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as cost_usd
from calls
where copy = 1
