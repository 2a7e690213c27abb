/** Targets of incidents: the scopes that are looked at, as text and back. */
import { tierSchema } from '../catalog/snapshot.ts';
import type { Subject } from '../rollups/subjects.ts';
import type { Scope } from '../tenancy/scopes.ts';

/** Undefined for what is no target: the text of another kind of scope, or of another version. */
export function scopeOfTarget(target: string): Scope | undefined {
  const [kind, first, second, third] = target.split('/').map(unescaped);
  if (first === undefined) return undefined;
  switch (kind) {
    case 'tenant':
      return { kind, tenantId: first };
    case 'pool':
      return { kind, providerId: first };
    case 'key':
      return { kind, keyId: first };
    case 'team':
      return second === undefined ? undefined : { kind, tenantId: first, teamId: second };
    case 'project':
      return second === undefined ? undefined : { kind, tenantId: first, projectId: second };
    case 'team-tier': {
      const tier = tierSchema.safeParse(third).data;
      if (second === undefined || tier === undefined) return undefined;
      return { kind, tenantId: first, teamId: second, tier };
    }
    default:
      return undefined;
  }
}

/** Scopes whose rollups are looked at. */
export type WatchedScope = Extract<Scope, { kind: 'tenant' | 'team' | 'pool' }>;

export function isWatched(scope: Scope | Subject): scope is WatchedScope {
  return scope.kind === 'tenant' || scope.kind === 'team' || scope.kind === 'pool';
}

function unescaped(part: string): string {
  return part.replaceAll('%2F', '/').replaceAll('%25', '%');
}
