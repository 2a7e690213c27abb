import { describe, expect, it } from 'vitest';
import { parseStageConfig } from '../../../lib/stage-config.ts';
import { editedDevConfig, statements, synthesize } from '../synthesized.ts';

const SONNET = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const APPLICATION = 'arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123';

function granted(settings: string, checkRules = false) {
  const { gateway } = synthesize({ 'alerts: {}': `bedrock: ${settings}\nalerts: {}` }, checkRules);
  const all = statements(gateway);
  const ofBedrock = all.filter(({ Action }) => Action.some((name) => name.startsWith('bedrock:')));
  expect(statements(gateway, 'ProxyRole')).toEqual(expect.arrayContaining(ofBedrock));
  for (const { Action } of ofBedrock)
    expect(Action).toEqual(['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream']);
  return ofBedrock.map((statement) => JSON.stringify(statement));
}

describe('grants for Bedrock', () => {
  it('are none unless the stage names models', () => {
    const actions = statements(synthesize().gateway).flatMap(({ Action }) => Action);
    expect(actions.filter((action) => action.startsWith('bedrock:'))).toEqual([]);
  });

  it('allow a model in the regions named, and nothing else', () => {
    const found = granted('{ regions: [eu-central-1, eu-west-1], models: [amazon.nova-pro-v1:0] }');
    expect(found.join()).toContain(':bedrock:eu-central-1::foundation-model/amazon.nova-pro-v1:0');
    expect(found.join()).toContain(':bedrock:eu-west-1::foundation-model/amazon.nova-pro-v1:0');
    expect(found.join()).not.toContain('*');
  });

  it.each(['us', 'global'])(
    'allow the model behind a profile of %s in any region, but only through the profile',
    (geography) => {
      const profile = `${geography}.${SONNET}`;
      const found = granted(`{ models: ["${profile}"] }`, true);
      const [wide, ...others] = found.filter((statement) => statement.includes('*'));
      expect(others).toEqual([]);
      expect(wide).toContain(`:bedrock:*::foundation-model/${SONNET}"`);
      expect(wide).toMatch(
        new RegExp(`"Condition".*"bedrock:InferenceProfileArn".*inference-profile/${profile}`),
      );
      expect(found.join()).toContain(`:inference-profile/${profile}`);
    },
  );

  it("allow an application's profile, and whatever model it stands for through it only", () => {
    const found = granted(`{ models: ["${APPLICATION}"] }`);
    expect(found).toHaveLength(2);
    expect(found[0]).not.toContain('*');
    expect(found[1]).toContain(`"bedrock:InferenceProfileArn":"${APPLICATION}"`);
  });

  it.each(['*', 'anthropic.*', 'arn:aws:bedrock:*::foundation-model/*', 'claude'])(
    'cannot be widened by a stage that names %s',
    (model) => {
      const text = editedDevConfig({
        'alerts: {}': `bedrock: { models: ["${model}"] }\nalerts: {}`,
      });
      expect(() => parseStageConfig({ stage: 'dev', file: 'config/dev.yaml', text })).toThrow(
        'bedrock.models.0: expected the id of a model or inference profile, or an ARN',
      );
    },
  );
});
