/**
 * A change of the policy: an edit of the tree, judged whole before anything is stored. Whether it came as a file, as
 * one object or from the command line makes no difference here. Pure; who may make it is asked of permissions.ts.
 */
import { checkTree } from '../policy/parse-policy.ts';
import type { PolicyError } from '../policy/policy-error.ts';
import type { Policy } from '../policy/policy-schema.ts';
import { diffTrees, type TreeChange } from './diff.ts';
import {
  at,
  EMPTY,
  fromJson,
  humanPath,
  isMapping,
  type Path,
  put,
  remove,
  type Tree,
} from './tree.ts';

export type Edit =
  /** The whole tree, checked already. */
  | { readonly kind: 'file'; readonly tree: Tree }
  | { readonly kind: 'put'; readonly path: Path; readonly owner: Path; readonly value: unknown }
  /** A merge patch (RFC 7396): null removes a name, mappings are merged, everything else is replaced. */
  | { readonly kind: 'patch'; readonly path: Path; readonly value: unknown }
  | { readonly kind: 'remove'; readonly path: Path };

export type Edited =
  | {
      readonly kind: 'edited';
      readonly tree: Tree;
      readonly policy: Policy;
      readonly changes: readonly TreeChange[];
    }
  | { readonly kind: 'invalid'; readonly errors: readonly PolicyError[] }
  /** Others name what was to be removed: one error for each of them. */
  | { readonly kind: 'referenced'; readonly errors: readonly PolicyError[] }
  | { readonly kind: 'missing'; readonly path: string };

export function editPolicy(before: Tree, edit: Edit): Edited {
  const missing = missingFor(before, edit);
  if (missing !== undefined) return { kind: 'missing', path: humanPath(missing) };
  const edited = editTree(before, edit);
  if (edited.kind === 'refused') return { kind: 'invalid', errors: [errorOf(edited)] };
  const checked = checkTree(edited.tree);
  if (checked.kind === 'invalid')
    return { kind: edit.kind === 'remove' ? 'referenced' : 'invalid', errors: checked.errors };
  const { tree, policy } = checked;
  return { kind: 'edited', tree, policy, changes: diffTrees(before, tree) };
}

function missingFor(tree: Tree, edit: Edit): Path | undefined {
  switch (edit.kind) {
    case 'file':
      return undefined;
    case 'put':
      return at(tree, edit.owner) === undefined ? edit.owner : undefined;
    case 'patch':
    case 'remove':
      return at(tree, edit.path) === undefined ? edit.path : undefined;
  }
}

type EditedTree =
  | { readonly kind: 'tree'; readonly tree: Tree }
  | { readonly kind: 'refused'; readonly path: Path; readonly expected: string };

function editTree(before: Tree, edit: Edit): EditedTree {
  switch (edit.kind) {
    case 'file':
      return { kind: 'tree', tree: edit.tree };
    case 'remove':
      return { kind: 'tree', tree: remove(before, edit.path) };
    case 'put': {
      const read = fromJson(edit.value, edit.path);
      return read.kind === 'refused'
        ? read
        : { kind: 'tree', tree: put(before, edit.path, read.tree) };
    }
    case 'patch': {
      const merged = mergePatch(at(before, edit.path), edit.value, edit.path);
      return merged.kind === 'refused'
        ? merged
        : { kind: 'tree', tree: put(before, edit.path, merged.tree) };
    }
  }
}

function mergePatch(target: Tree | undefined, patch: unknown, path: Path): EditedTree {
  if (!isObject(patch)) return fromJson(patch, path);
  let tree: Tree = isMapping(target) ? target : EMPTY;
  for (const [name, value] of Object.entries(patch)) {
    const place = [...path, name];
    if (name === '__proto__' || place.length > MAX_DEPTH) return fromJson({ [name]: value }, path);
    if (value === null) {
      tree = remove(tree, [name]);
      continue;
    }
    const merged = mergePatch(at(tree, [name]), value, place);
    if (merged.kind === 'refused') return merged;
    tree = put(tree, [name], merged.tree);
  }
  return { kind: 'tree', tree };
}

/** Of a patch's names; what lies deeper is refused by the reading itself. */
const MAX_DEPTH = 16;

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function errorOf({ path, expected }: { path: Path; expected: string }): PolicyError {
  return { path: humanPath(path), expected, found: 'something else' };
}
