-- What was corrected or adjusted in the books of this month and the last, why, and for which month?
select
  booked_period,
  period as usage_period,
  entry_kind,
  reason,
  tenant_id,
  team_id,
  provider,
  count(*) as bookings,
  sum(requests) as requests,
  sum(cost_nano_usd) as cost_nano_usd,
  sum(cost_usd) as cost_usd
from spend
where booked_period >= date_format(current_date - interval '1' month, '%Y-%m')
  and (entry_kind <> 'call' or period <> booked_period)
group by 1, 2, 3, 4, 5, 6, 7
order by booked_period desc, usage_period, entry_kind, tenant_id, team_id, provider, reason
