/**
 * Single sign-on: a token of an issuer that the policy trusts stands for a key. The rules of the policy say whose call it
 * is; claims choose among names that the policy has, and never make one. Decides from values; fetches nothing.
 */
import { createHash } from 'node:crypto';
import type { Issuer, KeyRecord, PolicySnapshot } from '../catalog/snapshot.ts';
import { compositeKey } from '../ids.ts';
import type { Claims } from './jwt.ts';

export interface Place {
  readonly tenantId: string;
  readonly teamId: string;
  readonly projectId: string;
}

/** The key of all who come by one issuer into one project: what is limited, suspended and billed together. */
export function ssoKeyId(issuerId: string, { tenantId, teamId, projectId }: Place): string {
  const text = compositeKey(issuerId, tenantId, teamId, projectId);
  return `sso_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

/** Undefined where no rule fits, or the first that fits names a project that the policy does not have. */
export function placeOf(
  { rules }: Issuer,
  claims: Claims,
  { projects }: PolicySnapshot,
): Place | undefined {
  const rule = rules.find(({ when }) =>
    Object.entries(when).every(([name, wanted]) => hasValue(claims, name, wanted)),
  );
  if (rule === undefined) return undefined;
  const tenantId = nameOf(rule.tenant, claims);
  const teamId = nameOf(rule.team, claims);
  const projectId = nameOf(rule.project, claims);
  const project = projects.find(
    (each) => each.id === projectId && each.teamId === teamId && each.tenantId === tenantId,
  );
  return project === undefined
    ? undefined
    : { tenantId: project.tenantId, teamId: project.teamId, projectId: project.id };
}

const MAX_USER = 256;

/** The record of the token's key, with the user as a tag that the caller cannot change. */
export function asUser(record: KeyRecord, { userClaim }: Issuer, claims: Claims): KeyRecord {
  const user = textOf(claims, userClaim);
  if (user === undefined || user === '' || user.length > MAX_USER || /\p{Cc}/u.test(user))
    return record;
  return { ...record, pinnedTags: { ...record.pinnedTags, user_id: user } };
}

function nameOf(said: string, claims: Claims): string | undefined {
  return said.startsWith('claim:') ? textOf(claims, said.slice('claim:'.length)) : said;
}

function hasValue(claims: Claims, name: string, wanted: string): boolean {
  const value: unknown = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return Array.isArray(value) ? value.includes(wanted) : value === wanted;
}

function textOf(claims: Claims, name: string): string | undefined {
  const value: unknown = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}
