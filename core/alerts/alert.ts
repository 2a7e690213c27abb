/**
 * An alert as people are told it: read from whatever the bus carries, in one shape for all kinds. Sends nothing and decides
 * nothing; core/alerts/messages.ts writes it down, core/alerts/channels.ts says who gets it.
 */
import * as z from 'zod/mini';
import { ALERT_DETAIL_TYPE } from '../names.ts';
import { type IncidentEvent, incidentEventSchema } from './event-schema.ts';

const facts = z.record(z.string(), z.union([z.string(), z.number()]));

export const alertSchema = z.object({
  /** A detector's, or `budget`, `soft-limit`, `books-differ`. */
  kind: z.string(),
  severity: z.enum(['info', 'warning', 'critical']),
  state: z.enum(['opened', 'worsened', 'closed']),
  tenant: z.optional(z.string()),
  team: z.optional(z.string()),
  owner: z.string(),
  /** ISO 8601, or the month of a budget. */
  since: z.string(),
  /** Whom or what it is about. */
  about: z.string(),
  /** One sentence. */
  summary: z.string(),
  numbers: facts,
  runbook: z.string(),
  command: z.string(),
  /** The same for every copy of one alert. */
  deduplicationId: z.string(),
});
export type Alert = z.infer<typeof alertSchema>;

const budgetSchema = z.object({
  scope: z.string(),
  tenantId: z.optional(z.string()),
  teamId: z.optional(z.string()),
  owner: z.string(),
  period: z.string(),
  thresholdPercent: z.number(),
  spentUsd: z.string(),
  limitUsd: z.string(),
  deduplicationId: z.string(),
});

const softLimitSchema = z.object({
  scope: z.string(),
  tenantId: z.string(),
  teamId: z.string(),
  owner: z.string(),
  dimension: z.string(),
  limit: z.string(),
  used: z.string(),
  time: z.string(),
  deduplicationId: z.string(),
});

const booksSchema = z.object({
  scope: z.string(),
  period: z.string(),
  verdict: z.string(),
  differenceUsd: z.string(),
  differenceTokens: z.number(),
  explanation: z.string(),
  requests: z.string(),
  time: z.string(),
});

/** Throws for what is no alert of ours: a defect of the sender, which has to be seen. */
export function readAlert(detailType: string, detail: unknown): Alert {
  switch (detailType) {
    case ALERT_DETAIL_TYPE.incident:
      return ofIncident(incidentEventSchema.parse(detail));
    case ALERT_DETAIL_TYPE.budget:
      return ofBudget(budgetSchema.parse(detail));
    case ALERT_DETAIL_TYPE.softLimit:
      return ofSoftLimit(softLimitSchema.parse(detail));
    case ALERT_DETAIL_TYPE.booksDiffer:
      return ofBooks(booksSchema.parse(detail));
    default:
      throw new TypeError(`no alert has the detail type ${detailType}`);
  }
}

function ofIncident(event: IncidentEvent): Alert {
  const { tenant, team, project, key, tier, feature, model, provider, ...rest } = event;
  const labels = { tenant, team, project, key, tier, feature, model, provider };
  const about = Object.entries(labels).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${value}`],
  );
  return { ...rest, tenant, team, about: about.join(', ') };
}

/** A budget that is spent refuses calls. */
const SPENT_PERCENT = 100;
const WARNING_PERCENT = 80;

function ofBudget(event: z.infer<typeof budgetSchema>): Alert {
  const { scope, tenantId, teamId, thresholdPercent: percent, period, ...rest } = event;
  const { owner, spentUsd, limitUsd, deduplicationId } = rest;
  return {
    kind: 'budget',
    severity:
      percent >= SPENT_PERCENT ? 'critical' : percent >= WARNING_PERCENT ? 'warning' : 'info',
    state: 'opened',
    tenant: tenantId,
    team: teamId,
    owner,
    since: period,
    about: scope,
    summary: `${percent} % of the monthly budget are spent`,
    numbers: { percent, spentUsd, limitUsd },
    runbook: 'docs/runbook.md#budget',
    command: 'npm run athena -- month-to-date',
    deduplicationId,
  };
}

function ofSoftLimit(event: z.infer<typeof softLimitSchema>): Alert {
  const { scope, tenantId, teamId, owner, dimension, limit, used, time, deduplicationId } = event;
  return {
    kind: 'soft-limit',
    severity: 'info',
    state: 'opened',
    tenant: tenantId,
    team: teamId,
    owner,
    since: time,
    about: scope,
    summary: `the soft limit of ${dimension} is reached; nothing is refused`,
    numbers: { used, limit },
    runbook: 'docs/runbook.md#soft-limit',
    command: 'npm run athena -- spend-by-team',
    deduplicationId,
  };
}

function ofBooks(event: z.infer<typeof booksSchema>): Alert {
  const { scope, period, verdict, differenceUsd, differenceTokens, explanation, time } = event;
  return {
    kind: 'books-differ',
    severity: 'critical',
    state: 'opened',
    owner: 'platform team',
    since: time,
    about: `${scope}, ${period}`,
    summary: explanation === '' ? 'accounts, ledger and raw events do not agree' : explanation,
    numbers: { differenceUsd, differenceTokens, requests: event.requests },
    runbook: 'docs/runbook.md#books-differ',
    command: 'npm run athena -- month-to-date',
    deduplicationId: ['books', scope, period, verdict, time].join('/'),
  };
}
