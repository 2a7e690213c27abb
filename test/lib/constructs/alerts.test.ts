import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { ALERT_DETAIL_TYPE, ALERT_SOURCE, ENV } from '../../../core/names.ts';
import { resources, synthesize } from '../synthesized.ts';

const { gateway } = synthesize();
const { gateway: configured } = synthesize({
  'alerts: {}':
    'alerts: { email: a@example.com, docsUrl: "https://git.example.com/main", slack: { workspaceId: T0000000000, channelId: C0000000000 } }',
});

describe('alerts', () => {
  it('takes every kind of alert from the bus to the router, and keeps what it cannot deliver', () => {
    const deadLetters = { 'Fn::GetAtt': [Match.stringLikeRegexp('AlertsDeadLetters'), 'Arn'] };
    gateway.hasResourceProperties('AWS::Events::Rule', {
      EventBusName: { Ref: Match.stringLikeRegexp('AlertsBus') },
      EventPattern: {
        source: [ALERT_SOURCE],
        'detail-type': Object.values(ALERT_DETAIL_TYPE),
      },
      Targets: [
        Match.objectLike({
          Arn: { Ref: Match.stringLikeRegexp('AlertRouter.*live') },
          DeadLetterConfig: { Arn: deadLetters },
        }),
      ],
    });
    gateway.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      MaximumRetryAttempts: 2,
      DestinationConfig: { OnFailure: { Destination: deadLetters } },
    });
  });

  it('says where people add targets of their own', () => {
    gateway.hasOutput('AlertBus', { Value: { Ref: Match.stringLikeRegexp('^AlertsBus') } });
    gateway.hasOutput('TeamAlertTopic', {
      Value: { Ref: Match.stringLikeRegexp('^AlertsTeamTopic') },
    });
  });

  it('encrypts its topics with a key that CloudWatch may use', () => {
    configured.resourceCountIs('AWS::SNS::Topic', 4);
    configured.allResourcesProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
    const publishers = Match.objectLike({
      Action: Match.arrayWith(['kms:Decrypt', 'kms:GenerateDataKey*']),
      Principal: { Service: 'cloudwatch.amazonaws.com' },
    });
    configured.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: Match.objectLike({ Statement: Match.arrayWith([publishers]) }),
    });
  });

  it('writes to nobody and to no channel unless the stage names them', () => {
    gateway.resourceCountIs('AWS::SNS::Subscription', 0);
    gateway.resourceCountIs('AWS::Chatbot::SlackChannelConfiguration', 0);
    gateway.resourceCountIs('AWS::SNS::Topic', 3);
  });

  it('links the runbook in alerts and alarms where the stage says where it is read', () => {
    configured.hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: Match.objectLike({ [ENV.docsUrl]: 'https://git.example.com/main' }),
      },
    });
    configured.hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmDescription:
        'critical; owner: platform team; runbook: https://git.example.com/main/docs/runbook.md#settle-failures',
    });
    configured.hasResourceProperties('AWS::CloudWatch::CompositeAlarm', {
      AlarmDescription: Match.stringLikeRegexp('git.example.com/main/docs/runbook.md#availability'),
    });
  });

  it('writes e-mails, and to the topic of the chat service', () => {
    configured.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'a@example.com',
    });
    configured.hasResourceProperties('AWS::Chatbot::SlackChannelConfiguration', {
      SlackWorkspaceId: 'T0000000000',
      SlackChannelId: 'C0000000000',
      SnsTopicArns: [{ Ref: Match.stringLikeRegexp('AlertsSlackTopic') }],
    });
    const router = [...resources(configured, 'AWS::Lambda::Function').values()].find((each) =>
      JSON.stringify(each).includes('alert-router'),
    );
    expect(JSON.stringify(router)).toContain(ENV.chatTopic);
  });
});
