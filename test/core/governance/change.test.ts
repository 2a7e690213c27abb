import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Edit, editPolicy } from '../../../core/governance/change.ts';
import { OBJECT_KINDS, ownerOf, pathOf, schemaOf } from '../../../core/governance/objects.ts';
import { loweredLimits, planRollout } from '../../../core/governance/rollout.ts';
import { at, type Tree } from '../../../core/governance/tree.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { SMALL_POLICY } from '../policy/policy-texts.ts';

const BEFORE = treeOf(SMALL_POLICY);
const SEARCH = ['tenants', 'acme', 'teams', 'search'];

describe('an edit', () => {
  it('replaces exactly one object, with JSON where the file has texts', () => {
    const value = { owner: 'Bo', limits: { requests_per_minute: 60 } };
    const edited = edit({ kind: 'put', path: SEARCH, owner: SEARCH.slice(0, 2), value });
    expect(edited.changes.map(({ path }) => path.slice(4).join('.')).toSorted()).toEqual([
      'alerts',
      'limits.monthly_budget',
      'limits.requests_per_minute',
      'limits.tokens_per_minute',
      'models',
      'owner',
      'tiers',
    ]);
    expect(at(edited.tree, [...SEARCH, 'limits'])).toEqual({ requests_per_minute: '60' });
  });

  it('merges a patch, where null removes', () => {
    const value = { limits: { monthly_budget: null, concurrent_requests: 3 } };
    const { tree } = edit({ kind: 'patch', path: SEARCH, value });
    expect(at(tree, SEARCH)).toMatchObject({
      owner: 'Ada',
      limits: { tokens_per_minute: '50K', concurrent_requests: '3' },
    });
    expect(at(tree, [...SEARCH, 'limits', 'monthly_budget'])).toBeUndefined();
  });

  it('is refused with the path of each error, as in a file', () => {
    const value = { owner: 'Bo', limits: { rpm: 1 }, tiers: ['gold'] };
    const refused = editPolicy(BEFORE, {
      kind: 'put',
      path: SEARCH,
      owner: SEARCH.slice(0, 2),
      value,
    });
    expect(refused).toMatchObject({
      kind: 'invalid',
      errors: [
        { path: 'tenants.acme.teams.search.tiers[0]' },
        { path: 'tenants.acme.teams.search.limits.rpm', found: '"rpm"' },
      ],
    });
  });

  it('removes nothing that others name, and names them', () => {
    expect(editPolicy(BEFORE, { kind: 'remove', path: ['models', 'fast'] })).toMatchObject({
      kind: 'referenced',
      errors: [{ path: 'tenants.acme.teams.search.models[0]', found: '"fast"' }],
    });
    expect(editPolicy(BEFORE, { kind: 'remove', path: ['models', 'none'] })).toEqual({
      kind: 'missing',
      path: 'models.none',
    });
  });

  it('reaches no other object, whatever the ids', () => {
    const id = fc.oneof(
      fc.constantFrom('a#b', '..', '../b', 'a/b', '__proto__', 'constructor', 'é', '\u0000', ''),
      fc.string({ unit: 'binary', maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...OBJECT_KINDS), fc.array(id, { minLength: 3 }), (kind, ids) => {
        const params = { tenantId: 'acme', teamId: ids[0], projectId: ids[0], keyName: ids[0] };
        const place = pathOf(kind, {
          ...Object.fromEntries(Object.entries(params).map(([name, value]) => [name, value ?? ''])),
          alias: ids[1] ?? '',
          providerId: ids[1] ?? '',
          channelId: ids[1] ?? '',
          tier: ids[2] ?? '',
        });
        const made: Edit = {
          kind: 'put',
          path: place,
          owner: ownerOf(kind, place),
          value: { owner: 'x', team: 'search', project: 'web', email: 'a@b.example' },
        };
        const edited = editPolicy(BEFORE, made);
        if (edited.kind !== 'edited') return;
        for (const { path } of edited.changes)
          expect(path.slice(0, place.length)).toEqual(place.slice(0, path.length));
      }),
    );
  });
});

describe('an object kind', () => {
  it.each(OBJECT_KINDS)('$name has the schema that the file has', (kind) => {
    expect(schemaOf(kind).safeParse('no object').success).toBe(false);
  });
});

describe('a rollout', () => {
  const compiled = (text: string) => {
    const parsed = parsePolicy(text, 'p');
    if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
    return compilePolicy(parsed.policy, 1, 0);
  };
  const secret = (digit: string) => `sha256:${digit.repeat(64)}`;
  const withKey = (digit: string) =>
    SMALL_POLICY.replace(
      '        owner: Ada\n        expires',
      `        owner: Ada\n        secret: ${secret(digit)}\n        expires`,
    );

  it('touches only what differs', () => {
    const before = compiled(SMALL_POLICY);
    expect(planRollout([before], before)).toEqual([]);
    const after = compiled(SMALL_POLICY.replace('50K', '60K'));
    expect(planRollout([before], after)).toMatchObject([
      { kind: 'account', scope: { kind: 'team', teamId: 'search' } },
    ]);
    expect(planRollout([undefined], after)).toHaveLength(1);
  });

  it('goes back too, where a version in between may have arrived', () => {
    const before = compiled(SMALL_POLICY);
    const between = compiled(SMALL_POLICY.replace('50K', '60K'));
    expect(planRollout([before, between], before)).toHaveLength(1);
  });

  it('revokes a key whose secret the file names no more, and only that', () => {
    const steps = planRollout([compiled(withKey('a'))], compiled(withKey('b')));
    expect(steps).toMatchObject([
      { kind: 'revoke', keyId: 'vk_aaaaaaaaaaaa' },
      { kind: 'key', keyHash: 'b'.repeat(64) },
    ]);
  });

  it('names the budgets that are lowered or new', () => {
    const after = compiled(
      SMALL_POLICY.replace('$100', '$90').replace('50K\n', '50K\n          daily_quota: 1K\n'),
    );
    expect(loweredLimits(compiled(SMALL_POLICY), after)).toEqual([
      {
        scope: { kind: 'team', tenantId: 'acme', teamId: 'search' },
        limits: [
          { dimension: 'tokensPerDay', limit: 1000 },
          { dimension: 'nanoUsdPerMonth', limit: 90_000_000_000 },
        ],
      },
    ]);
  });
});

function edit(change: Edit) {
  const edited = editPolicy(BEFORE, change);
  if (edited.kind !== 'edited') throw new Error(JSON.stringify(edited));
  return edited;
}

function treeOf(text: string): Tree {
  const parsed = parsePolicy(text, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
  return parsed.tree;
}
