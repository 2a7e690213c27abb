/**
 * What the bus carries of an incident (detail type `Incident`): one shape, and the numbers of each kind. Receivers are
 * written against this; docs/alerts.md shows it.
 */
import * as z from 'zod/mini';
import { type Incident, incidentKey } from './incidents.ts';
import type { DetectorKind } from './thresholds.ts';

const number = z.number();
const label = z.optional(z.string());

const common = {
  severity: z.enum(['info', 'warning', 'critical']),
  state: z.enum(['opened', 'worsened', 'closed']),
  tenant: label,
  team: label,
  project: label,
  key: label,
  tier: label,
  feature: label,
  model: label,
  provider: label,
  /** Whom to ask: the team's owner, or the platform team. */
  owner: z.string(),
  /** When it was first found, ISO 8601. */
  since: z.string(),
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
  of('premium-switch', { percent: number, usualPercent: number, nanoUsd: number }),
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
