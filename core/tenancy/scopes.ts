/**
 * Scopes: who can be limited. A scope has one account, which is the single authority on its limits.
 * Ids are encoded into composite keys, so that no choice of ids makes two scopes share an account.
 */
import { createHash } from 'node:crypto';
import type { Tier } from '../catalog/snapshot.ts';
import { compositeKey } from '../ids.ts';

export type Scope =
  | { readonly kind: 'tenant'; readonly tenantId: string }
  | { readonly kind: 'team'; readonly tenantId: string; readonly teamId: string }
  /** What a team takes from the models of one tier. */
  | {
      readonly kind: 'team-tier';
      readonly tenantId: string;
      readonly teamId: string;
      readonly tier: Tier;
    }
  /** Projects have their names from the tenant, and belong to one team. */
  | { readonly kind: 'project'; readonly tenantId: string; readonly projectId: string }
  | { readonly kind: 'key'; readonly keyId: string }
  | {
      readonly kind: 'user';
      readonly tenantId: string;
      readonly teamId: string;
      readonly userId: string;
    }
  | {
      readonly kind: 'feature';
      readonly tenantId: string;
      readonly teamId: string;
      readonly feature: string;
    }
  /** A provider account of ours, which all tenants share. */
  | { readonly kind: 'pool'; readonly providerId: string };

/** Partition key of the scope's account item. */
export function accountKey(scope: Scope): string {
  switch (scope.kind) {
    case 'tenant':
      return compositeKey('tenant', scope.tenantId);
    case 'team':
      return compositeKey('team', scope.tenantId, scope.teamId);
    case 'team-tier':
      return compositeKey('team-tier', scope.tenantId, scope.teamId, scope.tier);
    case 'project':
      return compositeKey('project', scope.tenantId, scope.projectId);
    case 'key':
      return compositeKey('key', scope.keyId);
    case 'user':
      return `${compositeKey('user', scope.tenantId, scope.teamId)}/${boundedName(scope.userId)}`;
    case 'feature':
      return `${compositeKey('feature', scope.tenantId, scope.teamId)}/${boundedName(scope.feature)}`;
    case 'pool':
      return compositeKey('pool', scope.providerId);
  }
}

/**
 * The scope as its callers and events may see it: kind and own name. It never shows a tenant but the
 * caller's own, and within one team no two scopes have the same label.
 */
export function scopeLabel(scope: Scope): string {
  switch (scope.kind) {
    case 'tenant':
      return `tenant:${scope.tenantId}`;
    case 'team':
      return `team:${scope.teamId}`;
    case 'team-tier':
      return `team-tier:${compositeKey(scope.teamId, scope.tier)}`;
    case 'project':
      return `project:${scope.projectId}`;
    case 'key':
      return `key:${scope.keyId}`;
    case 'user':
      return `user:${boundedName(scope.userId)}`;
    case 'feature':
      return `feature:${boundedName(scope.feature)}`;
    case 'pool':
      return `provider:${scope.providerId}`;
  }
}

/** Index of a team in the policy snapshot. */
export function teamKey(tenantId: string, teamId: string): string {
  return compositeKey(tenantId, teamId);
}

const MAX_NAME_BYTES = 64;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/**
 * A caller's free text as a part of a key and a label: itself where it is short and printable, else a hash.
 * `%~` marks the hash, since an escaped text never has `%` but before 25 and 2F. UTF-16 is hashed because
 * UTF-8 would make one of all texts that are not well-formed.
 */
function boundedName(text: string): string {
  const isPlain =
    text.isWellFormed() && Buffer.byteLength(text) <= MAX_NAME_BYTES && !UNPRINTABLE.test(text);
  if (isPlain) return compositeKey(text);
  return `%~${createHash('sha256').update(text, 'utf16le').digest('base64url')}`;
}
