import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyDiff, diffTrees, showChange } from '../../../core/governance/diff.ts';
import {
  at,
  fromJson,
  humanPath,
  isMapping,
  namesOf,
  put,
  remove,
  type Tree,
} from '../../../core/governance/tree.ts';

/** What people and attackers write where a name belongs. */
const names = fc.oneof(
  fc.constantFrom('a', 'b', 'a#b', 'a.b', '..', '.', 'a/b', '', '\u0000', 'é', '\u{1f600}', '"'),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'a"."b', '0'),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const paths = fc.array(names, { minLength: 1, maxLength: 4 });
const trees = fc.letrec<{ tree: Tree; mapping: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.string({ maxLength: 3 }),
    fc.array(tie('tree'), { maxLength: 3 }),
    tie('mapping'),
  ),
  mapping: fc
    .array(fc.tuple(names, tie('tree')), { maxLength: 4 })
    .map((entries) => Object.fromEntries(entries)),
}));

describe('a path of the tree', () => {
  it('leads to what was put there and nowhere else, whatever its names', () => {
    fc.assert(
      fc.property(trees.mapping, paths, paths, trees.tree, (tree, path, other, value) => {
        const after = put(tree, path, value);
        expect(at(after, path)).toEqual(value);
        const isApart = !startsWith(path, other) && !startsWith(other, path);
        if (isApart && isReachable(tree, path)) expect(at(after, other)).toEqual(at(tree, other));
        expect(at(remove(after, path), path)).toBeUndefined();
      }),
    );
  });

  it('finds only what the author wrote', () => {
    for (const name of ['__proto__', 'constructor', 'toString'])
      expect(at({ a: {} }, ['a', name])).toBeUndefined();
    put({}, ['__proto__', 'polluted'], 'yes');
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted');
  });

  it('reads differently from every other path', () => {
    fc.assert(
      fc.property(paths, paths, (a, b) => {
        expect(humanPath(a) === humanPath(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
    expect(humanPath(['models', 'gpt-4.1', 'tier'])).toBe('models."gpt-4.1".tier');
  });
});

describe('a difference', () => {
  it('leads from one tree to the other', () => {
    fc.assert(
      fc.property(trees.mapping, trees.mapping, (before, after) => {
        expect(applyDiff(before, diffTrees(before, after))).toEqual(after);
      }),
    );
  });

  it('is empty exactly between trees that are the same', () => {
    fc.assert(
      fc.property(trees.mapping, (tree) => {
        const turned = isMapping(tree)
          ? Object.fromEntries(Object.entries(tree).toReversed())
          : tree;
        expect(diffTrees(tree, turned)).toEqual([]);
        for (const name of namesOf(tree))
          expect(diffTrees(tree, remove(tree, [name]))).toHaveLength(1);
      }),
    );
  });

  it('shows each change where it happened', () => {
    const before = { teams: { a: { owner: 'x', limits: { rpm: '1' } }, b: { owner: 'y' } } };
    const after = { teams: { a: { owner: 'x', limits: { rpm: '2' } }, c: { owner: 'z' } } };
    expect(diffTrees(before, after).map(showChange)).toEqual([
      { kind: 'change', path: 'teams.a.limits.rpm', before: '1', after: '2' },
      { kind: 'remove', path: 'teams.b', before: { owner: 'y' } },
      { kind: 'add', path: 'teams.c', after: { owner: 'z' } },
    ]);
  });
});

describe('JSON as a tree', () => {
  it('has the texts that an author would write', () => {
    expect(fromJson({ limits: { rpm: 5, price: 0.25 }, free: true, list: [1, 'a'] })).toEqual({
      kind: 'tree',
      tree: { limits: { rpm: '5', price: '0.25' }, free: 'true', list: ['1', 'a'] },
    });
  });

  it('is refused where it says nothing, or would say it to every object', () => {
    expect(fromJson({ a: [null] })).toEqual({
      kind: 'refused',
      path: ['a', '0'],
      expected: 'a value',
    });
    expect(fromJson(JSON.parse('{"a": {"__proto__": {"b": 1}}}'))).toMatchObject({
      kind: 'refused',
      path: ['a', '__proto__'],
    });
    const deep = JSON.parse(`${'{"a":'.repeat(100)}1${'}'.repeat(100)}`);
    expect(fromJson(deep)).toMatchObject({ kind: 'refused', expected: 'at most 16 levels' });
  });
});

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.every((name, index) => path[index] === name);
}

/** False where putting something there replaces a text or a list above it. */
function isReachable(tree: Tree, path: readonly string[]): boolean {
  return path.every((_, index) => {
    const above = at(tree, path.slice(0, index));
    return above === undefined || isMapping(above);
  });
}
