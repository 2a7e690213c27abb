-- How fast were answers for each tenant in the last seven days, to the first token and to the last, and how many calls failed?
-- Percentiles are of answered calls. Rows of expired holds know no times and count as failed.
select
  tenant_id,
  model_alias,
  sum(requests) as requests,
  sum(case when outcome in ('error', 'expired') then requests else 0 end) as failed_requests,
  sum(case when outcome in ('error', 'expired') then requests else 0 end) * 10000 / sum(requests) as failed_per_10000,
  approx_percentile(case when outcome = 'ok' and requests = 1 then ttft_ms end, 0.5) as ttft_ms_p50,
  approx_percentile(case when outcome = 'ok' and requests = 1 then ttft_ms end, 0.95) as ttft_ms_p95,
  approx_percentile(case when outcome = 'ok' and requests = 1 then ttft_ms end, 0.99) as ttft_ms_p99,
  approx_percentile(case when outcome = 'ok' and requests = 1 then duration_ms end, 0.5) as duration_ms_p50,
  approx_percentile(case when outcome = 'ok' and requests = 1 then duration_ms end, 0.95) as duration_ms_p95,
  approx_percentile(case when outcome = 'ok' and requests = 1 then duration_ms end, 0.99) as duration_ms_p99,
  approx_percentile(case when outcome = 'ok' and requests = 1 then overhead_ms end, 0.99) as overhead_ms_p99
from spend
where booked_period >= date_format(current_date - interval '9' day, '%Y-%m')
  and usage_day >= current_date - interval '7' day
  and outcome <> 'denied'
group by 1, 2
having sum(requests) > 0
order by tenant_id, requests desc, model_alias
