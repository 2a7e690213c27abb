-- Who changed what of the governance in the last 32 days, when, from where, and why?
select
  changed_at,
  principal_id,
  principal_name,
  role,
  source_ip,
  via,
  operation,
  object,
  tenant_id,
  team_id,
  before,
  after,
  reason,
  policy_version,
  request_id
from audit
where dt >= date_format(current_date - interval '32' day, '%Y-%m-%d')
order by changed_at desc, id
