/**
 * What single values cannot show: names that must exist elsewhere in the file, and things that
 * contradict each other. Works on an outline that forgives everything else, so that these findings
 * appear together with all others and not after them.
 */
import { accessFindings } from './access-references.ts';
import { TIERS } from './access-schema.ts';
import {
  entries,
  type FileTeam,
  type FileTenant,
  type Finding,
  type Outline,
  outlineSchema,
  reference,
} from './outline.ts';
import { isListed } from './route-price.ts';
import type { Path } from './yaml-tree.ts';

export function checkReferences(tree: unknown): Finding[] {
  const outline = outlineSchema.parse(tree) ?? {};
  const secrets = new Set<string>();
  return [
    ...modelFindings(outline),
    ...accessFindings(outline),
    ...channelFindings(outline, outline, []),
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

function tenantFindings(outline: Outline, tenant: FileTenant, path: Path): Finding[] {
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
  return [...channelFindings(outline, tenant, path), ...teams, ...projects, ...keys];
}

function teamFindings(outline: Outline, team: FileTeam, path: Path): Finding[] {
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
  const channels = channelFindings(outline, team, path);
  return [...models, ...tierLimitFindings(team, tiers, [...path, 'tier_limits']), ...channels];
}

function channelFindings(outline: Outline, { alerts }: Pick<FileTeam, 'alerts'>, path: Path) {
  return (alerts?.notify ?? []).flatMap((channel, index) =>
    reference(channel, [...path, 'alerts', 'notify', index], {
      what: 'an alert channel of this policy',
      names: outline.alert_channels ?? {},
    }),
  );
}

/** Limits of a tier that the team may not call would look like a permission. */
function tierLimitFindings(
  { tier_limits: limits }: FileTeam,
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
function repeatedSecrets(tenant: FileTenant, path: Path, seen: Set<string>): Finding[] {
  return entries(tenant.keys).flatMap(([id, { secret }]): Finding[] => {
    if (secret === undefined || !seen.has(secret)) {
      if (secret !== undefined) seen.add(secret);
      return [];
    }
    return [{ path: [...path, id, 'secret'], part: 'value', expected: 'a secret of its own' }];
  });
}
