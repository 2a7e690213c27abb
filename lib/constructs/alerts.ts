import { RemovalPolicy } from 'aws-cdk-lib';
import { SlackChannelConfiguration } from 'aws-cdk-lib/aws-chatbot';
import type { AlarmBase } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import {
  EventBus,
  EventField,
  Rule,
  type RuleProps,
  RuleTargetInput,
} from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import { ManagedPolicy, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { ALERT_DETAIL_TYPE, ALERT_SOURCE } from '../../core/names.ts';
import type { StageConfig } from '../stage-config.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';

export interface AlertsProps {
  readonly config: StageConfig;
}

/** From an event on the bus to a person: one rule a kind of alert, one topic for people, one for Slack where it is configured. */
export class Alerts extends Construct {
  readonly bus: EventBus;
  readonly deadLetters: Queue;
  readonly #key: Key;
  readonly #people: Topic;
  readonly #slack: Topic | undefined;

  constructor(scope: Construct, id: string, { config }: AlertsProps) {
    super(scope, id);
    this.bus = new EventBus(this, 'Bus', { description: `Alerts of Tollgate, ${config.stage}` });
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    this.#key = this.#topicKey();
    this.#people = new Topic(this, 'Topic', { masterKey: this.#key, enforceSSL: true });
    if (config.alerts.email !== undefined) {
      this.#people.addSubscription(new EmailSubscription(config.alerts.email));
    }
    this.#slack = config.alerts.slack && this.#slackTopic(config.stage, config.alerts.slack);
    this.#budgetRule();
    this.#softLimitRule();
    this.#booksDifferRule();
  }

  /** Sends an alarm, and its end, the way of the alerts. */
  notify(alarm: AlarmBase): void {
    for (const topic of [this.#people, this.#slack]) {
      if (topic === undefined) continue;
      alarm.addAlarmAction(new SnsAction(topic));
      alarm.addOkAction(new SnsAction(topic));
    }
  }

  #budgetRule(): void {
    const title = `${field('scope')} has crossed ${field('thresholdPercent')} % of its budget`;
    const text = `${title} for ${field('period')}: ${field('spentUsd')} of ${field('limitUsd')} US dollars. Owner: ${field('owner')}. Tenant: ${field('tenantId')}.`;
    const rule = new Rule(this, 'BudgetRule', {
      description: 'A scope has crossed a threshold of its monthly budget',
      ...this.#pattern(ALERT_DETAIL_TYPE.budget),
    });
    this.#tell(rule, title, text);
  }

  #softLimitRule(): void {
    const title = `${field('scope')} has crossed its soft limit of ${field('dimension')}`;
    const text = `${title}: ${field('used')} of ${field('limit')}, at ${field('time')}. Nothing is refused. Owner: ${field('owner')}. Tenant: ${field('tenantId')}.`;
    const rule = new Rule(this, 'SoftLimitRule', {
      description: 'A team or a tenant has crossed a soft limit',
      ...this.#pattern(ALERT_DETAIL_TYPE.softLimit),
    });
    this.#tell(rule, title, text);
  }

  #booksDifferRule(): void {
    const title = `The books of ${field('scope')} differ for ${field('period')}`;
    const text = `${title} by ${field('differenceUsd')} US dollars and ${field('differenceTokens')} tokens: ${field('explanation')}. Requests: ${field('requests')}. Compared at ${field('time')}; docs/reconciliation.md says how to read it.`;
    const rule = new Rule(this, 'BooksDifferRule', {
      description: 'Accounts, ledger and raw events do not agree',
      ...this.#pattern(ALERT_DETAIL_TYPE.booksDiffer),
    });
    this.#tell(rule, title, text);
  }

  #pattern(detailType: string): Pick<RuleProps, 'eventBus' | 'eventPattern'> {
    return {
      eventBus: this.bus,
      eventPattern: { source: [ALERT_SOURCE], detailType: [detailType] },
    };
  }

  #tell(rule: Rule, title: string, text: string): void {
    rule.addTarget(this.#target(this.#people, RuleTargetInput.fromText(text)));
    if (this.#slack !== undefined)
      rule.addTarget(this.#target(this.#slack, slackMessage(title, text)));
  }

  #target(topic: Topic, message: RuleTargetInput): SnsTopic {
    return new SnsTopic(topic, { message, deadLetterQueue: this.deadLetters });
  }

  /** The key that AWS manages for SNS does not let EventBridge and CloudWatch publish. */
  #topicKey(): Key {
    const key = new Key(this, 'TopicKey', {
      description: 'Alerts in their topics',
      enableKeyRotation: true,
      // It protects messages on their way only.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    for (const service of ['events', 'cloudwatch']) {
      key.grantEncryptDecrypt(new ServicePrincipal(`${service}.amazonaws.com`));
    }
    return key;
  }

  #slackTopic(stage: string, slack: NonNullable<StageConfig['alerts']['slack']>): Topic {
    const topic = new Topic(this, 'SlackTopic', { masterKey: this.#key, enforceSSL: true });
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

function field(name: string): string {
  return EventField.fromPath(`$.detail.${name}`);
}

/** The only form in which AWS's chat service shows a message that no AWS service wrote; it drops all others. */
function slackMessage(title: string, description: string): RuleTargetInput {
  return RuleTargetInput.fromObject({
    version: '1.0',
    source: 'custom',
    content: { textType: 'client-markdown', title, description },
  });
}
