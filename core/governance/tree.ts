/**
 * The policy as one tree: mappings and lists whose leaves are the author's texts. The file, the admin API and the
 * command line all change this tree and nothing else (ADR 0021). Reads and edits it by path; a path is a list of
 * names and never a text that has to be taken apart, so that no choice of names leads anywhere else.
 */

export type Path = readonly string[];

export interface Mapping {
  readonly [name: string]: Tree;
}
export type Tree = string | readonly Tree[] | Mapping;

export const EMPTY: Mapping = {};

/** What stands at the path; only what the author wrote, since every object seems to have a `constructor`. */
export function at(tree: Tree | undefined, path: Path): Tree | undefined {
  return path.reduce<Tree | undefined>(
    (value, name) => (isMapping(value) && Object.hasOwn(value, name) ? value[name] : undefined),
    tree,
  );
}

/** The tree with the value at the path; mappings above it are made where there are none. */
export function put(tree: Tree | undefined, path: Path, value: Tree): Tree {
  const [name, ...rest] = path;
  if (name === undefined) return value;
  const mapping = isMapping(tree) ? tree : EMPTY;
  return { ...mapping, [name]: put(at(mapping, [name]), rest, value) };
}

/** The tree without what stands at the path. Mappings that become empty stay: an empty one may mean something. */
export function remove(tree: Tree, path: Path): Tree {
  const [name, ...rest] = path;
  const inside = name === undefined ? undefined : at(tree, [name]);
  if (name === undefined || inside === undefined || !isMapping(tree)) return tree;
  if (rest.length > 0) return { ...tree, [name]: remove(inside, rest) };
  return Object.fromEntries(Object.entries(tree).filter(([each]) => each !== name));
}

export function namesOf(tree: Tree | undefined): readonly string[] {
  return isMapping(tree) ? Object.keys(tree) : [];
}

export function isMapping(value: Tree | undefined): value is Mapping {
  return typeof value === 'object' && !Array.isArray(value);
}

/** `tenants.acme.teams.search`; a name with other characters stands in quotes, so that no two paths read the same. */
export function humanPath(path: Path): string {
  return path.map((name) => (PLAIN.test(name) ? name : JSON.stringify(name))).join('.');
}

const PLAIN = /^[A-Za-z0-9_-]+$/;

/** What JSON says as a tree: numbers and booleans become the texts that their authors would write. */
export type FromJson =
  | { readonly kind: 'tree'; readonly tree: Tree }
  | { readonly kind: 'refused'; readonly path: Path; readonly expected: string };

const MAX_DEPTH = 16;

export function fromJson(json: unknown, path: Path = []): FromJson {
  if (path.length > MAX_DEPTH) return refused(path, `at most ${MAX_DEPTH} levels`);
  if (typeof json === 'string') return { kind: 'tree', tree: json };
  if (typeof json === 'boolean') return { kind: 'tree', tree: String(json) };
  if (typeof json === 'number')
    return Number.isFinite(json)
      ? { kind: 'tree', tree: String(json) }
      : refused(path, 'a finite number');
  if (typeof json !== 'object' || json === null) return refused(path, 'a value');
  const entries: [string, Tree][] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === '__proto__') return refused([...path, name], 'a plain name');
    const inside = fromJson(value, [...path, name]);
    if (inside.kind === 'refused') return inside;
    entries.push([name, inside.tree]);
  }
  const tree = Array.isArray(json)
    ? entries.map(([, value]) => value)
    : Object.fromEntries(entries);
  return { kind: 'tree', tree };
}

function refused(path: Path, expected: string): FromJson {
  return { kind: 'refused', path, expected };
}
