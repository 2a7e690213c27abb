import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../../core/policy/policy-error.ts';
import { broken, SMALL_POLICY } from './policy-texts.ts';

function errorsOf(text: string) {
  const parsed = parsePolicy(text, 'policy.yaml');
  return parsed.kind === 'invalid' ? parsed.errors : [];
}

function messagesOf(text: string): string[] {
  return errorsOf(text).map(formatPolicyError);
}

describe('a valid policy', () => {
  it('is read with its units', () => {
    const parsed = parsePolicy(SMALL_POLICY, 'policy.yaml');
    if (parsed.kind !== 'ok') throw new Error(messagesOf(SMALL_POLICY).join('\n'));
    expect(parsed.policy.models['fast']?.routes[0]?.price).toEqual({
      input: 100_000,
      output: 400_000,
    });
    expect(parsed.policy.providers['main']?.base_url).toBe('https://api.example.com');
    expect(parsed.policy.providers['main']?.timeouts.connect).toBe(3000);
    expect(parsed.policy.tenants['acme']?.teams['search']?.limits).toEqual({
      tokensPerMinute: 50_000,
      nanoUsdPerMonth: 100_000_000_000,
    });
  });

  it('knows providers that speak Anthropic’s dialect', () => {
    const parsed = parsePolicy(SMALL_POLICY.replace('kind: openai', 'kind: anthropic'), 'p.yaml');
    if (parsed.kind !== 'ok') throw new Error('not a valid policy');
    expect(parsed.policy.providers['main']?.kind).toBe('anthropic');
  });

  it('may be JSON, for JSON is YAML', () => {
    const json = JSON.stringify({ time_zone: 'UTC', providers: {}, models: {}, tenants: {} });
    expect(parsePolicy(json, 'policy.json').kind).toBe('ok');
  });

  it('may start with a byte order mark and end its lines with CRLF', () => {
    expect(messagesOf(`\uFEFF${SMALL_POLICY.replaceAll('\n', '\r\n')}`)).toEqual([]);
  });
});

describe('one wrong value', () => {
  it.each([
    ['time_zone: Europe/Berlin', 'time_zone: Europe/Berlln', 'time_zone'],
    ['time_zone: Europe/Berlin', 'time_zone: "+01:00"', 'time_zone'],
    ['kind: openai', 'kind: opnai', 'providers.main.kind'],
    ['https://api.example.com/', 'https://api.example.com/v1', 'providers.main.base_url'],
    ['https://api.example.com/', 'https://me:you@api.example.com', 'providers.main.base_url'],
    ['https://api.example.com/', 'ftp://api.example.com', 'providers.main.base_url'],
    ['tier: shared', 'tier: common', 'models.fast.tier'],
    ['context_tokens: 128K', 'context_tokens: 0', 'models.fast.context_tokens'],
    ['max_output_tokens: 8K', 'max_output_tokens: 200K', 'models.fast.max_output_tokens'],
    ['input: $0.10', 'input: $0.10000001', 'models.fast.routes[0].price.input'],
    ['- provider: main', '- provider: mian', 'models.fast.routes[0].provider'],
    ['model: small-1', 'model: ..', 'models.fast.routes[0].model'],
    ['models: [fast]', 'models: [fsat]', 'tenants.acme.teams.search.models[0]'],
    ['models: [fast]', 'models: [clever]', 'tenants.acme.teams.search.models[0]'],
    ['50K', '50Q', 'tenants.acme.teams.search.limits.tokens_per_minute'],
    ['50K', '0', 'tenants.acme.teams.search.limits.tokens_per_minute'],
    ['$100', '$10,000,000', 'tenants.acme.teams.search.limits.monthly_budget'],
    ['at_percent: [80]', 'at_percent: [101]', 'tenants.acme.teams.search.alerts.at_percent[0]'],
    ['notify: [finance]', 'notify: [finanze]', 'tenants.acme.teams.search.alerts.notify[0]'],
    ['web: { team: search }', 'web: { team: serch }', 'tenants.acme.projects.web.team'],
    ['project: web', 'project: wbe', 'tenants.acme.keys.web-1.project'],
    ['2027-01-31T00:00:00Z', '31.1.2027', 'tenants.acme.keys.web-1.expires'],
    ['2027-01-31T00:00:00Z', '2027-02-30T00:00:00Z', 'tenants.acme.keys.web-1.expires'],
    ['email: finance@example.com', 'email: finance', 'alert_channels.finance.email'],
  ])('%s -> %s is one error, in its line, at its path', (original, replacement, path) => {
    const { text, line } = broken(original, replacement);
    expect(errorsOf(text)).toMatchObject([{ file: 'policy.yaml', line, path }]);
  });

  it('points at the column of the value', () => {
    const { text, line } = broken('tier: shared', 'tier: sharde');
    expect(messagesOf(text)).toEqual([
      `policy.yaml:${line}:11 models.fast.tier: expected one of shared, premium, experimental, found "sharde" (did you mean "shared"?)`,
    ]);
  });

  it('refuses a team id that could be mistaken for another in a composite key', () => {
    const { text, line } = broken('      search:', '      "a#b":');
    expect(errorsOf(text)).toContainEqual(
      expect.objectContaining({ line, column: 7, path: 'tenants.acme.teams.a#b', found: '"a#b"' }),
    );
  });

  it('refuses a key without an owner in the line of the key', () => {
    const { text } = broken('        project: web\n        owner: Ada\n', '        project: web\n');
    const line = SMALL_POLICY.split('\n').findIndex((content) => content.includes('web-1:')) + 1;
    expect(errorsOf(text)).toMatchObject([
      { line, column: 7, path: 'tenants.acme.keys.web-1.owner', found: 'nothing' },
    ]);
  });

  it('never repeats what stands where the name of a secret belongs', () => {
    const { text } = broken('secret: main-key', 'secret: sk-Proj-Very-Secret-Value');
    expect(errorsOf(text)).toHaveLength(1);
    expect(JSON.stringify(errorsOf(text))).not.toContain('Very-Secret');
  });
});

describe('prices', () => {
  it('refuses a route that has none and is not free', () => {
    const { text } = broken('        price: { input: $0.10, output: 0.4 }\n', '');
    expect(errorsOf(text)).toMatchObject([
      { line: 14, path: 'models.fast.routes[0].price', found: 'nothing' },
    ]);
  });

  it('names the line of the route, not of the list', () => {
    const second = `free: true
      - provider: main
        model: without-a-price`;
    const { text, line } = broken('free: true', second);
    expect(errorsOf(text)).toMatchObject([
      { line: line + 1, column: 9, path: 'models.clever.routes[1].price' },
    ]);
  });

  it('refuses a route that has one and is free', () => {
    const { text } = broken('free: true', 'free: true\n        price: { input: 1, output: 1 }');
    expect(errorsOf(text)).toMatchObject([{ path: 'models.clever.routes[0].price' }]);
  });
});

describe('names', () => {
  it('suggests the key that was meant', () => {
    const { text, line } = broken('monthly_budget: $100', 'monthly_budjet: $100');
    expect(errorsOf(text)).toMatchObject([{ line, column: 11, suggestion: 'monthly_budget' }]);
  });

  it('suggests the team that was meant', () => {
    const { text } = broken('web: { team: search }', 'web: { team: serach }');
    expect(errorsOf(text)).toMatchObject([{ suggestion: 'search' }]);
  });

  it('reports a name given twice, with the line of the first', () => {
    const { text, line } = broken('    projects:', '    teams: {}\n    projects:');
    expect(errorsOf(text)).toMatchObject([
      { line, path: 'tenants.acme.teams', found: '"teams" again, first in line 30' },
    ]);
  });

  it('explains a number that a comma has cut in two', () => {
    const limits = `limits:
          tokens_per_minute: 50K
          monthly_budget: $100`;
    const { text, line } = broken(limits, 'limits: { monthly_budget: $50,000 }');
    expect(errorsOf(text)).toMatchObject([
      { line, found: '"000"', expected: expect.stringContaining('quotes') },
    ]);
  });

  it.each(['__proto__', 'constructor', 'prototype', 'toString'])(
    'treats %s as a name like any other',
    (name) => {
      const { text } = broken('alert_channels:', `${name}: { polluted: yes }\nalert_channels:`);
      expect(errorsOf(text)).toHaveLength(1);
      expect(messagesOf(broken('models: [fast]', `models: [${name}]`).text)).toHaveLength(1);
      expect({}).not.toHaveProperty('polluted');
    },
  );

  it('does not lose what is named __proto__', () => {
    const { text, line } = broken('web: { team: search }', '__proto__: { team: search }');
    expect(errorsOf(text)).toContainEqual(expect.objectContaining({ line, found: '__proto__' }));
  });

  it('refuses the same secret for two keys, also of different tenants', () => {
    const secret = `secret: sha256:${'a'.repeat(64)}`;
    const key = (name: string) => `    keys: { ${name}: { project: web, owner: Ada, ${secret} } }`;
    const tenants = SMALL_POLICY.slice(SMALL_POLICY.indexOf('  acme:'));
    const body = tenants.slice(0, tenants.indexOf('    keys:'));
    const head = SMALL_POLICY.slice(0, SMALL_POLICY.indexOf('  acme:'));
    const text = `${head}${body}${key('one')}\n${body.replace('acme', 'globex')}${key('two')}\n`;
    expect(errorsOf(text)).toMatchObject([{ path: 'tenants.globex.keys.two.secret' }]);
  });
});

describe('many errors', () => {
  it('are all reported at once, in the order of the lines', () => {
    const text = SMALL_POLICY.replace('kind: openai', 'kind: x')
      .replace('tier: shared', 'tier: x')
      .replace('model: small-1', 'modell: small-1')
      .replace('models: [fast]', 'models: [x]')
      .replace('50K', 'x')
      .replace('project: web', 'project: x');
    const errors = errorsOf(text);
    expect(errors.map(({ path }) => path)).toEqual([
      'providers.main.kind',
      'models.fast.tier',
      'models.fast.routes[0].model',
      'models.fast.routes[0].modell',
      'tenants.acme.teams.search.models[0]',
      'tenants.acme.teams.search.limits.tokens_per_minute',
      'tenants.acme.keys.web-1.project',
    ]);
  });

  it('are told up to a bound', () => {
    const teams = Array.from({ length: 1100 }, (_, index) => `      t${index}: {}\n`).join('');
    expect(errorsOf(SMALL_POLICY.replace('    teams:\n', `    teams:\n${teams}`))).toHaveLength(
      1000,
    );
  });
});

it('tells two hundred errors at once, each with its line and path', () => {
  const teams = Array.from(
    { length: 200 },
    (_, index) => `      t${index}: { owner: A, tiers: [gold] }\n`,
  );
  const errors = errorsOf(SMALL_POLICY.replace('    teams:\n', `    teams:\n${teams.join('')}`));
  const first = SMALL_POLICY.split('\n').indexOf('    teams:') + 2;
  expect(errors.map(({ line, path }) => [line, path])).toEqual(
    teams.map((_, index) => [first + index, `tenants.acme.teams.t${index}.tiers[0]`]),
  );
});

describe('YAML', () => {
  it('reports a syntax fault in its line', () => {
    expect(errorsOf('time_zone: UTC\nproviders: [\n')).toMatchObject([
      { line: expect.any(Number), expected: 'valid YAML' },
    ]);
    expect(errorsOf('time_zone: UTC\nproviders: "x')).toMatchObject([{ line: 2 }]);
  });

  it.each(['a: !!binary aGk=', 'a: !custom x', 'a: 1\n---\nb: 2', '? [a]\n: b'])(
    'refuses %j',
    (text) => {
      expect(errorsOf(text).length).toBeGreaterThan(0);
    },
  );

  it('follows anchors, and reports an error in the line where the text stands', () => {
    const { text } = broken(
      'tokens_per_minute: 50K',
      'tokens_per_minute: &rate 50Q\n          daily_quota: *rate',
    );
    expect(errorsOf(text).map(({ line, path }) => [line, path])).toEqual([
      [36, 'tenants.acme.teams.search.limits.tokens_per_minute'],
      [36, 'tenants.acme.teams.search.limits.daily_quota'],
    ]);
    expect(messagesOf('time_zone: &a x\nproviders: &a {}')).toContainEqual(
      expect.stringContaining('&a again'),
    );
    expect(messagesOf('time_zone: *nowhere')[0]).toContain('*nowhere');
  });

  it('stops a document that unfolds into a huge one', () => {
    const level = (name: string, below: string) =>
      `${name}: &${name} [${Array(10).fill(`*${below}`).join(', ')}]\n`;
    const levels = [...'bcdefghi'].map((name, index) => level(name, 'abcdefgh'.charAt(index)));
    const bomb = `a: &a [1, 1]\n${levels.join('')}`;
    expect(messagesOf(bomb)).toEqual([expect.stringContaining('400000 values')]);
  });

  it('stops an anchor that contains itself', () => {
    expect(messagesOf('time_zone: &self [*self]')).toContainEqual(
      expect.stringContaining('levels'),
    );
  });

  it('refuses a file above four megabytes and deep nesting', () => {
    expect(messagesOf('#'.repeat(4_000_001))[0]).toContain('at most 4000000 bytes');
    expect(messagesOf(']'.repeat(150_001))[0]).toContain('at most 150000 of');
    expect(messagesOf(`time_zone: ${'['.repeat(5000)}`).length).toBeGreaterThan(0);
    expect(messagesOf(`time_zone: ${'['.repeat(50)}${']'.repeat(50)}`)).toContainEqual(
      expect.stringContaining('levels'),
    );
  });
});

describe('any text', () => {
  const yamlish = fc.array(fc.constantFrom(...'[]{}:,&*!|>-?#"\'% \n\ta10$K'), { maxLength: 80 });

  it('is an answer and never an exception', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      yamlish.map((c) => c.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(errorsOf(text).length).toBeGreaterThan(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('in the middle of a policy gives errors inside the file only', () => {
    const lines = SMALL_POLICY.split('\n');
    fc.assert(
      fc.property(fc.nat(lines.length - 1), fc.string({ maxLength: 40 }), (at, noise) => {
        const text = lines.with(at, `${lines[at]}${noise}`).join('\n');
        for (const { line = 0, column = 0, expected, found } of errorsOf(text)) {
          expect(line).toBeLessThanOrEqual(text.split(/\n/).length);
          expect(Math.min(line, column)).toBeGreaterThanOrEqual(1);
          expect(expected.length * found.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('names the exact line of a wrong value wherever comments and blank lines push it', () => {
    const fillers = fc.array(fc.constantFrom('', '# a comment', '   # indented'), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(fillers, fillers, (before, between) => {
        const { text, line } = broken('50K', '50Q');
        const pushed = text.replace('tenants:', () => [...between, 'tenants:'].join('\n'));
        const whole = [...before, pushed].join('\n');
        expect(errorsOf(whole)).toMatchObject([{ line: line + before.length + between.length }]);
      }),
    );
  });
});
