import { describe, expect, it } from 'vitest';
import { INFERENCE, MANAGED_INSTANCES, synthesize } from './synthesized.ts';

const GUARDED = {
  'waf: false':
    'waf: true\ndomain: { name: llm.example.com, certificateArn: "arn:aws:acm:us-east-1:111122223333:certificate/1", hostedZone: { id: Z1, name: example.com } }',
  'alerts: {}':
    'alerts: { email: a@example.com, slack: { workspaceId: T0000000000, channelId: C0000000000 } }',
};

describe('every shape of a stage', () => {
  it.each([
    ['managed instances', MANAGED_INSTANCES],
    ['inference', INFERENCE],
    ['managed instances with inference', { ...MANAGED_INSTANCES, ...INFERENCE }],
    ['firewall, domain and alert channels', GUARDED],
    ['a pinned account', { '# account:': 'account:' }],
  ])('passes the AwsSolutions rules with %s', (_shape, edits) => {
    expect(() => synthesize(edits, true)).not.toThrow();
  });
});
