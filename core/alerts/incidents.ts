/**
 * Incidents: a finding that lasts is told once, again when it is worse, and at its end. Decides from what is stored and what
 * was found; whatever finds the same thing at the same time, on another shard or a minute later, changes nothing.
 *
 *   none or closed --- found -------------> open      tells opened
 *   open ------------- found, more severe -> open      tells worsened
 *   open ------------- found or lingering -> open      tells nothing
 *   open ------------- not found 10 min ---> closed    tells closed
 */
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import { compositeKey } from '../ids.ts';
import { accountKey, type Scope } from '../tenancy/scopes.ts';
import { type Finding, type Labels, RANK } from './finding.ts';
import { DETECTOR_KINDS } from './thresholds.ts';

const severitySchema = z.enum(['info', 'warning', 'critical']);
const labelsSchema = z.object({
  tenant: z.optional(z.string()),
  team: z.optional(z.string()),
  project: z.optional(z.string()),
  key: z.optional(z.string()),
  tier: z.optional(z.string()),
  feature: z.optional(z.string()),
  model: z.optional(z.string()),
  provider: z.optional(z.string()),
});

export const incidentSchema = z.object({
  kind: z.enum(DETECTOR_KINDS),
  /** {@link accountKey} of the scope that is looked at to see whether it is over. */
  target: z.string(),
  labels: labelsSchema,
  owner: z.string(),
  isOpen: z.boolean(),
  severity: severitySchema,
  numbers: z.record(z.string(), z.number()),
  summary: z.string(),
  sinceMs: z.number(),
  /** When it was last found. */
  seenMs: z.number(),
  /** Grows with every transition, over all incidents of this kind and these labels. */
  transitions: z.number(),
  transition: z.enum(['opened', 'worsened', 'closed']),
});

export type Incident = z.infer<typeof incidentSchema>;

/** So long not found, an incident is over: two windows. */
const QUIET_MS = 600_000;
/** An incident that goes on is written no more often than this. */
const SEEN_MS = 120_000;

export interface Found {
  readonly finding: Finding;
  readonly scope: Scope;
  readonly owner: string;
}

/** The incident as it is now, or undefined where nothing has to be written. It is told where `transitions` has grown. */
export function afterFinding(
  stored: Incident | undefined,
  { finding, scope, owner }: Found,
  nowMs: EpochMs,
): Incident | undefined {
  const { kind, labels, severity, numbers, summary } = finding;
  const seen = { kind, labels, target: accountKey(scope), owner, numbers, summary, seenMs: nowMs };
  if (stored === undefined || !stored.isOpen) {
    if (finding.isLingering) return undefined;
    const transitions = (stored?.transitions ?? 0) + 1;
    return { ...seen, severity, isOpen: true, sinceMs: nowMs, transitions, transition: 'opened' };
  }
  if (!finding.isLingering && RANK[severity] > RANK[stored.severity]) {
    const transitions = stored.transitions + 1;
    return { ...stored, ...seen, severity, transitions, transition: 'worsened' };
  }
  return nowMs - stored.seenMs < SEEN_MS ? undefined : { ...stored, seenMs: nowMs };
}

/** For an incident that was looked for and not found. */
export function afterAbsence(stored: Incident, nowMs: EpochMs): Incident | undefined {
  if (!stored.isOpen || nowMs - stored.seenMs < QUIET_MS) return undefined;
  const transitions = stored.transitions + 1;
  return { ...stored, isOpen: false, transitions, transition: 'closed' };
}

/** Name of the incident in its store: that of its target comes first. */
export function incidentKey({
  kind,
  target,
  labels,
}: Pick<Incident, 'kind' | 'target' | 'labels'>): string {
  const { feature = '', model = '', tier = '' } = labels;
  return compositeKey(target, kind, feature, model, tier);
}

export function keyOfFinding({ kind, labels }: Finding, scope: Scope): string {
  return incidentKey({ kind, labels, target: accountKey(scope) });
}

/** Labels of what a scope is. Of a key and a project, the team is not known from the scope alone. */
export function labelsOf(scope: Scope): Labels {
  switch (scope.kind) {
    case 'tenant':
      return { tenant: scope.tenantId };
    case 'team':
      return { tenant: scope.tenantId, team: scope.teamId };
    case 'team-tier':
      return { tenant: scope.tenantId, team: scope.teamId, tier: scope.tier };
    case 'project':
      return { tenant: scope.tenantId, project: scope.projectId };
    case 'key':
      return { key: scope.keyId };
    case 'user':
      return { tenant: scope.tenantId, team: scope.teamId };
    case 'feature':
      return { tenant: scope.tenantId, team: scope.teamId, feature: scope.feature };
    case 'pool':
      return { provider: scope.providerId };
  }
}
