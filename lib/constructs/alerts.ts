import { RemovalPolicy } from 'aws-cdk-lib';
import { SlackChannelConfiguration } from 'aws-cdk-lib/aws-chatbot';
import type { AlarmBase } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { EventBus } from 'aws-cdk-lib/aws-events';
import { ManagedPolicy, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { StageConfig } from '../stage-config.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';

export interface AlertsProps {
  readonly config: StageConfig;
}

/**
 * Where alerts come in and go out: the bus, a topic for the platform team, one for teams, whose subscribers filter by
 * channel, and one for AWS's chat service where it is configured. The router (alert-router.ts) is between.
 */
export class Alerts extends Construct {
  readonly bus: EventBus;
  readonly deadLetters: Queue;
  readonly key: Key;
  readonly people: Topic;
  readonly teams: Topic;
  readonly chat: Topic | undefined;

  constructor(scope: Construct, id: string, { config }: AlertsProps) {
    super(scope, id);
    this.bus = new EventBus(this, 'Bus', { description: `Alerts of Tollgate, ${config.stage}` });
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    this.key = this.#topicKey();
    this.people = new Topic(this, 'Topic', { masterKey: this.key, enforceSSL: true });
    this.teams = new Topic(this, 'TeamTopic', { masterKey: this.key, enforceSSL: true });
    if (config.alerts.email !== undefined) {
      this.people.addSubscription(new EmailSubscription(config.alerts.email));
    }
    this.chat = config.alerts.slack && this.#chatTopic(config.stage, config.alerts.slack);
  }

  /** Sends an alarm, and its end, the way of the alerts. */
  notify(alarm: AlarmBase): void {
    for (const topic of [this.people, this.chat]) {
      if (topic === undefined) continue;
      alarm.addAlarmAction(new SnsAction(topic));
      alarm.addOkAction(new SnsAction(topic));
    }
  }

  /** The key that AWS manages for SNS does not let CloudWatch publish. */
  #topicKey(): Key {
    const key = new Key(this, 'TopicKey', {
      description: 'Alerts in their topics',
      enableKeyRotation: true,
      // It protects messages on their way only.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    key.grantEncryptDecrypt(new ServicePrincipal('cloudwatch.amazonaws.com'));
    return key;
  }

  #chatTopic(stage: string, slack: NonNullable<StageConfig['alerts']['slack']>): Topic {
    const topic = new Topic(this, 'SlackTopic', { masterKey: this.key, enforceSSL: true });
    new SlackChannelConfiguration(this, 'SlackChannel', {
      slackChannelConfigurationName: `tollgate-${stage}`,
      slackWorkspaceId: slack.workspaceId,
      slackChannelId: slack.channelId,
      notificationTopics: [topic],
      // The channel can look at alarms and do nothing else; the service's own default is administrator.
      guardrailPolicies: [ManagedPolicy.fromAwsManagedPolicyName('CloudWatchReadOnlyAccess')],
    });
    return topic;
  }
}
