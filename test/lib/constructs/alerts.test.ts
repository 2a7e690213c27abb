import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { ALERT_DETAIL_TYPE, ALERT_SOURCE } from '../../../core/names.ts';
import { resources, synthesize } from '../synthesized.ts';

const { gateway } = synthesize();
const { gateway: configured } = synthesize({
  'alerts: {}':
    'alerts: { email: a@example.com, slack: { workspaceId: T0000000000, channelId: C0000000000 } }',
});

describe('alerts', () => {
  it('routes a crossed budget from the bus to the topic as a sentence', () => {
    gateway.hasResourceProperties('AWS::Events::Rule', {
      EventBusName: { Ref: Match.stringLikeRegexp('AlertsBus') },
      EventPattern: { source: [ALERT_SOURCE], 'detail-type': [ALERT_DETAIL_TYPE.budget] },
      Targets: [
        Match.objectLike({
          Arn: { Ref: Match.stringLikeRegexp('AlertsTopic') },
          InputTransformer: {
            InputPathsMap: Match.objectLike({
              'detail-scope': '$.detail.scope',
              'detail-spentUsd': '$.detail.spentUsd',
            }),
            InputTemplate: Match.stringLikeRegexp(
              '^"<detail-scope> has crossed <detail-thresholdPercent> % of its budget for <detail-period>: .*"$',
            ),
          },
        }),
      ],
    });
  });

  it('routes a crossed soft limit likewise', () => {
    gateway.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: { source: [ALERT_SOURCE], 'detail-type': [ALERT_DETAIL_TYPE.softLimit] },
      Targets: [
        Match.objectLike({
          InputTransformer: Match.objectLike({
            InputTemplate: Match.stringLikeRegexp(
              '^"<detail-scope> has crossed its soft limit of <detail-dimension>: .*"$',
            ),
          }),
        }),
      ],
    });
  });

  it('routes a difference in the books likewise', () => {
    gateway.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: { source: [ALERT_SOURCE], 'detail-type': [ALERT_DETAIL_TYPE.booksDiffer] },
      Targets: [
        Match.objectLike({
          InputTransformer: Match.objectLike({
            InputTemplate: Match.stringLikeRegexp(
              '^"The books of <detail-scope> differ for <detail-period> by .*"$',
            ),
          }),
        }),
      ],
    });
  });

  it('keeps an alert that cannot be delivered', () => {
    for (const { Properties } of resources(configured, 'AWS::Events::Rule').values()) {
      const targets = Properties['Targets'];
      expect(targets).toHaveLength(2);
      const deadLetters = {
        DeadLetterConfig: {
          Arn: { 'Fn::GetAtt': [expect.stringMatching('AlertsDeadLetters'), 'Arn'] },
        },
      };
      expect(targets).toEqual([
        expect.objectContaining(deadLetters),
        expect.objectContaining(deadLetters),
      ]);
    }
  });

  it('encrypts its topics with a key that EventBridge and CloudWatch may use', () => {
    configured.resourceCountIs('AWS::SNS::Topic', 3);
    configured.allResourcesProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
    const publishers = Match.objectLike({
      Action: Match.arrayWith(['kms:Decrypt', 'kms:GenerateDataKey*']),
      Principal: { Service: ['cloudwatch.amazonaws.com', 'events.amazonaws.com'] },
    });
    configured.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: Match.objectLike({ Statement: Match.arrayWith([publishers]) }),
    });
  });

  it('writes to nobody and to no channel unless the stage names them', () => {
    gateway.resourceCountIs('AWS::SNS::Subscription', 0);
    gateway.resourceCountIs('AWS::Chatbot::SlackChannelConfiguration', 0);
    gateway.resourceCountIs('AWS::SNS::Topic', 2);
  });

  it('writes e-mails, and to Slack in the only form that its chat service shows', () => {
    configured.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'a@example.com',
    });
    configured.hasResourceProperties('AWS::Chatbot::SlackChannelConfiguration', {
      SlackWorkspaceId: 'T0000000000',
      SlackChannelId: 'C0000000000',
      SnsTopicArns: [{ Ref: Match.stringLikeRegexp('AlertsSlackTopic') }],
    });
    const [rule] = resources(configured, 'AWS::Events::Rule').values();
    expect(JSON.stringify(rule)).toContain(
      '{\\"version\\":\\"1.0\\",\\"source\\":\\"custom\\",\\"content\\":{',
    );
  });
});
