/** Whose sums are kept. Several subjects that are looked at together form a collection: a team with its features and models. */
import { compositeKey } from '../ids.ts';
import { scopeLabel } from '../tenancy/scopes.ts';
import type { UsageEvent } from '../usage/event.ts';

export type Subject =
  | { readonly kind: 'tenant'; readonly tenantId: string }
  | { readonly kind: 'team'; readonly tenantId: string; readonly teamId: string }
  | {
      readonly kind: 'feature';
      readonly tenantId: string;
      readonly teamId: string;
      /** As {@link featureName} makes it. */
      readonly feature: string;
    }
  /** What a team takes from one model, by the name that callers use. */
  | {
      readonly kind: 'team-model';
      readonly tenantId: string;
      readonly teamId: string;
      readonly model: string;
    }
  | { readonly kind: 'model'; readonly model: string }
  | { readonly kind: 'pool'; readonly providerId: string };

/** Features of a team beyond so many a day are summed as one: a caller can invent a new one with every call. */
export const MAX_FEATURES = 64;
/** No name is this one, because an escaped name has `%` before 25 and 2F alone. */
export const OTHER_FEATURES = '%other';

/** A caller's free text, short, printable and escaped for keys. */
export function featureName(feature: string): string {
  const label = scopeLabel({ kind: 'feature', tenantId: '', teamId: '', feature });
  return label.slice('feature:'.length);
}

/** `feature` is the name under which the event's feature is kept. */
export function subjectsOf(event: UsageEvent, feature: string | undefined): Subject[] {
  const { tenant_id: tenantId, team_id: teamId, model_alias: model, pool } = event;
  const team = { tenantId, teamId };
  return [
    { kind: 'tenant', tenantId },
    { kind: 'team', ...team },
    ...(feature === undefined ? [] : [{ kind: 'feature', ...team, feature } as const]),
    { kind: 'team-model', ...team, model },
    { kind: 'model', model },
    ...(pool === null ? [] : [{ kind: 'pool', providerId: pool } as const]),
  ];
}

/** Key of the collection that the subject is kept in. */
export function collectionOf(subject: Subject): string {
  switch (subject.kind) {
    case 'tenant':
      return compositeKey('tenant', subject.tenantId);
    case 'team':
    case 'feature':
    case 'team-model':
      return compositeKey('team', subject.tenantId, subject.teamId);
    case 'model':
      return compositeKey('model', subject.model);
    case 'pool':
      return compositeKey('pool', subject.providerId);
  }
}

/** The subject's name within its collection. */
export function memberOf(subject: Subject): string {
  switch (subject.kind) {
    case 'tenant':
    case 'team':
    case 'model':
    case 'pool':
      return WHOLE;
    case 'feature':
      // The name is escaped already.
      return FEATURE + subject.feature;
    case 'team-model':
      return MODEL + compositeKey(subject.model);
  }
}

const FEATURE = 'feature/';
const MODEL = 'model/';

/** Which feature or model of its team a member is. */
export function nameOfMember(
  member: string,
): { readonly kind: 'feature' | 'model'; readonly name: string } | undefined {
  if (member.startsWith(FEATURE)) return { kind: 'feature', name: member.slice(FEATURE.length) };
  if (!member.startsWith(MODEL)) return undefined;
  const name = member.slice(MODEL.length).replaceAll('%2F', '/').replaceAll('%25', '%');
  return { kind: 'model', name };
}

/** The member that is the collection's own sum. */
export const WHOLE = 'all';

/** One text a subject, injective. */
export function subjectKey(subject: Subject): string {
  return `${collectionOf(subject)}:${memberOf(subject)}`;
}
