import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { policySnapshotSchema } from '../../../core/catalog/snapshot.ts';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../../core/policy/policy-error.ts';
import { accountKey, teamKey } from '../../../core/tenancy/scopes.ts';
import { hashKey, keyIdOf, newVirtualKey } from '../../../core/tenancy/virtual-key.ts';
import { SMALL_POLICY } from './policy-texts.ts';

function compiled(text: string, version = 1) {
  const parsed = parsePolicy(text, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(parsed.errors.map(formatPolicyError).join('\n'));
  return compilePolicy(parsed.policy, version, Date.now());
}

function example(name: string) {
  return compiled(readFileSync(new URL(`../../../examples/${name}`, import.meta.url), 'utf8'));
}

describe('examples/policy.yaml', () => {
  const { snapshot, accounts, keys } = example('policy.yaml');

  it('is a company of five teams', () => {
    expect(Object.keys(snapshot.teams)).toHaveLength(5);
    const search = accounts.find(({ scope }) => accountKey(scope) === 'team/acme/search');
    expect(search?.limits).toMatchObject({
      tokensPerMinute: 50_000,
      requestsPerSecond: 100,
      concurrentRequests: 10,
      tokensPerMonth: 10_000_000,
      nanoUsdPerMonth: 2_000_000_000_000,
    });
  });

  it('limits every level once', () => {
    const kinds = accounts.map(({ scope }) => scope.kind);
    expect(new Set(kinds)).toEqual(
      new Set(['pool', 'tenant', 'project', 'team', 'team-tier', 'feature', 'key']),
    );
    expect(kinds.filter((kind) => kind === 'team')).toHaveLength(5);
    const support = snapshot.teams[teamKey('acme', 'support')];
    expect(support?.perUserLimits).toEqual({
      requestsPerMinute: 20,
      nanoUsdPerDay: 2_000_000_000,
    });
    expect(snapshot.providers['openai']?.limits).toEqual({
      requestsPerMinute: 850,
      tokensPerMinute: 25_500_000,
    });
    expect(keys.find(({ name }) => name === 'search-nightly')?.limits).not.toEqual({});
  });

  it('has models of every tier and keys with their owners', () => {
    expect(new Set(Object.values(snapshot.models).map(({ tier }) => tier))).toEqual(
      new Set(['shared', 'premium', 'experimental']),
    );
    expect(keys.map(({ name, teamId, owner }) => [name, teamId, owner])).toEqual([
      ['search-production', 'search', 'search-lead@example.com'],
      ['search-nightly', 'search', 'search-lead@example.com'],
    ]);
  });

  it('alerts at the default percents where a team names none', () => {
    expect(snapshot.teams[teamKey('acme', 'support')]?.alertAtPercent).toEqual([50, 70, 80, 100]);
    expect(snapshot.teams[teamKey('acme', 'research')]?.alertAtPercent).toEqual([80, 90, 100]);
  });
});

describe('examples/fifty-thousand.yaml', () => {
  it('spreads exactly $50,000 a month over ten teams', () => {
    const budgets = example('fifty-thousand.yaml').accounts.map(
      ({ limits }) => limits.nanoUsdPerMonth ?? 0,
    );
    expect(budgets).toHaveLength(10);
    expect(budgets.reduce((sum, budget) => sum + budget, 0)).toBe(50_000_000_000_000);
  });
});

describe('a compiled policy', () => {
  it('is a snapshot of the request path', () => {
    const { snapshot } = compiled(SMALL_POLICY, 7);
    expect(policySnapshotSchema.parse(snapshot)).toEqual(snapshot);
    expect(snapshot.version).toBe(7);
    expect(snapshot.models['fast']?.routes[0]?.price).toEqual({
      version: 'policy-7',
      input: 100_000,
      output: 400_000,
    });
    expect(snapshot.models['clever']?.routes[0]).toEqual({
      provider: 'main',
      model: 'big-1',
      free: true,
    });
    expect(snapshot.projects).toEqual([{ id: 'web', tenantId: 'acme', teamId: 'search' }]);
  });

  it('has each alert percent once, in order', () => {
    const text = SMALL_POLICY.replace('[80]', '[100, 50%, 50]');
    expect(compiled(text).snapshot.teams[teamKey('acme', 'search')]?.alertAtPercent).toEqual([
      50, 100,
    ]);
  });

  it('gives an account to a key whose secret exists, and to no other', () => {
    const secretHash = hashKey(newVirtualKey());
    const text = SMALL_POLICY.replace(
      '        expires:',
      `        secret: sha256:${secretHash}\n        limits: { concurrent_requests: 2 }\n        expires:`,
    );
    const withSecret = compiled(text);
    expect(withSecret.keys[0]).toMatchObject({ secretHash, expiresAtMs: Date.UTC(2027, 0, 31) });
    expect(withSecret.accounts.at(-1)).toEqual({
      scope: { kind: 'key', keyId: keyIdOf(secretHash) },
      limits: { concurrentRequests: 2 },
    });
    expect(compiled(SMALL_POLICY).accounts.map(({ scope }) => scope.kind)).toEqual(['team']);
  });
});
