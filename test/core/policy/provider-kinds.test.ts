import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { formatPolicyError } from '../../../core/policy/policy-error.ts';
import { SMALL_POLICY } from './policy-texts.ts';

const OPENAI = 'kind: openai\n    base_url: https://api.example.com/';

function read(...lines: readonly string[]) {
  const text = SMALL_POLICY.replace(OPENAI, lines.join('\n    '));
  expect(text).not.toBe(SMALL_POLICY);
  return parsePolicy(text, 'policy.yaml');
}

function compiled(...lines: readonly string[]) {
  const parsed = read(...lines);
  if (parsed.kind !== 'ok') throw new Error(parsed.errors.map(formatPolicyError).join('\n'));
  return compilePolicy(parsed.policy, 1, 0).snapshot.providers['main'];
}

function complaints(...lines: readonly string[]): string[] {
  const parsed = read(...lines);
  return parsed.kind === 'ok' ? [] : parsed.errors.map(formatPolicyError);
}

describe('a provider in the policy', () => {
  it.each([
    [
      ['kind: bedrock', 'region: eu-central-1'],
      { baseUrl: 'https://bedrock-runtime.eu-central-1.amazonaws.com', region: 'eu-central-1' },
    ],
    [
      ['kind: bedrock', 'region: us-east-1', 'base_url: http://127.0.0.1:9000/'],
      { baseUrl: 'http://127.0.0.1:9000', region: 'us-east-1' },
    ],
    [
      ['kind: azure-openai', 'base_url: https://res.openai.azure.com', 'api_version: 2024-10-21'],
      { baseUrl: 'https://res.openai.azure.com', apiVersion: '2024-10-21' },
    ],
    [
      ['kind: openai-compatible', 'base_url: https://api.groq.com/openai', 'embeddings: true'],
      { baseUrl: 'https://api.groq.com/openai', embeddings: true },
    ],
    [
      [
        'kind: openai-compatible',
        'base_url: https://example.com',
        'api_path: /v1beta/openai',
        'max_tokens_field: max_completion_tokens',
      ],
      { apiPath: '/v1beta/openai', maxTokensField: 'max_completion_tokens' },
    ],
    [
      ['kind: vllm', 'base_url: http://vllm.internal:8000', 'schedules_by_priority: true'],
      { kind: 'vllm', schedulesByPriority: true },
    ],
  ])('is set up by %j', (lines, provider) => {
    expect(compiled(...lines)).toMatchObject(provider);
  });

  it.each([
    [
      ['kind: bedrok', 'region: us-east-1'],
      /kind: expected one of .*bedrock.*did you mean "bedrock"/,
    ],
    [['kind: bedrock'], /providers\.main\.region: expected an AWS region/],
    [['kind: bedrock', 'region: moon'], /providers\.main\.region: expected an AWS region/],
    [
      ['kind: azure-openai', 'api_version: 2024-10-21'],
      /providers\.main\.base_url: expected an http/,
    ],
    [['kind: azure-openai', 'base_url: https://a.b', 'api_version: latest'], /api_version/],
    [
      ['kind: openai', 'base_url: https://a.b', 'region: "#eu"'],
      /providers\.main\.region: expected an id/,
    ],
    [
      ['kind: openai', 'base_url: https://a.b', 'schedules_by_priority: true'],
      /schedules_by_priority/,
    ],
    [['kind: openai-compatible', 'base_url: https://a.b', 'api_path: ../x'], /api_path/],
    [['kind: openai-compatible', 'base_url: https://a.b', 'api_path: "/v1?a=b"'], /api_path/],
    [
      ['kind: openai-compatible', 'base_url: https://a.b', 'max_tokens_field: n'],
      /max_tokens_field/,
    ],
  ])('is refused as %j', (lines, complaint) => {
    expect(complaints(...lines)).toEqual([expect.stringMatching(complaint)]);
  });

  it('that is no mapping, or has no kind, is one complaint', () => {
    expect(complaints('base_url: https://a.b')).toEqual([expect.stringMatching(/kind/)]);
  });
});

describe('a key in the policy', () => {
  it('may ask for normal priority unless it says otherwise', () => {
    const keyOf = (text: string) => {
      const parsed = parsePolicy(text, 'policy.yaml');
      return parsed.kind === 'ok'
        ? compilePolicy(parsed.policy, 1, 0).keys[0]?.priority
        : undefined;
    };
    expect(keyOf(SMALL_POLICY)).toBe('normal');
    const raised = SMALL_POLICY.replace('project: web\n', 'project: web\n        priority: high\n');
    expect(keyOf(raised)).toBe('high');
  });
});
