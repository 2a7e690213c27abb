import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accountKey, type Scope, scopeLabel } from '../../../core/tenancy/scopes.ts';

/** Any UTF-16 code units, lone surrogates too; and texts that try to look like parts of a key. */
const text = fc.oneof(
  fc.array(fc.nat(0xffff), { maxLength: 80 }).map((units) => String.fromCharCode(...units)),
  fc.string({ unit: fc.constantFrom('/', '%', '~', 'a', '2', 'F', ':', '\n'), maxLength: 70 }),
);
const tier = fc.constantFrom('shared' as const, 'premium' as const, 'experimental' as const);

function scopesIn(tenantId: fc.Arbitrary<string>, teamId: fc.Arbitrary<string>) {
  const kind = <K extends Scope['kind']>(name: K) => fc.constant(name);
  return fc.oneof(
    fc.record({ kind: kind('tenant'), tenantId }),
    fc.record({ kind: kind('team'), tenantId, teamId }),
    fc.record({ kind: kind('team-tier'), tenantId, teamId, tier }),
    fc.record({ kind: kind('project'), tenantId, projectId: text }),
    fc.record({ kind: kind('key'), keyId: text }),
    fc.record({ kind: kind('user'), tenantId, teamId, userId: text }),
    fc.record({ kind: kind('feature'), tenantId, teamId, feature: text }),
    fc.record({ kind: kind('pool'), providerId: text }),
  );
}

describe('the account key of a scope', () => {
  it('is another one for every other scope, whatever the names', () => {
    const scopes = scopesIn(text, text);
    fc.assert(
      fc.property(scopes, scopes, (a, b) => {
        expect(accountKey(a) === accountKey(b)).toBe(same(a, b));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['a name with a separator', 'a/b', 'a'],
    ['half a character', '\ud800', '\ud801'],
    ['half a character and its replacement', '\ud800', '\ufffd'],
    ['long names that end differently', `${'x'.repeat(300)}1`, `${'x'.repeat(300)}2`],
    ['a name that looks like a hash', '%~abc', '~abc'],
  ])('tells %s from another', (_, one, other) => {
    const user = (userId: string) =>
      accountKey({ kind: 'user', tenantId: 't', teamId: 'e', userId });
    expect(user(one)).not.toBe(user(other));
  });

  it('is not reached by calling oneself after the hash of a long name', () => {
    const user = (userId: string) =>
      accountKey({ kind: 'user', tenantId: 't', teamId: 'e', userId });
    const long = user('x'.repeat(300));
    const hash = long.slice('user/t/e/'.length);
    expect([user(hash), user(hash.slice(1)), user(hash.slice(2))]).not.toContain(long);
  });

  it('stays short and well-formed whatever a caller calls itself', () => {
    fc.assert(
      fc.property(text, fc.nat(2_000), (userId, length) => {
        const long = userId + 'y'.repeat(length);
        const key = accountKey({ kind: 'user', tenantId: 'acme', teamId: 'search', userId: long });
        expect(key.isWellFormed()).toBe(true);
        expect(Buffer.byteLength(key)).toBeLessThanOrEqual('user/acme/search/'.length + 3 * 64);
      }),
    );
  });
});

describe('the label of a scope', () => {
  it('is another one for every other scope of the same team', () => {
    const scopes = scopesIn(fc.constant('acme'), fc.constant('search'));
    fc.assert(
      fc.property(scopes, scopes, (a, b) => {
        expect(scopeLabel(a) === scopeLabel(b)).toBe(same(a, b));
      }),
      { numRuns: 2_000 },
    );
  });

  it('keeps what callers write on one printable line', () => {
    fc.assert(
      fc.property(text, (userId) => {
        const label = scopeLabel({ kind: 'user', tenantId: 'acme', teamId: 'search', userId });
        expect(label).toMatch(/^user:\P{Cc}*$/u);
      }),
    );
  });

  it('names the kind, and a pool by its provider', () => {
    const team = { tenantId: 'acme', teamId: 'search' };
    expect(scopeLabel({ kind: 'pool', providerId: 'openai' })).toBe('provider:openai');
    expect(scopeLabel({ kind: 'team-tier', ...team, tier: 'premium' })).toBe(
      'team-tier:search/premium',
    );
    expect(scopeLabel({ kind: 'user', ...team, userId: 'ann@example.com' })).toBe(
      'user:ann@example.com',
    );
  });
});

function same(a: Scope, b: Scope): boolean {
  const text = (scope: Scope) => JSON.stringify(Object.entries(scope).toSorted());
  return text(a) === text(b);
}
