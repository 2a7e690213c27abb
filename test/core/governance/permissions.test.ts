import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  forbiddenPaths,
  isWellFormed,
  mayDo,
  mayGrant,
  OF_THE_RECORD,
  PERMISSIONS,
} from '../../../core/governance/permissions.ts';
import { type Principal, ROLES } from '../../../core/governance/principal.ts';

const ADMIN: Principal = { id: 'a', name: 'a', role: 'tenant-admin', tenantId: 'acme' };
const LEAD: Principal = { ...ADMIN, role: 'team-lead', teamId: 'search' };
const PLATFORM: Principal = { id: 'p', name: 'p', role: 'platform-admin' };

const TREE = {
  time_zone: 'UTC',
  providers: { own: { kind: 'vllm', secret: 'own' } },
  models: { fast: { tier: 'shared' }, big: { tier: 'premium' } },
  alert_channels: { ours: { email: 'a@b.c' }, theirs: { email: 'd@e.f' } },
  tenants: {
    acme: {
      limits: { monthly_budget: '$100' },
      tiers: ['shared', 'premium'],
      models: ['fast', 'big'],
      teams: {
        search: {
          owner: 'ann',
          cost_center: 'CC-1',
          limits: { monthly_budget: '$50' },
          tiers: ['shared'],
          alerts: { notify: ['ours'] },
        },
        support: { owner: 'bob' },
      },
      projects: { web: { team: 'search' }, desk: { team: 'support' } },
      keys: { one: { project: 'web', owner: 'ann' }, two: { project: 'desk', owner: 'bob' } },
    },
    other: { limits: {}, teams: { lab: { owner: 'eve', alerts: { notify: ['theirs'] } } } },
  },
};
type Tree = Readonly<Record<string, unknown>>;

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function at(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) => (isTree(value) && Object.hasOwn(value, name) ? value[name] : undefined),
    tree,
  );
}

function edited(tree: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value;
  const old = isTree(tree) ? tree : {};
  const next = edited(at(old, [name]), rest, value);
  const { [name]: _, ...others } = old;
  return next === undefined ? others : { ...others, [name]: next };
}

/** What the principal may not do of one edit. */
function forbidden(who: Principal, path: readonly string[], value: unknown, tree: unknown = TREE) {
  const after = edited(tree, path, value);
  return forbiddenPaths(who, [{ path, before: at(tree, path), after: value }], {
    before: tree,
    after,
  });
}

describe('a tenant admin', () => {
  const acme = (...path: string[]) => ['tenants', 'acme', ...path];
  it.each([
    ['a new team', acme('teams', 'new'), { owner: 'x', limits: { monthly_budget: '$100' } }],
    ['a team gone', acme('teams', 'support'), undefined],
    ['a tier that the tenant has', acme('teams', 'search', 'tiers'), ['shared', 'premium']],
    ['a project to another team', acme('projects', 'web', 'team'), 'support'],
    [
      'a key',
      acme('keys', 'three'),
      { project: 'web', owner: 'x', limits: { monthly_budget: '$9' } },
    ],
    ['a channel in use here', acme('teams', 'support', 'alerts', 'notify'), ['ours']],
  ])('makes %s', (_, path, value) => {
    expect(forbidden(ADMIN, path, value)).toEqual([]);
  });

  it.each([
    ['the tenant itself', acme(), undefined],
    ['its budget', acme('limits', 'monthly_budget'), '$101'],
    ['its allow-list', acme('tiers'), ['shared', 'premium', 'experimental']],
    ['what is not known here', acme('data_may_go_to'), undefined],
    ['a tier that the tenant has not', acme('teams', 'search', 'tiers'), ['experimental']],
    ['a budget above the tenant’s', acme('teams', 'support', 'limits'), { monthly_budget: '$101' }],
    [
      'a budget above the tenant’s at night',
      acme('teams', 'support', 'limits'),
      {
        schedules: [
          { days: 'mon', from: '00:00', to: '01:00', limits: { monthly_budget: '$101' } },
        ],
      },
    ],
    ['another’s channel', acme('teams', 'support', 'alerts', 'notify'), ['theirs']],
    ['a key of a secret that exists', acme('keys', 'one', 'secret'), `sha256:${'0'.repeat(64)}`],
    ['a key served before others', acme('keys', 'one', 'priority'), 'high'],
    ['a provider', ['providers', 'own', 'secret'], 'x'],
    ['a price', ['models', 'fast', 'routes'], []],
    ['another tenant', ['tenants', 'other', 'teams', 'lab', 'owner'], 'x'],
    ['a new tenant', ['tenants', 'new'], { teams: {} }],
    ['the time zone', ['time_zone'], 'Europe/Berlin'],
    ['a channel', ['alert_channels', 'theirs', 'email'], 'x@y.z'],
  ])('does not change %s', (_, path, value) => {
    expect(forbidden(ADMIN, path, value)).not.toEqual([]);
  });

  it('is told each leaf that is forbidden, however the change is written', () => {
    const { acme: _, ...others } = TREE.tenants;
    const after = { ...TREE, tenants: others };
    const whole = [{ path: [], before: TREE, after }];
    expect(forbiddenPaths(ADMIN, whole, { before: TREE, after })).toEqual(
      expect.arrayContaining(['tenants.acme', 'tenants.acme.limits.monthly_budget']),
    );
  });
});

describe('a team lead', () => {
  const acme = (...path: string[]) => ['tenants', 'acme', ...path];
  it.each([
    ['a project of the team', acme('projects', 'new'), { team: 'search' }],
    ['a key of the team', acme('keys', 'new'), { project: 'web', owner: 'x', features: ['f'] }],
    ['limits within the team’s', acme('keys', 'one', 'limits'), { monthly_budget: '$50' }],
    ['the team’s cost center', acme('keys', 'one', 'tags', 'cost_center'), 'CC-1'],
  ])('makes %s', (_, path, value) => {
    expect(forbidden(LEAD, path, value)).toEqual([]);
  });

  it.each([
    ['the team', acme('teams', 'search', 'owner'), 'x'],
    ['its tiers', acme('teams', 'search', 'tiers'), ['shared', 'premium']],
    ['another team’s project', acme('projects', 'desk', 'team'), 'search'],
    ['a project given away', acme('projects', 'web', 'team'), 'support'],
    ['another team’s key', acme('keys', 'two', 'owner'), 'x'],
    ['another team’s key, by its project', acme('keys', 'two', 'project'), 'web'],
    ['a project of no team', acme('projects', 'new'), { team: 'none' }],
    ['limits above the team’s', acme('keys', 'one', 'limits'), { monthly_budget: '$51' }],
    ['a tier that the team has not', acme('keys', 'one', 'tiers'), ['premium']],
    ['another’s cost center', acme('keys', 'one', 'tags', 'cost_center'), 'CC-2'],
  ])('does not change %s', (_, path, value) => {
    expect(forbidden(LEAD, path, value)).not.toEqual([]);
  });
});

const name = fc.constantFrom(
  'acme',
  'other',
  'search',
  'support',
  'web',
  'desk',
  'one',
  'new',
  '__proto__',
  'a#b',
);
const part = fc.constantFrom(
  ...['tenants', 'teams', 'projects', 'keys', 'limits', 'tiers', 'models', 'providers', 'alerts'],
  ...['notify', 'monthly_budget', 'team', 'project', 'secret', 'priority', 'tags', 'cost_center'],
);
const path = fc.oneof(
  fc
    .tuple(fc.constantFrom('teams', 'projects', 'keys'), name, fc.array(part, { maxLength: 2 }))
    .map(([section, object, rest]) => ['tenants', 'acme', section, object, ...rest]),
  fc.array(fc.oneof(name, part), { minLength: 1, maxLength: 6 }),
);
const value = fc.constantFrom<unknown>(
  ...[undefined, '$10', '$1K', 'search', 'support', 'web', 'desk', 'high', 'CC-2', {}, ['premium']],
  ...[
    ['experimental'],
    ['theirs'],
    { team: 'search' },
    { project: 'web' },
    { monthly_budget: '$999' },
  ],
);

describe('no sequence of changes', () => {
  it.each([ADMIN, LEAD])('takes a $role beyond what was granted from above', (who) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(path, value), { maxLength: 12 }), (edits) => {
        let tree: unknown = TREE;
        for (const [where, what] of edits)
          if (forbidden(who, where, what, tree).length === 0) tree = edited(tree, where, what);
        const inside = ['teams', 'projects', 'keys'].map((section) => ['tenants', 'acme', section]);
        const outside = (whole: unknown) =>
          inside.reduce((rest, section) => edited(rest, section, undefined), whole);
        expect(outside(tree)).toEqual(outside(TREE));
        const each = (section: string) => {
          const objects = at(tree, ['tenants', 'acme', section]);
          return Object.values(isTree(objects) ? objects : {});
        };
        for (const key of each('keys')) {
          expect(at(key, ['secret'])).toBe(undefined);
          expect(at(key, ['priority'])).not.toBe('high');
          expect(at(key, ['tags', 'cost_center'])).not.toBe('CC-2');
        }
        for (const team of each('teams')) {
          expect(at(team, ['tiers'])).not.toEqual(['experimental']);
          expect(at(team, ['alerts', 'notify'])).not.toEqual(['theirs']);
        }
        for (const object of ['keys', 'teams', 'projects'].flatMap(each))
          expect(['$1K', '$999']).not.toContain(at(object, ['limits', 'monthly_budget']));
        if (who === LEAD) {
          expect(at(tree, ['tenants', 'acme', 'teams'])).toEqual(TREE.tenants.acme.teams);
          expect(at(tree, ['tenants', 'acme', 'projects', 'desk'])).toEqual({ team: 'support' });
          expect(at(tree, ['tenants', 'acme', 'keys', 'two'])).toEqual(TREE.tenants.acme.keys.two);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it.each(['finance', 'auditor'] as const)('is anything that %s makes', (role) => {
    fc.assert(
      fc.property(path, value, (where, what) => {
        const who: Principal = { id: 'x', name: 'x', role };
        fc.pre(at(TREE, where) !== what);
        expect(forbidden(who, where, what)).not.toEqual([]);
      }),
    );
  });
});

const reach = fc.record(
  { tenantId: fc.constantFrom('acme', 'other'), teamId: fc.constantFrom('search', 'lab') },
  { requiredKeys: [] },
);
const someone = fc
  .tuple(fc.constantFrom(...ROLES), reach)
  .map(([role, where]): Principal => ({ id: 'x', name: 'x', role, ...where }));

describe('a principal', () => {
  it('is given no right that who made it has not, wherever', () => {
    fc.assert(
      fc.property(someone, someone, reach, (giver, given, target) => {
        if (!mayGrant(giver, given)) return;
        for (const permission of PERMISSIONS)
          if (mayDo(given, permission, target)) expect(mayDo(giver, permission, target)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  it('may do nothing in another tenant, nor with a reach that its role does not have', () => {
    fc.assert(
      fc.property(someone, fc.constantFrom(...PERMISSIONS), (who, permission) => {
        const foreign = { tenantId: 'third', teamId: 'search' };
        if (who.tenantId !== undefined) expect(mayDo(who, permission, foreign)).toBe(false);
        if (isWellFormed(who)) return;
        expect(mayDo(who, permission, OF_THE_RECORD)).toBe(false);
        expect(
          forbiddenPaths(who, [{ path: ['x'], before: 1, after: 2 }], { before: {}, after: {} }),
        ).toEqual(['x']);
      }),
    );
  });

  it('of the platform changes everything', () => {
    expect(forbidden(PLATFORM, ['providers', 'own'], undefined)).toEqual([]);
  });
});
