-- How many tokens does a request of each feature take, in and out, and what does it cost?
-- Answered calls of the last 32 days.
select
  tenant_id,
  team_id,
  feature,
  model_alias,
  sum(requests) as requests,
  sum(input_tokens + cached_input_tokens + cache_write_5m_tokens + cache_write_1h_tokens + audio_input_tokens) / sum(requests) as input_tokens_mean,
  sum(output_tokens + audio_output_tokens) / sum(requests) as output_tokens_mean,
  approx_percentile(case when requests = 1 then input_tokens + cached_input_tokens end, 0.95) as input_tokens_p95,
  approx_percentile(case when requests = 1 then output_tokens end, 0.95) as output_tokens_p95,
  cast(sum(cost_nano_usd) / sum(requests) as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as cost_usd_mean
from spend
where booked_period >= date_format(current_date - interval '34' day, '%Y-%m')
  and usage_day >= current_date - interval '32' day
  and outcome = 'ok'
group by 1, 2, 3, 4
having sum(requests) > 0
order by requests desc, tenant_id, team_id, feature, model_alias
