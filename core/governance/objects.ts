/**
 * The objects of the admin API: which part of the policy tree each one is, and at which address. They are parts of the
 * one tree under the file's own names, so that file, API and command line have one schema and one meaning.
 */
import * as z from 'zod';
import { policySchema } from '../policy/policy-schema.ts';
import type { Path } from './tree.ts';

export interface ObjectKind {
  /** In the OpenAPI document and in messages. */
  readonly name: string;
  /** What a list of them is called; absent for a part that its owner has once. */
  readonly plural?: string;
  /** Below `/admin/v1`. A parameter with `+` takes the rest of the path: names of models may contain slashes. */
  readonly url: string;
  /** In the tree, with the same parameters. */
  readonly path: Path;
}

const TENANT = ['tenants', '{tenantId}'];
const TEAM = [...TENANT, 'teams', '{teamId}'];
const PROJECT = [...TENANT, 'projects', '{projectId}'];
const KEY = [...TENANT, 'keys', '{keyName}'];
const PROVIDER = ['providers', '{providerId}'];
const CHANNEL = ['alert_channels', '{channelId}'];

const URLS = {
  tenant: '/tenants/{tenantId}',
  team: '/tenants/{tenantId}/teams/{teamId}',
  project: '/tenants/{tenantId}/projects/{projectId}',
  key: '/tenants/{tenantId}/declared-keys/{keyName}',
  provider: '/providers/{providerId}',
} as const;

export const OBJECT_KINDS: readonly ObjectKind[] = [
  { name: 'Tenant', plural: 'Tenants', url: URLS.tenant, path: TENANT },
  { name: 'Team', plural: 'Teams', url: URLS.team, path: TEAM },
  { name: 'Project', plural: 'Projects', url: URLS.project, path: PROJECT },
  { name: 'DeclaredKey', plural: 'DeclaredKeys', url: URLS.key, path: KEY },
  { name: 'Model', plural: 'Models', url: '/models/{alias+}', path: ['models', '{alias}'] },
  { name: 'Provider', plural: 'Providers', url: URLS.provider, path: PROVIDER },
  {
    name: 'AlertChannel',
    plural: 'AlertChannels',
    url: '/alert-channels/{channelId}',
    path: CHANNEL,
  },
  { name: 'TenantLimits', url: `${URLS.tenant}/limits`, path: [...TENANT, 'limits'] },
  { name: 'TeamLimits', url: `${URLS.team}/limits`, path: [...TEAM, 'limits'] },
  {
    name: 'TeamTierLimits',
    url: `${URLS.team}/tier-limits/{tier}`,
    path: [...TEAM, 'tier_limits', '{tier}'],
  },
  { name: 'ProjectLimits', url: `${URLS.project}/limits`, path: [...PROJECT, 'limits'] },
  { name: 'DeclaredKeyLimits', url: `${URLS.key}/limits`, path: [...KEY, 'limits'] },
  { name: 'ProviderLimits', url: `${URLS.provider}/limits`, path: [...PROVIDER, 'limits'] },
];

const PARAMETER = /^\{(\w+)\}$/;

/** The object's place in the tree. Parameters are names, whatever they contain. */
export function pathOf({ path }: ObjectKind, params: Readonly<Record<string, string>>): Path {
  return path.map((step) => {
    const name = PARAMETER.exec(step)?.[1];
    return name === undefined ? step : (params[name] ?? '');
  });
}

/** Path of what must be there before the object can be: its owner. The collection itself may be missing. */
export function ownerOf({ path, plural }: ObjectKind, place: Path): Path {
  if (plural !== undefined) return place.slice(0, -2);
  return place.slice(
    0,
    path.findLastIndex((step, index) => index < path.length - 1 && PARAMETER.test(step)) + 1,
  );
}

/** The file's own schema of the object, found in that of the whole file. */
export function schemaOf({ path }: ObjectKind): z.ZodType {
  return path.reduce<z.ZodType>((schema, step) => within(schema, step), policySchema);
}

function within(schema: z.core.$ZodType, step: string): z.ZodType {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodRecord && PARAMETER.test(step)) return asType(inner.valueType);
  if (inner instanceof z.ZodObject) {
    // Limits of a tier are the same for every tier.
    const name = PARAMETER.test(step) ? Object.keys(inner.shape)[0] : step;
    return asType(name === undefined ? undefined : inner.shape[name]);
  }
  if (inner instanceof z.ZodDiscriminatedUnion) return within(asType(inner.options[0]), step);
  throw new TypeError(`the policy file has nothing named ${step} here`);
}

/** Without its default, and required. */
export function unwrapped(schema: z.core.$ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return unwrapped(schema.unwrap());
  if (schema instanceof z.ZodOptional) return unwrapped(schema.unwrap());
  return asType(schema);
}

function asType(schema: unknown): z.ZodType {
  if (schema instanceof z.ZodType) return schema;
  throw new TypeError('not a schema');
}
