/** What differs between two policy trees, path by path, and how a person reads it. */
import type { Change } from './permissions.ts';
import { at, humanPath, isMapping, namesOf, put, remove, type Tree } from './tree.ts';

export interface TreeChange extends Change {
  readonly before: Tree | undefined;
  readonly after: Tree | undefined;
}

/**
 * The changes that lead from one tree to the other, in the order of names. An object that comes or goes is one
 * change; a list is compared whole, because its order means something (routes are tried in it).
 */
export function diffTrees(
  before: Tree | undefined,
  after: Tree | undefined,
  path: readonly string[] = [],
): TreeChange[] {
  if (isMapping(before) && isMapping(after)) {
    const names = new Set([...namesOf(before), ...namesOf(after)]);
    return [...names]
      .toSorted()
      .flatMap((name) => diffTrees(at(before, [name]), at(after, [name]), [...path, name]));
  }
  return isSame(before, after) ? [] : [{ path, before, after }];
}

export function applyDiff(tree: Tree, changes: readonly TreeChange[]): Tree {
  return changes.reduce(
    (result, { path, after }) =>
      after === undefined ? remove(result, path) : put(result, path, after),
    tree,
  );
}

/** A change as the API and the command line show it. */
export interface ShownChange {
  readonly kind: 'add' | 'change' | 'remove';
  readonly path: string;
  readonly before?: Tree;
  readonly after?: Tree;
}

export function showChange({ path, before, after }: TreeChange): ShownChange {
  const kind = before === undefined ? 'add' : after === undefined ? 'remove' : 'change';
  return {
    kind,
    path: humanPath(path),
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

/** Names of a mapping have no order; what a list holds does. */
function isSame(a: Tree | undefined, b: Tree | undefined): boolean {
  if (isList(a) && isList(b))
    return a.length === b.length && a.every((each, index) => isSame(each, b[index]));
  if (isMapping(a) && isMapping(b)) return diffTrees(a, b).length === 0;
  return a === b;
}

function isList(value: Tree | undefined): value is readonly Tree[] {
  return Array.isArray(value);
}
