/** The record of a key that the policy declares. What the admin API says of a key (suspended, revoked) stays. */
import type { KeyRecord } from '../catalog/snapshot.ts';
import type { EpochMs } from '../clock.ts';
import type { KeyDeclaration } from '../policy/compile-policy.ts';

export interface DeclaredKey {
  readonly keyId: string;
  readonly declaration: KeyDeclaration;
  /** As it is stored, where it is. */
  readonly known: KeyRecord | undefined;
  readonly nowMs: EpochMs;
  /** Of those that name no end; undefined: they have none. */
  readonly maxAgeMs: number | undefined;
}

export function declaredRecord({
  keyId,
  declaration,
  known,
  nowMs,
  maxAgeMs,
}: DeclaredKey): KeyRecord {
  const { expiresAtMs, features, tiers, models } = declaration;
  const { tenantId, teamId, projectId, owner, pinnedTags, limits, priority } = declaration;
  const createdAtMs = known?.createdAtMs ?? nowMs;
  const endsAtMs = expiresAtMs ?? (maxAgeMs === undefined ? undefined : createdAtMs + maxAgeMs);
  return {
    keyId,
    tenantId,
    teamId,
    projectId,
    owner,
    pinnedTags: { ...pinnedTags },
    features: [...features],
    ...(tiers === undefined ? {} : { tiers: [...tiers] }),
    ...(models === undefined ? {} : { models: [...models] }),
    limits,
    priority,
    createdAtMs,
    isDeclared: true,
    ...(endsAtMs === undefined ? {} : { expiresAtMs: endsAtMs }),
    ...(known?.status === undefined ? {} : { status: known.status }),
  };
}
