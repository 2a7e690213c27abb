import { describe, expect, it } from 'vitest';
import { loadStageConfig, parseStageConfig } from '../../lib/stage-config.ts';
import { editedDevConfig, INFERENCE, MANAGED_INSTANCES } from './synthesized.ts';

const parse = (edits: Record<string, string>) =>
  parseStageConfig({ stage: 'dev', file: 'config/dev.yaml', text: editedDevConfig(edits) });

describe('stage config', () => {
  it.each(['dev', 'prod'])('reads config/%s.yaml', (stage) => {
    expect(loadStageConfig(stage)).toMatchObject({
      stage,
      removalProtection: true,
      inference: { enabled: false },
    });
  });

  it('reads managed instances, inference, a domain and alert channels', () => {
    const config = parse({
      ...MANAGED_INSTANCES,
      ...INFERENCE,
      'alerts: {}': 'alerts: { email: a@example.com, slack: { workspaceId: T1, channelId: C1 } }',
    });
    expect(config.compute).toMatchObject({ kind: 'managed-instances', streamsPerEnvironment: 64 });
    expect(config.inference).toMatchObject({ enabled: true, tasks: 2 });
    expect(config.alerts.slack).toEqual({ workspaceId: 'T1', channelId: 'C1' });
  });

  it.each([
    [
      'memoryMb: 512',
      'memoryMb: big',
      'config/dev.yaml:14: compute.memoryMb: expected number, found "big"',
    ],
    [
      'memoryMb: 512',
      'memoryMb: 64',
      'config/dev.yaml:14: compute.memoryMb: expected number to be >=128, found 64',
    ],
    [
      'kind: lambda',
      'kind: fargate',
      "config/dev.yaml:13: compute.kind: expected 'lambda' | 'managed-instances', found \"fargate\"",
    ],
    [
      'us-east-1',
      'moon',
      'config/dev.yaml:2: region: expected an AWS region such as us-east-1, found "moon"',
    ],
    ['waf: false', 'waf: no', 'config/dev.yaml:21: waf: expected boolean, found "no"'],
    ['  burst: 400\n', '', 'config/dev.yaml:18: throttle.burst: expected number, found nothing'],
    [
      'scanLimitGb: 10',
      'scanLimitGB: 10',
      'config/dev.yaml:32: athena.scanLimitGB: expected no such setting',
    ],
    [
      '[openai]',
      '[Open AI]',
      'config/dev.yaml:24: providerSecrets.0: expected a lower-case name, found "Open AI"',
    ],
    [
      'alerts: {}',
      'alerts: { email: nobody }',
      'config/dev.yaml:28: alerts.email: expected an e-mail address, found "nobody"',
    ],
    [
      'enabled: false',
      'enabled: true',
      'config/dev.yaml:36: inference.model: expected string, found nothing',
    ],
  ])(
    'names file, line, path, expectation and finding when %j becomes %j',
    (found, replacement, complaint) => {
      expect(() => parse({ [found]: replacement })).toThrow(complaint);
    },
  );

  it('reports every wrong setting at once', () => {
    const wrong = { 'logLevel: INFO': 'logLevel: info', 'waf: false': 'waf: 1' };
    expect(() => parse(wrong)).toThrow(/logLevel: .*\n.*waf: /);
  });

  it.each(['', 'text', 'a: [', 'waf: true\nwaf: false'])('refuses a file that is %j', (text) => {
    expect(() => parseStageConfig({ stage: 'dev', file: 'config/dev.yaml', text })).toThrow(
      'config/dev.yaml:',
    );
  });

  it('refuses a stage without a file and a stage that is no plain name', () => {
    expect(() => loadStageConfig('staging')).toThrow(
      'config/staging.yaml: expected the settings of stage "staging", found no file',
    );
    expect(() => loadStageConfig('../dev')).toThrow('stage: expected a short lower-case name');
  });
});
