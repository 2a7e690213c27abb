/**
 * Scopes: who can be limited. A scope has one account, which is the single authority on its limits.
 * Ids are encoded into composite keys, so that no choice of ids makes two scopes share an account.
 */
import { compositeKey } from '../ids.ts';

export type Scope =
  | { readonly kind: 'key'; readonly keyId: string }
  | { readonly kind: 'team'; readonly tenantId: string; readonly teamId: string };

/** Partition key of the scope's account item. */
export function accountKey(scope: Scope): string {
  switch (scope.kind) {
    case 'key':
      return compositeKey('key', scope.keyId);
    case 'team':
      return compositeKey('team', scope.tenantId, scope.teamId);
  }
}

/** The scope as callers and events may see it: kind and own name, never another tenant's. */
export function scopeLabel(scope: Scope): string {
  return scope.kind === 'key' ? `key:${scope.keyId}` : `team:${scope.teamId}`;
}

/** Index of a team in the policy snapshot. */
export function teamKey(tenantId: string, teamId: string): string {
  return compositeKey(tenantId, teamId);
}
