-- What was spent on each day (UTC) of the last 32 days?
-- A correction counts on the day of its call, whichever month it is booked in.
select
  usage_day,
  sum(requests) as requests,
  sum(input_tokens) as input_tokens,
  sum(cached_input_tokens) as cached_input_tokens,
  sum(output_tokens) as output_tokens,
  sum(cost_nano_usd) as cost_nano_usd,
  sum(cost_usd) as cost_usd,
  sum(charged_usd) as charged_usd
from spend
where booked_period >= date_format(current_date - interval '34' day, '%Y-%m')
  and usage_day >= current_date - interval '32' day
  and outcome <> 'denied'
group by 1
order by usage_day desc
