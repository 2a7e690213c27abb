-- How much of this month's budget is spent and left, and where does the month end at its pace so far?
-- Budgets count what providers take, as the gateway does when it refuses. Tenants, teams and projects; the pace is that of the whole days (UTC) before today. What is booked for earlier months comes once.
with spent as (
  select
    case when grouping(team_id) = 1 then 'tenant' when grouping(project_id) = 1 then 'team' else 'project' end as scope,
    coalesce(tenant_id, '') as tenant_id,
    coalesce(team_id, '') as team_id,
    coalesce(project_id, '') as project_id,
    sum(cost_nano_usd) as spent_nano_usd,
    sum(case when period < booked_period then cost_nano_usd else 0 end) as late_nano_usd,
    sum(case when period = booked_period and usage_day < current_date then cost_nano_usd else 0 end) as paced_nano_usd
  from spend
  where booked_period = date_format(current_date, '%Y-%m')
    and outcome <> 'denied'
  group by grouping sets ((tenant_id), (tenant_id, team_id), (tenant_id, team_id, project_id))
),
scopes as (
  select
    coalesce(spent.scope, budgets.scope) as scope,
    coalesce(spent.tenant_id, budgets.tenant_id) as tenant_id,
    coalesce(spent.team_id, budgets.team_id) as team_id,
    coalesce(spent.project_id, budgets.project_id) as project_id,
    budgets.monthly_budget_nano_usd as budget_nano_usd,
    coalesce(spent.spent_nano_usd, 0) as spent_nano_usd,
    case
      when day(current_date) > 1 then greatest(
        coalesce(spent_nano_usd, 0),
        coalesce(late_nano_usd, 0) + coalesce(paced_nano_usd, 0)
          * day(date_add('day', -1, date_add('month', 1, date_trunc('month', current_date))))
          / (day(current_date) - 1)
      )
    end as projected_nano_usd
  from spent
  full outer join budgets
    on budgets.scope = spent.scope
    and budgets.tenant_id = spent.tenant_id
    and budgets.team_id = spent.team_id
    and budgets.project_id = spent.project_id
)
select
  scope,
  tenant_id,
  team_id,
  project_id,
  cast(budget_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as budget_usd,
  cast(spent_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as spent_usd,
  cast(budget_nano_usd - spent_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as left_usd,
  cast(projected_nano_usd as decimal(28, 0)) * cast('0.000000001' as decimal(10, 9)) as projected_usd,
  case when budget_nano_usd > 0 then projected_nano_usd * 100 / budget_nano_usd end as projected_percent
from scopes
where budget_nano_usd is not null or spent_nano_usd <> 0
order by case scope when 'tenant' then 1 when 'team' then 2 else 3 end, spent_nano_usd desc, tenant_id, team_id, project_id
