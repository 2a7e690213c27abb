import { describe, expect, it } from 'vitest';
import { compilePolicy } from '../../../core/policy/compile-policy.ts';
import { parsePolicy } from '../../../core/policy/parse-policy.ts';
import { broken } from './policy-texts.ts';

function snapshotWith(line: string, replacement: string) {
  const parsed = parsePolicy(broken(line, replacement).text, 'policy.yaml');
  return parsed.kind === 'invalid' ? parsed.errors : compilePolicy(parsed.policy, 1, 0).snapshot;
}

describe('max_duration', () => {
  it('of a model and of a team is whole seconds, and absent where nobody sets it', () => {
    const ofModel = snapshotWith(
      'max_output_tokens: 8K',
      'max_output_tokens: 8K\n    max_duration: 2m',
    );
    expect(ofModel).toMatchObject({ models: { fast: { maxDurationSeconds: 120 } } });
    expect(JSON.stringify(ofModel).match(/maxDurationSeconds/g)).toHaveLength(1);
    const ofTeam = snapshotWith('owner: Ada', 'owner: Ada\n        max_duration: 30s');
    expect(ofTeam).toMatchObject({ teams: { 'acme/search': { maxDurationSeconds: 30 } } });
  });

  it.each(['0s', '500ms', '1.5s', '16m', 'soon'])('%s is refused', (text) => {
    const errors = snapshotWith(
      'max_output_tokens: 8K',
      `max_output_tokens: 8K\n    max_duration: ${text}`,
    );
    expect(JSON.stringify(errors)).toContain('from 1s to 15m');
  });
});
