import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../../core/policy/policy-error.ts';
import { shareOf } from '../../../core/policy/policy-schema.ts';
import { teamKey } from '../../../core/tenancy/scopes.ts';
import { broken } from './policy-texts.ts';

const TEAM = 'tenants.acme.teams.search';
const BUDGET = 'monthly_budget: $100';

/** The small policy with one more line under the team's limits, or under the team. */
function withLimit(line: string) {
  return broken(BUDGET, `${BUDGET}\n          ${line}`);
}

function withTeam(line: string) {
  return broken('        limits:', `        ${line}\n        limits:`);
}

function errorsOf(text: string) {
  const parsed = parsePolicy(text, 'policy.yaml');
  return parsed.kind === 'invalid' ? parsed.errors : [];
}

function snapshotOf(text: string) {
  const parsed = parsePolicy(text, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(parsed.errors.map(formatPolicyError).join('\n'));
  return compilePolicy(parsed.policy, 1, Date.now()).snapshot;
}

function teamOf(text: string) {
  return snapshotOf(text).teams[teamKey('acme', 'search')];
}

function schedule(fields: string): string {
  return `schedules: [{ ${fields}, limits: { requests_per_minute: 5 } }]`;
}

describe('a schedule', () => {
  it('has the time zone of the policy, or its own', () => {
    const own = 'time_zone: America/New_York';
    const { text } = withLimit(
      `schedules:
            - { days: mon-fri, from: "08:00", to: "18:00", limits: { requests_per_minute: 5 } }
            - { days: [sat, sun], from: 22:00, to: 06:30, ${own}, limits: { monthly_budget: $7 } }`,
    );
    expect(teamOf(text)?.limits).toEqual({
      tokensPerMinute: 50_000,
      nanoUsdPerMonth: 100_000_000_000,
      schedules: [
        {
          days: [1, 2, 3, 4, 5],
          fromMinute: 480,
          toMinute: 1080,
          timeZone: 'Europe/Berlin',
          limits: { requestsPerMinute: 5 },
        },
        {
          days: [6, 7],
          fromMinute: 1320,
          toMinute: 390,
          timeZone: 'America/New_York',
          limits: { nanoUsdPerMonth: 7_000_000_000 },
        },
      ],
    });
  });

  it.each([
    ['fri-mon', [1, 5, 6, 7]],
    ['wed', [3]],
    ['[mon, tue-wed, tue]', [1, 2, 3]],
    ['mon-sun', [1, 2, 3, 4, 5, 6, 7]],
  ])('is on the days %s', (days, numbers) => {
    const { text } = withLimit(schedule(`days: ${days}, from: 08:00, to: 18:00`));
    expect(teamOf(text)?.limits.schedules?.[0]?.days).toEqual(numbers);
  });

  it.each([
    ['00:00', '24:00', 0, 1440],
    ['18:00', '00:00', 1080, 1440],
    ['24:00', '06:00', 0, 360],
  ])('may begin and end at midnight: %s to %s', (from, to, fromMinute, toMinute) => {
    const { text } = withLimit(schedule(`days: mon, from: ${from}, to: ${to}`));
    expect(teamOf(text)?.limits.schedules?.[0]).toMatchObject({ fromMinute, toMinute });
  });

  it.each([
    ['days: [mon, tus], from: 08:00, to: 18:00', 'days[1]', '"tus"'],
    ['days: monday, from: 08:00, to: 18:00', 'days', '"monday"'],
    ['days: [], from: 08:00, to: 18:00', 'days', 'a list of 0'],
    ['days: mon-tue-wed, from: 08:00, to: 18:00', 'days', '"mon-tue-wed"'],
    ['from: 08:00, to: 18:00', 'days', 'nothing'],
    ['days: mon, from: 8, to: 18:00', 'from', '"8"'],
    ['days: mon, from: 08:60, to: 18:00', 'from', '"08:60"'],
    ['days: mon, from: 08:00, to: 24:01', 'to', '"24:01"'],
    ['days: mon, from: 08:00, to: 08:00', 'to', '"08:00"'],
    ['days: mon, from: 08:00, to: 18:00, time_zone: Berlin', 'time_zone', '"Berlin"'],
  ])('{ %s } is one error, at its path', (fields, path, found) => {
    const { text, line } = withLimit(schedule(fields));
    expect(errorsOf(text)).toMatchObject([
      { line: line + 1, path: `${TEAM}.limits.schedules[0].${path}`, found },
    ]);
  });

  it('that limits nothing is an error, and so is a ninth one', () => {
    const empty = '{ days: mon, from: 08:00, to: 18:00, limits: {} }';
    expect(errorsOf(withLimit(`schedules: [${empty}]`).text)).toMatchObject([
      { path: `${TEAM}.limits.schedules[0].limits`, expected: 'at least one limit' },
    ]);
    const full = empty.replace('{}', '{ daily_quota: 1 }');
    expect(
      errorsOf(withLimit(`schedules: [${Array(9).fill(full).join(', ')}]`).text),
    ).toMatchObject([{ path: `${TEAM}.limits.schedules`, expected: 'at most 8 schedules' }]);
  });
});

describe('a name that is nearly right', () => {
  it.each([
    [withLimit('schedule: []'), `${TEAM}.limits.schedule`, 'schedules'],
    [withLimit(schedule('days: tus, from: 08:00, to: 18:00')), undefined, 'tue'],
    [withTeam('per_user_limit: {}'), `${TEAM}.per_user_limit`, 'per_user_limits'],
    [withTeam('tier_limits: { shard: {} }'), `${TEAM}.tier_limits.shard`, 'shared'],
    [withTeam('soft_limits: { daily_budjet: $1 }'), undefined, 'daily_budget'],
    [broken('secret: main-key', 'use_at_mots: 80%'), 'providers.main.use_at_mots', 'use_at_most'],
  ])('%# is suggested', ({ text }, path, suggestion) => {
    const errors = errorsOf(text);
    expect(errors).toMatchObject([{ suggestion, ...(path === undefined ? {} : { path }) }]);
  });

  it('is refused in soft limits, which have no schedules', () => {
    expect(errorsOf(withTeam('soft_limits: { schedules: [] }').text)).toMatchObject([
      { path: `${TEAM}.soft_limits.schedules` },
    ]);
  });
});

describe('limits of a tier', () => {
  it('are refused for a tier that the team does not have', () => {
    const { text, line } = withTeam('tier_limits: { premium: { daily_budget: $1 } }');
    expect(errorsOf(text)).toMatchObject([
      {
        line,
        path: `${TEAM}.tier_limits.premium`,
        expected: "one of the team's tiers (shared)",
        found: '"premium"',
      },
    ]);
  });
});

describe('soft limits', () => {
  it('stand beside the hard limits of the team and the tenant', () => {
    const { text } = withTeam('soft_limits: { monthly_budget: $80 }');
    const snapshot = snapshotOf(
      text.replace('    teams:', '    soft_limits: { daily_quota: 1M }\n    teams:'),
    );
    expect(snapshot.teams[teamKey('acme', 'search')]?.limits.soft).toEqual({
      nanoUsdPerMonth: 80_000_000_000,
    });
    expect(snapshot.tenants?.['acme']?.limits.soft).toEqual({ tokensPerDay: 1_000_000 });
  });
});

describe('soft limits of a project and a key', () => {
  it('stand beside hard ones, and are enough to give a project an account', () => {
    const { text } = broken(
      '{ team: search }',
      '{ team: search, soft_limits: { daily_quota: 1M } }',
    );
    const both = text.replace(
      'project: web',
      'project: web\n        soft_limits: { monthly_budget: $5 }',
    );
    const parsed = parsePolicy(both, 'policy.yaml');
    if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
    const { snapshot, accounts, keys } = compilePolicy(parsed.policy, 1, 0);
    const soft = { tokensPerDay: 1_000_000 };
    expect(snapshot.tenants?.['acme']?.projectLimits).toEqual({ web: { soft } });
    expect(accounts.map(({ scope }) => scope.kind)).toContain('project');
    expect(keys[0]?.limits).toEqual({ soft: { nanoUsdPerMonth: 5_000_000_000 } });
  });
});

describe('the share of a provider', () => {
  it.each(['101%', '0', '0.5', 'most'])('is no %s', (share) => {
    const { text, line } = broken('secret: main-key', `use_at_most: ${share}`);
    expect(errorsOf(text)).toMatchObject([{ line, path: 'providers.main.use_at_most' }]);
  });

  it('leaves something of every limit', () => {
    const pool = 'limits: { requests_per_minute: 500, concurrent_requests: 1 }';
    const { text, line } = broken('secret: main-key', pool);
    expect(errorsOf(text)).toMatchObject([{ line, path: 'providers.main.limits' }]);
    expect(errorsOf(text.replace(pool, `use_at_most: 100%\n    ${pool}`))).toEqual([]);
  });

  it('is exact for every limit that a policy can hold', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.integer({ min: 1, max: 100 }), (limit, p) => {
        expect(BigInt(shareOf(limit, p))).toBe((BigInt(limit) * BigInt(p)) / 100n);
      }),
    );
  });
});
