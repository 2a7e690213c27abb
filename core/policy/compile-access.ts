/** What compile-policy.ts makes of the parts of the file that say who may use what. */
import type {
  DataPlaces,
  Deprecation,
  Issuer,
  KeyRecord,
  PolicySnapshot,
  TagRules,
} from '../catalog/snapshot.ts';
import { ssoKeyId } from '../tenancy/sign-in.ts';
import type { FileSso } from './access-schema.ts';
import type { KeyDeclaration } from './compile-policy.ts';
import type { Policy } from './policy-schema.ts';

type FileTenant = Policy['tenants'][string];
type FileIssuer = FileSso[string];

/** A key of the policy that has no secret: tokens of its issuer stand for it. */
export interface SsoKeyDeclaration extends KeyDeclaration {
  readonly keyId: string;
}

export function accessOf({
  tiers,
  models,
}: Pick<FileTenant, 'tiers' | 'models'>): Pick<KeyRecord, 'tiers' | 'models'> {
  return {
    ...(tiers === undefined ? {} : { tiers: [...new Set(tiers)] }),
    ...(models === undefined ? {} : { models }),
  };
}

export function tagRulesOf({ tag_rules: rules }: Pick<FileTenant, 'tag_rules'>): {
  tagRules?: TagRules;
} {
  if (rules === undefined) return {};
  return { tagRules: { required: rules.required, allowedValues: rules.allowed_values } };
}

export function dataPlacesOf({ data_may_go_to: places }: FileTenant): { dataMayGoTo?: DataPlaces } {
  return places === undefined ? {} : { dataMayGoTo: withoutAbsent(places) };
}

export function deprecationOf({ deprecated: file }: Policy['models'][string]): {
  deprecation?: Deprecation;
} {
  if (file === undefined) return {};
  const { on, sunset, replacement, message, after_sunset } = file;
  return {
    deprecation: {
      onMs: on,
      ...(sunset === undefined ? {} : { sunsetMs: sunset }),
      ...(replacement === undefined ? {} : { replacement }),
      ...(message === undefined ? {} : { message }),
      ...(after_sunset === 'redirect' ? { redirects: true } : {}),
    },
  };
}

export function issuersOf(sso: FileSso): Issuer[] {
  return Object.entries(sso).map(([id, file]) => ({
    id,
    issuer: file.issuer,
    audiences: file.audience,
    ...(file.jwks_uri === undefined ? {} : { jwksUri: file.jwks_uri }),
    userClaim: file.user_claim,
    rules: file.rules,
  }));
}

/** One for each issuer and each project that a rule of it can lead to, so that each can be limited and revoked. */
export function ssoKeysOf(
  { sso }: Policy,
  projects: PolicySnapshot['projects'],
  toPlan: (file: FileIssuer['limits']) => KeyDeclaration['limits'],
): SsoKeyDeclaration[] {
  return Object.entries(sso).flatMap(([issuerId, file]) =>
    projects
      .filter((project) => file.rules.some((rule) => mayLeadTo(rule, project)))
      .map(({ id: projectId, tenantId, teamId }) => ({
        keyId: ssoKeyId(issuerId, { tenantId, teamId, projectId }),
        tenantId,
        name: issuerId,
        teamId,
        projectId,
        owner: `sso:${issuerId}`,
        features: file.features,
        ...accessOf(file),
        pinnedTags: {},
        limits: toPlan(file.limits),
        priority: 'normal',
      })),
  );
}

function mayLeadTo(
  rule: FileIssuer['rules'][number],
  { id, tenantId, teamId }: PolicySnapshot['projects'][number],
): boolean {
  const may = (said: string, name: string) => said.startsWith('claim:') || said === name;
  return may(rule.tenant, tenantId) && may(rule.team, teamId) && may(rule.project, id);
}

/** `exactOptionalPropertyTypes`: what is left out of the file is left out here. */
function withoutAbsent({ regions, providers, labels }: NonNullable<FileTenant['data_may_go_to']>) {
  return {
    ...(regions === undefined ? {} : { regions }),
    ...(providers === undefined ? {} : { providers }),
    ...(labels === undefined ? {} : { labels }),
  };
}
