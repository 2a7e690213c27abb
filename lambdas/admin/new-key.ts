/** A new key from what was asked for: whether it may be made, and its record. */
import * as z from 'zod';
import { type KeyRecord, limitsSchema, type PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { EpochMs } from '../../core/clock.ts';
import { prioritySchema } from '../../core/tenancy/priority.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';

const id = z.string().min(1).max(64);
const tag = z.string().regex(/^\P{Cc}{1,256}$/u);

export const newKeySchema = z.strictObject({
  tenantId: id,
  teamId: id,
  projectId: id,
  /** Nobody's key is everybody's. */
  owner: z.string().regex(/^(?=.*\S)\P{Cc}{1,256}$/u),
  /** It serves these and no others; the first is a call's when it names none. */
  features: z.array(tag).max(32).default([]),
  tiers: z
    .array(z.enum(['shared', 'premium', 'experimental']))
    .max(3)
    .optional(),
  models: z.array(z.string().min(1).max(128)).max(1_000).optional(),
  pinnedTags: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,62}$/), tag).default({}),
  limits: z.strictObject(limitsSchema.shape).default({}),
  priority: z.optional(prioritySchema),
  expiresAtMs: z.int().positive().optional(),
});
export type NewKey = z.infer<typeof newKeySchema>;

const MAX_PINNED_TAGS = 20;

export type Checked =
  | { readonly kind: 'ok'; readonly record: Omit<KeyRecord, 'keyId'> }
  | { readonly kind: 'refused'; readonly reason: string };

export function checkNewKey(
  policy: PolicySnapshot,
  asked: NewKey,
  { nowMs, createdBy }: { readonly nowMs: EpochMs; readonly createdBy: string },
): Checked {
  const reason = whyNot(policy, asked, nowMs);
  if (reason !== undefined) return { kind: 'refused', reason };
  const { expiresAtMs, priority, tiers, models, ...rest } = asked;
  const endsAtMs = expiresAtMs ?? lastEnd(policy, nowMs);
  return {
    kind: 'ok',
    record: {
      ...rest,
      ...(tiers === undefined ? {} : { tiers }),
      ...(models === undefined ? {} : { models }),
      ...(priority === undefined ? {} : { priority }),
      ...(endsAtMs === undefined ? {} : { expiresAtMs: endsAtMs }),
      createdAtMs: nowMs,
      createdBy,
    },
  };
}

function whyNot(policy: PolicySnapshot, asked: NewKey, nowMs: EpochMs): string | undefined {
  const { tenantId, teamId, projectId, models = [], expiresAtMs, pinnedTags } = asked;
  if (!Object.hasOwn(policy.teams, teamKey(tenantId, teamId)))
    return `The policy has no team ${teamId} of tenant ${tenantId}.`;
  const isProject = policy.projects.some(
    (each) => each.id === projectId && each.tenantId === tenantId && each.teamId === teamId,
  );
  if (!isProject) return `The team ${teamId} has no project ${projectId}.`;
  const unknown = models.find((alias) => !Object.hasOwn(policy.models, alias));
  if (unknown !== undefined) return `The policy has no model ${unknown}.`;
  if (Object.keys(pinnedTags).length > MAX_PINNED_TAGS)
    return `A key pins at most ${MAX_PINNED_TAGS} tags.`;
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) return 'The key would have expired.';
  const last = lastEnd(policy, nowMs);
  if (last !== undefined && expiresAtMs !== undefined && expiresAtMs > last)
    return `The policy lets no key live longer than until ${new Date(last).toISOString()}.`;
  return undefined;
}

function lastEnd({ keyMaxAgeMs }: PolicySnapshot, nowMs: EpochMs): EpochMs | undefined {
  return keyMaxAgeMs === undefined ? undefined : nowMs + keyMaxAgeMs;
}
