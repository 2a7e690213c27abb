/**
 * What single values cannot show: names that must exist elsewhere in the file, and things that
 * contradict each other. Works on an outline that forgives everything else, so that these findings
 * appear together with all others and not after them.
 */
import * as z from 'zod';
import { TIERS } from './policy-schema.ts';
import { isListed } from './route-price.ts';
import type { Path } from './yaml-tree.ts';

/** Something that the policy file gets wrong at a path; `candidates` are the names that would have fitted. */
export interface Finding {
  readonly path: Path;
  readonly part: 'name' | 'value';
  readonly expected: string;
  readonly candidates?: readonly string[];
}

const text = z.string().optional().catch(undefined);
const texts = z.array(text).optional().catch(undefined);

function lenient<T extends z.ZodRawShape>(shape: T) {
  return z.object(shape).optional().catch(undefined);
}

function named<T extends z.ZodType>(value: T) {
  return z.record(z.string(), value).optional().catch(undefined);
}

const outlineSchema = lenient({
  providers: named(lenient({ base_url: text, price_book: text })),
  alert_channels: named(z.unknown()),
  models: named(
    lenient({
      tier: z.enum(TIERS).optional().catch(undefined),
      routes: z
        .array(lenient({ provider: text, model: text, price: z.unknown().optional(), free: text }))
        .optional()
        .catch(undefined),
    }),
  ),
  tenants: named(
    lenient({
      teams: named(
        lenient({
          tiers: texts,
          tier_limits: named(z.unknown()),
          models: texts,
          alerts: lenient({ notify: texts }),
        }),
      ),
      projects: named(lenient({ team: text })),
      keys: named(lenient({ project: text, secret: text })),
    }),
  ),
});

type Outline = NonNullable<z.infer<typeof outlineSchema>>;
type Tenant = NonNullable<NonNullable<Outline['tenants']>[string]>;
type Team = NonNullable<NonNullable<Tenant['teams']>[string]>;

export function checkReferences(tree: unknown): Finding[] {
  const outline = outlineSchema.parse(tree) ?? {};
  const secrets = new Set<string>();
  return [
    ...modelFindings(outline),
    ...entries(outline.tenants).flatMap(([tenantId, tenant]) => [
      ...tenantFindings(outline, tenant, ['tenants', tenantId]),
      ...repeatedSecrets(tenant, ['tenants', tenantId, 'keys'], secrets),
    ]),
  ];
}

function modelFindings(outline: Outline): Finding[] {
  return entries(outline.models).flatMap(([alias, model]) =>
    (model.routes ?? []).flatMap((route, index): Finding[] => {
      if (route === undefined) return [];
      const path = ['models', alias, 'routes', index];
      const provider = reference(route.provider, [...path, 'provider'], {
        what: 'a provider of this policy',
        names: outline.providers,
      });
      return [...provider, ...priceFindings(outline, route, path)];
    }),
  );
}

type FileRoute = NonNullable<
  NonNullable<NonNullable<NonNullable<Outline['models']>[string]>['routes']>[number]
>;

/** No price, no call: a route without one would be free by accident, and every budget blind to it. */
function priceFindings({ providers }: Outline, route: FileRoute, path: Path): Finding[] {
  const { provider: id, model = '', price, free } = route;
  const provider = id === undefined ? undefined : providers?.[id];
  const finding = (expected: string): Finding[] => [
    { path: [...path, 'price'], part: 'value', expected },
  ];
  if (free === 'true') return price === undefined ? [] : finding('no price where free is true');
  // A provider that is missing or broken is reported on its own, and nobody knows its prices.
  if (price !== undefined || (provider !== undefined && isListed(model, provider))) return [];
  return finding('a price (the price book has none for this model here), or free: true');
}

function tenantFindings(outline: Outline, tenant: Tenant, path: Path): Finding[] {
  const projects = entries(tenant.projects).flatMap(([id, { team }]) =>
    reference(team, [...path, 'projects', id, 'team'], {
      what: 'a team of this tenant',
      names: tenant.teams,
    }),
  );
  const keys = entries(tenant.keys).flatMap(([id, { project }]) =>
    reference(project, [...path, 'keys', id, 'project'], {
      what: 'a project of this tenant',
      names: tenant.projects ?? {},
    }),
  );
  const teams = entries(tenant.teams).flatMap(([id, team]) =>
    teamFindings(outline, team, [...path, 'teams', id]),
  );
  return [...teams, ...projects, ...keys];
}

function teamFindings(outline: Outline, team: Team, path: Path): Finding[] {
  const tiers = team.tiers ?? ['shared'];
  const models = (team.models ?? []).flatMap((alias, index): Finding[] => {
    const place = [...path, 'models', index];
    const tier = alias === undefined ? undefined : outline.models?.[alias]?.tier;
    if (tier === undefined || tiers.includes(tier)) {
      return reference(alias, place, { what: 'a model of this policy', names: outline.models });
    }
    const expected = `a model of the team's tiers (${tiers.join(', ')}); this one is ${tier}`;
    return [{ path: place, part: 'value', expected }];
  });
  const channels = (team.alerts?.notify ?? []).flatMap((channel, index) =>
    reference(channel, [...path, 'alerts', 'notify', index], {
      what: 'an alert channel of this policy',
      names: outline.alert_channels ?? {},
    }),
  );
  return [...models, ...tierLimitFindings(team, tiers, [...path, 'tier_limits']), ...channels];
}

/** Limits of a tier that the team may not call would look like a permission. */
function tierLimitFindings(
  { tier_limits: limits }: Team,
  tiers: readonly (string | undefined)[],
  path: Path,
): Finding[] {
  return Object.keys(limits ?? {}).flatMap((tier): Finding[] => {
    if (tiers.includes(tier) || !Object.hasOwn(TIERS, tier)) return [];
    const expected = `one of the team's tiers (${tiers.join(', ')})`;
    return [{ path: [...path, tier], part: 'name', expected }];
  });
}

/** Two keys with one secret would be one key with two owners. */
function repeatedSecrets(tenant: Tenant, path: Path, seen: Set<string>): Finding[] {
  return entries(tenant.keys).flatMap(([id, { secret }]): Finding[] => {
    if (secret === undefined || !seen.has(secret)) {
      if (secret !== undefined) seen.add(secret);
      return [];
    }
    return [{ path: [...path, id, 'secret'], part: 'value', expected: 'a secret of its own' }];
  });
}

interface Declared {
  readonly what: string;
  /** Undefined where the section itself is missing or broken, which is reported on its own. */
  readonly names: Readonly<Record<string, unknown>> | undefined;
}

function reference(name: string | undefined, path: Path, { what, names }: Declared): Finding[] {
  if (name === undefined || names === undefined || Object.hasOwn(names, name)) return [];
  return [{ path, part: 'value', expected: what, candidates: Object.keys(names) }];
}

function entries<T>(record: Readonly<Record<string, T | undefined>> | undefined): [string, T][] {
  return Object.entries(record ?? {}).flatMap(([name, value]): [string, T][] =>
    value === undefined ? [] : [[name, value]],
  );
}
