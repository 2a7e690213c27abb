/**
 * An alert as people are told it: read from whatever the bus carries, in one shape for all kinds. Sends nothing and decides
 * nothing; core/alerts/messages.ts writes it down, core/alerts/channels.ts says who gets it.
 */
import * as z from 'zod/mini';
import { ALERT_DETAIL_TYPE } from '../names.ts';
import {
  type BooksEvent,
  type BudgetEvent,
  booksEventSchema,
  budgetEventSchema,
  type IncidentEvent,
  incidentEventSchema,
  type SoftLimitEvent,
  softLimitEventSchema,
} from './event-schema.ts';
import { DETECTOR_KINDS } from './thresholds.ts';

/** Every kind of alert there is: each has its section in docs/runbook.md and its play in scripts/demo/plays.ts. */
export const ALERT_KINDS = [...DETECTOR_KINDS, 'budget', 'soft-limit', 'books-differ'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

const facts = z.record(z.string(), z.union([z.string(), z.number()]));

export const alertSchema = z.object({
  /** One of {@link ALERT_KINDS}; an alert that was held back may be of another version's. */
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

/** Of a kind of this version. */
type ReadAlert = Alert & { readonly kind: AlertKind };

/** Throws for what is no alert of ours: a defect of the sender, which has to be seen. */
export function readAlert(detailType: string, detail: unknown): ReadAlert {
  switch (detailType) {
    case ALERT_DETAIL_TYPE.incident:
      return ofIncident(incidentEventSchema.parse(detail));
    case ALERT_DETAIL_TYPE.budget:
      return ofBudget(budgetEventSchema.parse(detail));
    case ALERT_DETAIL_TYPE.softLimit:
      return ofSoftLimit(softLimitEventSchema.parse(detail));
    case ALERT_DETAIL_TYPE.booksDiffer:
      return ofBooks(booksEventSchema.parse(detail));
    default:
      throw new TypeError(`no alert has the detail type ${detailType}`);
  }
}

function ofIncident(event: IncidentEvent): ReadAlert {
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

function ofBudget(event: BudgetEvent): ReadAlert {
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

function ofSoftLimit(event: SoftLimitEvent): ReadAlert {
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

function ofBooks(event: BooksEvent): ReadAlert {
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
