/**
 * What a tenant admin or a team lead may change in the policy tree, path by path. A change is taken apart into its
 * leaves, so that it does not matter at which depth it was noted; each leaf has to be named by a rule here, and what
 * it grants must lie within what the tenant, or the team, has been granted by somebody above.
 */
import { DIMENSION_NAMES, type Dimension } from '../limits/dimensions.ts';
import { limits as limitsOfFile, planOf } from '../policy/limits-schema.ts';

/** One place of the tree that differs; `undefined` where there is nothing. */
export interface Change {
  readonly path: readonly string[];
  readonly before: unknown;
  readonly after: unknown;
}

/** The whole tree before and after the changes. */
export interface Trees {
  readonly before: unknown;
  readonly after: unknown;
}

interface Reach {
  readonly tenantId: string;
  /** Of team leads. */
  readonly teamId?: string;
}

/** The paths of the change that the reach does not cover, in dots. */
export function isWithinReach(reach: Reach, change: Change, trees: Trees): readonly string[] {
  return leavesOf(change)
    .filter((leaf) => !isAllowed(reach, leaf, trees))
    .map(({ path }) => path.join('.'));
}

/** A mapping that comes or goes is a change of its own, beside those of what is in it. */
function leavesOf(change: Change): readonly Change[] {
  const { path, before, after } = change;
  if (!isMapping(before) && !isMapping(after)) return [change];
  const names = new Set([...namesOf(before), ...namesOf(after)]);
  const inside = [...names].flatMap((name) => {
    const leaf = { path: [...path, name], before: at(before, [name]), after: at(after, [name]) };
    return same(leaf.before, leaf.after) ? [] : leavesOf(leaf);
  });
  return isMapping(before) && isMapping(after) ? inside : [change, ...inside];
}

function isAllowed(reach: Reach, leaf: Change, trees: Trees): boolean {
  const [top, tenantId, section, name] = leaf.path;
  if (top !== 'tenants' || tenantId !== reach.tenantId || section === undefined) return false;
  if (name === undefined)
    return SECTIONS.includes(section) && (section !== 'teams' || !reach.teamId);
  const place: Place = {
    reach,
    leaf,
    trees,
    tenant: [top, tenantId],
    object: leaf.path.slice(0, 4),
  };
  switch (section) {
    case 'teams':
      return reach.teamId === undefined && isTeamAllowed(place);
    case 'projects':
      return isProjectAllowed(place);
    case 'keys':
      return isKeyAllowed(place);
    default:
      return false;
  }
}

const SECTIONS = ['teams', 'projects', 'keys'];

interface Place {
  readonly reach: Reach;
  readonly leaf: Change;
  readonly trees: Trees;
  /** Path of the tenant. */
  readonly tenant: Path;
  /** Path of the team, project or key that the leaf belongs to. */
  readonly object: Path;
}

type Path = readonly string[];

function isTeamAllowed(place: Place): boolean {
  const { trees, tenant, object } = place;
  const [field, inner] = fieldOf(place);
  if (isRemoved(place)) return true;
  const tenantPath = (name: string) => listAt(trees.before, [...tenant, name]);
  switch (field) {
    case undefined:
    case 'owner':
    case 'cost_center':
    case 'soft_limits':
    // They only forbid, beside those of the tenant.
    case 'tag_rules':
    case 'when_tight':
    case 'max_duration':
      return true;
    case 'tiers':
    case 'models':
      return isSubset(listAt(trees.after, [...object, field]), tenantPath(field));
    case 'limits':
    case 'per_user_limits':
    case 'per_feature_limits':
      return limitsAreWithin(place, [...object, field], [tenant]);
    case 'tier_limits':
    case 'feature_limits':
      return inner === undefined || limitsAreWithin(place, [...object, field, inner], [tenant]);
    case 'alerts':
      return isSubset(
        listAt(trees.after, [...object, 'alerts', 'notify']),
        channelsOf(trees.before, tenant),
      );
    default:
      return false;
  }
}

/** A project may not be taken from another team, nor given to one, by a team's lead. */
function isProjectAllowed(place: Place): boolean {
  const { trees, tenant, object, reach } = place;
  const [field] = fieldOf(place);
  const teams = [trees.before, trees.after].map((tree) => teamOfProject(tree, tenant, object[3]));
  if (!isOwn(teams, reach)) return false;
  if (isRemoved(place) || field === undefined || field === 'team') return true;
  if (field === 'soft_limits') return true;
  return (
    field === 'limits' && limitsAreWithin(place, [...object, field], parentsOf(place, teams[1]))
  );
}

function isKeyAllowed(place: Place): boolean {
  const { trees, tenant, object, reach, leaf } = place;
  const [field, inner] = fieldOf(place);
  const teams = [trees.before, trees.after].map((tree) =>
    teamOfProject(tree, tenant, textAt(tree, [...object, 'project'])),
  );
  if (!isOwn(teams, reach)) return false;
  if (isRemoved(place)) return true;
  const team = [...tenant, 'teams', teams[1] ?? ''];
  switch (field) {
    case undefined:
    case 'project':
    case 'owner':
    case 'features':
    case 'expires':
    case 'soft_limits':
      return true;
    case 'limits':
      return limitsAreWithin(place, [...object, field], parentsOf(place, teams[1]));
    case 'tiers':
    case 'models': {
      const asked = listAt(trees.after, [...object, field]);
      const ofTenant = listAt(trees.before, [...tenant, field]);
      return isSubset(asked, ofTenant) && isSubset(asked, teamsOwn(trees.after, team, field));
    }
    case 'tags':
      return (
        inner !== 'cost_center' ||
        isOwnCostCenter(leaf.after, textAt(trees.after, [...team, 'cost_center']))
      );
    case 'priority':
      return isUsualPriority(leaf.after);
    // A declared hash would make a key of a secret that may be somebody else's: such keys are the platform's.
    default:
      return false;
  }
}

/** Nobody books what a team spends on another's cost center. */
export function isOwnCostCenter(pinned: unknown, ofTeam: string | undefined): boolean {
  return pinned === undefined || pinned === ofTeam;
}

/** At servers that all tenants share, who is served before others is for the platform to say. */
export function isUsualPriority(priority: unknown): boolean {
  return priority === undefined || priority === 'low' || priority === 'normal';
}

function fieldOf({ leaf, object }: Place): readonly [string?, string?] {
  const [field, inner] = leaf.path.slice(object.length);
  return field === undefined ? [] : inner === undefined ? [field] : [field, inner];
}

/** The whole object goes, and each of its leaves with it. */
function isRemoved({ trees, object }: Place): boolean {
  return at(trees.after, object) === undefined;
}

/** Wherever the object is or was, it is the lead's own team's; a tenant admin has all teams. */
function isOwn(teams: readonly (string | undefined)[], { teamId }: Reach): boolean {
  if (teamId === undefined) return true;
  const known = teams.filter((team) => team !== undefined);
  return known.length > 0 && known.every((team) => team === teamId);
}

function teamOfProject(tree: unknown, tenant: Path, project: string | undefined) {
  return project === undefined ? undefined : textAt(tree, [...tenant, 'projects', project, 'team']);
}

function teamsOwn(tree: unknown, team: Path, field: 'tiers' | 'models') {
  return listAt(tree, [...team, field]) ?? (field === 'tiers' ? ['shared'] : undefined);
}

/** Every channel that alerts of the tenant's teams go to already. */
function channelsOf(tree: unknown, tenant: Path): readonly unknown[] {
  const teams = [...tenant, 'teams'];
  return namesOf(at(tree, teams)).flatMap(
    (team) => listAt(tree, [...teams, team, 'alerts', 'notify']) ?? [],
  );
}

function parentsOf({ tenant }: Place, team: string | undefined): readonly Path[] {
  return team === undefined ? [tenant] : [tenant, [...tenant, 'teams', team]];
}

/** Nowhere, at no time of the week, is the limit above that of a parent that has one. */
function limitsAreWithin({ trees }: Place, path: Path, parents: readonly Path[]): boolean {
  const asked = highest(at(trees.after, path));
  return parents.every((parent) => {
    const granted = highest(at(trees.after, [...parent, 'limits']));
    if (asked === undefined || granted === undefined) return false;
    return DIMENSION_NAMES.every(
      (dimension) =>
        asked[dimension] === undefined || asked[dimension] <= (granted[dimension] ?? Infinity),
    );
  });
}

/** The highest that each dimension ever is; undefined where the limits cannot be read. */
function highest(tree: unknown): { readonly [D in Dimension]?: number } | undefined {
  const read = limitsOfFile.safeParse(tree ?? {});
  if (!read.success) return undefined;
  const { schedules = [], ...base } = planOf(read.data, 'UTC');
  const all = [base, ...schedules.map(({ limits }) => limits)];
  return Object.fromEntries(
    DIMENSION_NAMES.flatMap((dimension) => {
      const values = all.flatMap((limits) => limits[dimension] ?? []);
      return values.length === 0 ? [] : [[dimension, Math.max(...values)]];
    }),
  );
}

/** Absent on the left takes what the right has; absent on the right is everything. */
function isSubset(
  asked: readonly unknown[] | undefined,
  granted: readonly unknown[] | undefined,
): boolean {
  return (
    asked === undefined || granted === undefined || asked.every((each) => granted.includes(each))
  );
}

function listAt(tree: unknown, path: Path): readonly unknown[] | undefined {
  const value = at(tree, path);
  return value === undefined ? undefined : Array.isArray(value) ? value : [value];
}

function textAt(tree: unknown, path: Path): string | undefined {
  const value = at(tree, path);
  return typeof value === 'string' ? value : undefined;
}

/** Only what the author wrote: `constructor` is a name that every object seems to have. */
function at(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, name) => (isMapping(value) && Object.hasOwn(value, name) ? value[name] : undefined),
    tree,
  );
}

function namesOf(value: unknown): readonly string[] {
  return isMapping(value) ? Object.keys(value) : [];
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
