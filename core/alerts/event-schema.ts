/**
 * What the bus carries: of an incident one shape and the numbers of each kind, and of what is no detector's a shape each.
 * Senders and the alert router are written against this; `node scripts/document-alert-events.ts` makes docs/alert-events.md
 * of it, comments included.
 */
import * as z from 'zod/mini';
import { type Incident, incidentKey } from './incidents.ts';
import type { DetectorKind } from './thresholds.ts';

const number = z.number();
const label = z.optional(z.string());

/** The detail of an `Incident`, beside its kind and its numbers. */
const common = {
  /** One step up where the value is three times what opens an incident. */
  severity: z.enum(['info', 'warning', 'critical']),
  /** Told at every transition. */
  state: z.enum(['opened', 'worsened', 'closed']),
  /** Labels that do not apply are absent. */
  tenant: label,
  team: label,
  project: label,
  key: label,
  tier: label,
  /** The caller's own text where that is short and printable, with `%` and `/` escaped; else a hash that begins with `%~`. */
  feature: label,
  /** An alias of the policy. */
  model: label,
  provider: label,
  /** Whom to ask: the team's owner, its tenant's, or the platform team. */
  owner: z.string(),
  /** When it was first found, ISO 8601. */
  since: z.string(),
  /** One sentence without the names, which the labels have. */
  summary: z.string(),
  /** Below the project's root. */
  runbook: z.string(),
  /** Shows more. */
  command: z.string(),
  /** Deliveries may repeat; receivers tell repetitions by this. */
  deduplicationId: z.string(),
};

const share = { percent: number, usualPercent: number, requests: number };
const p95 = { p95Ms: number, usualP95Ms: number, calls: number };
const calls = { percent: number, calls: number, requests: number };

function of<K extends DetectorKind, N extends Readonly<Record<string, z.ZodMiniNumber>>>(
  kind: K,
  numbers: N,
) {
  return z.object({ kind: z.literal(kind), ...common, numbers: z.object(numbers) });
}

export const incidentEventSchema = z.discriminatedUnion('kind', [
  of('spike', { tokens: number, usualTokens: number, deviations: number }),
  of('denial-storm', { denied: number, requests: number, percent: number }),
  of('premium-switch', { percent: number, usualPercent: number, spentUsd: number }),
  of('expensive-model', {
    times: number,
    usdPerMillionTokens: number,
    usualUsdPerMillionTokens: number,
  }),
  of('feature-share', { percent: number, tokens: number }),
  of('share-doubled', { percent: number, percentBefore: number, tokens: number }),
  of('pool-headroom', { percent: number, perMinute: number, limitPerMinute: number }),
  of('error-rate', { ...share, errors: number }),
  of('latency', p95),
  of('first-token', p95),
  of('retry-rate', share),
  of('estimated-usage', calls),
  of('unpriced-usage', calls),
  of('expired-holds', calls),
  of('budget-projection', { percent: number, spentUsd: number, limitUsd: number }),
]);

export type IncidentEvent = z.infer<typeof incidentEventSchema>;

export const budgetEventSchema = z.object({
  /** Kind and name, such as `team:search`. */
  scope: z.string(),
  /** Absent where the scope has none. */
  tenantId: label,
  teamId: label,
  /** As an incident's. */
  owner: z.string(),
  /** The month, such as `2026-11`, in the policy's time zone. */
  period: z.string(),
  /** One of the scope's `alerts.at_percent`. A call that crosses several tells each. */
  thresholdPercent: z.number(),
  /** Decimal text, exact to the nano-dollar; calls whose settlement is on its way are in it. */
  spentUsd: z.string(),
  /** With what overrides add at this moment. */
  limitUsd: z.string(),
  /** The same for every copy: scope, month and threshold. */
  deduplicationId: z.string(),
});
export type BudgetEvent = z.infer<typeof budgetEventSchema>;

export const softLimitEventSchema = z.object({
  /** Kind and name, such as `team:search`. */
  scope: z.string(),
  /** Of the scope. */
  tenantId: z.string(),
  /** Absent where it is the tenant's. */
  teamId: label,
  /** As an incident's. */
  owner: z.string(),
  /** What is limited, in words. */
  dimension: z.string(),
  /** With its unit. */
  limit: z.string(),
  used: z.string(),
  /** Of the call, ISO 8601. */
  time: z.string(),
  /** The same for every copy: scope, dimension, and period or hour. */
  deduplicationId: z.string(),
});
export type SoftLimitEvent = z.infer<typeof softLimitEventSchema>;

export const booksEventSchema = z.object({
  /** Whose accounts and ledger were compared, or `raw`: the raw events with the ledger. */
  scope: z.string(),
  /** The month, or the day on which it was looked at. */
  period: z.string(),
  /** `different`: one side lacks money or tokens. `unbalanced`: the account's own sums contradict each other. */
  verdict: z.string(),
  /** Decimal text. */
  differenceUsd: z.string(),
  differenceTokens: z.number(),
  /** One sentence, or empty. */
  explanation: z.string(),
  /** Ids of some of the calls concerned. */
  requests: z.string(),
  /** Of the comparison, ISO 8601. With scope, period and verdict it tells copies. */
  time: z.string(),
});
export type BooksEvent = z.infer<typeof booksEventSchema>;

/** Throws where a detector's numbers are not what the schema says of it: a defect, and no event. */
export function incidentEvent(incident: Incident): IncidentEvent {
  const { kind, severity, labels, owner, numbers, summary, transition, transitions } = incident;
  return incidentEventSchema.parse({
    kind,
    severity,
    state: transition,
    ...labels,
    owner,
    since: new Date(incident.sinceMs).toISOString(),
    numbers,
    summary,
    runbook: `docs/runbook.md#${kind}`,
    command: commandOf(incident),
    deduplicationId: `${incidentKey(incident)}/${transitions}`,
  });
}

/** Named queries of Athena that show more of it, by what it is about. */
function commandOf({ kind, labels }: Incident): string {
  const query = QUERIES[kind];
  const where = labels.tenant === undefined ? '' : ` # look for ${labels.tenant}`;
  return `npm run athena -- ${query}${where}`;
}

const QUERIES: Readonly<Record<DetectorKind, string>> = {
  spike: 'spend-by-feature',
  'denial-storm': 'denials-by-team',
  'premium-switch': 'premium-share',
  'expensive-model': 'spend-by-model',
  'feature-share': 'spend-by-feature',
  'share-doubled': 'spend-by-feature',
  'pool-headroom': 'spend-by-model',
  'error-rate': 'failed-and-cancelled',
  latency: 'latency-by-tenant',
  'first-token': 'latency-by-tenant',
  'retry-rate': 'failed-and-cancelled',
  'estimated-usage': 'unpriced-or-estimated',
  'unpriced-usage': 'unpriced-or-estimated',
  'expired-holds': 'unpriced-or-estimated',
  'budget-projection': 'month-to-date',
};
