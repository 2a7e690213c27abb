import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../../core/policy/policy-error.ts';
import { SMALL_POLICY } from './policy-texts.ts';

function read(found: string, replacement: string) {
  const text = SMALL_POLICY.replace(found, replacement);
  expect(text).not.toBe(SMALL_POLICY);
  const parsed = parsePolicy(text, 'policy.yaml');
  return parsed.kind === 'ok'
    ? { snapshot: compilePolicy(parsed.policy, 1, 0).snapshot, complaints: [] }
    : { snapshot: undefined, complaints: parsed.errors.map(formatPolicyError) };
}

const withStore = (...lines: string[]) =>
  read(
    '  acme:\n',
    `  acme:\n    trace_store:\n${lines.map((line) => `      ${line}\n`).join('')}`,
  );

describe('trace_store', () => {
  it('is off unless a tenant says otherwise', () => {
    const { snapshot } = read('  acme:\n', '  acme:\n    trace_store: { mode: off }\n');
    expect(snapshot?.tenants?.['acme']).toBeDefined();
    expect(snapshot?.tenants?.['acme']).not.toHaveProperty('traceStore');
  });

  it('keeps one percent for longer unless it says otherwise', () => {
    expect(withStore('mode: full').snapshot?.tenants?.['acme']?.traceStore).toEqual({
      mode: 'full',
      coldPercent: 1,
    });
    expect(
      withStore('mode: metadata', 'sample_cold: 5%', 'redact: ["EMP-######"]').snapshot?.tenants?.[
        'acme'
      ]?.traceStore,
    ).toEqual({ mode: 'metadata', coldPercent: 5, redact: ['EMP-######'] });
  });

  it.each([
    ['mode: everything', 'one of off, metadata, full'],
    ['sample_cold: 6%', 'a whole percent from 1 to 5'],
    ['sample_cold: 0%', 'a whole percent from 1 to 5'],
    ['redact: [abc]', 'a text of 4 to 64 characters to redact'],
    [`redact: [${Array.from({ length: 21 }, () => 'abcd').join(', ')}]`, 'at most 20 patterns'],
    ['keep: 7d', 'one of mode, sample_cold, redact'],
  ])('refuses %s', (line, expected) => {
    const lines = line.startsWith('mode') ? [line] : ['mode: full', line];
    expect(withStore(...lines).complaints.join()).toContain(expected);
  });
});

describe('trace_context', () => {
  it.each([
    ['send', true],
    ['keep', false],
  ])('%s says whether a provider may know of our traces', (text, continuesTrace) => {
    const { snapshot } = read('kind: openai\n', `kind: openai\n    trace_context: ${text}\n`);
    expect(snapshot?.providers['main']).toMatchObject({ continuesTrace });
  });
});
