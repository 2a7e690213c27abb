/** Creating and revoking virtual keys. The secret is in the answer of the creation and nowhere else. */
import * as z from 'zod';
import { type KeyRecord, limitsSchema, policySnapshotSchema } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { prioritySchema } from '../../core/tenancy/priority.ts';
import { teamKey } from '../../core/tenancy/scopes.ts';
import { hashKey, keyIdOf, newVirtualKey } from '../../core/tenancy/virtual-key.ts';
import type { CatalogWriter } from './catalog-writer.ts';

const id = z.string().min(1).max(64);

export const newKeySchema = z.strictObject({
  tenantId: id,
  teamId: id,
  projectId: id,
  owner: z.string().min(1).max(256),
  features: z.array(z.string().min(1).max(256)).max(32).default([]),
  pinnedTags: z.record(z.string().min(1).max(64), z.string().min(1).max(256)).default({}),
  limits: z.optional(z.strictObject(limitsSchema.shape)),
  priority: z.optional(prioritySchema),
  expiresAtMs: z.int().positive().optional(),
});
export type NewKey = z.infer<typeof newKeySchema>;

export type CreateKeyResult =
  | { readonly kind: 'created'; readonly keyId: string; readonly key: string }
  | { readonly kind: 'refused'; readonly reason: string };

export async function createKey(
  writer: CatalogWriter,
  clock: Clock,
  request: NewKey,
): Promise<CreateKeyResult> {
  const current = await writer.currentPolicy();
  if (current === undefined) return { kind: 'refused', reason: 'No policy has been applied yet.' };
  const policy = policySnapshotSchema.parse(current.snapshot);
  const team = policy.teams[teamKey(request.tenantId, request.teamId)];
  if (team === undefined)
    return {
      kind: 'refused',
      reason: `The policy has no team ${request.teamId} of tenant ${request.tenantId}.`,
    };
  const project = policy.projects.find(
    ({ id: projectId, tenantId, teamId }) =>
      projectId === request.projectId && tenantId === request.tenantId && teamId === request.teamId,
  );
  if (project === undefined)
    return {
      kind: 'refused',
      reason: `The team ${request.teamId} has no project ${request.projectId}.`,
    };

  const key = newVirtualKey();
  const keyHash = hashKey(key);
  const { expiresAtMs, priority, limits = {}, ...rest } = request;
  const record: KeyRecord = {
    ...rest,
    keyId: keyIdOf(keyHash),
    limits,
    createdAtMs: clock.nowMs(),
    ...(priority === undefined ? {} : { priority }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
  // The account first: a key that can be found must have the account that says it is active.
  await writer.setUpAccount(
    { kind: 'key', keyId: record.keyId },
    { limits, policyVersion: policy.version },
    momentOf(clock.nowMs(), calendarDay(clock.nowMs(), policy.timeZone)),
  );
  await writer.storeKey(keyHash, record);
  return { kind: 'created', keyId: record.keyId, key };
}
