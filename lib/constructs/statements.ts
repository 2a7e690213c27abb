import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Grant } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { ENV } from '../../core/names.ts';
import type { DataStack } from '../data-stack.ts';
import { grantItems } from '../grant-items.ts';
import type { StageConfig } from '../stage-config.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { GatewayFunction } from './gateway-function.ts';

export interface StatementsProps {
  readonly config: StageConfig;
  readonly data: DataStack;
}

/** Statements that people get: a week's summary for each team's lead, a month's chargeback for finance, and the tables they join with. */
export class Statements extends Construct {
  readonly writer: GatewayFunction;
  readonly deadLetters: Queue;
  readonly topic: Topic;
  readonly #key: Key;

  constructor(scope: Construct, id: string, props: StatementsProps) {
    super(scope, id);
    this.#key = new Key(this, 'TopicKey', {
      description: 'Statements in their topic',
      enableKeyRotation: true,
      // It protects messages on their way only.
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.topic = new Topic(this, 'Topic', { masterKey: this.#key, enforceSSL: true });
    const { email } = props.config.statements;
    if (email !== undefined) this.topic.addSubscription(new EmailSubscription(email));
    this.writer = this.#function(props);
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    this.#schedule('Reference', {
      schedule: ScheduleExpression.rate(Duration.hours(1)),
      description: 'Budgets and prices of the policy in force',
      job: 'reference',
    });
    // After the ledger's nightly run, which books what came late.
    this.#schedule('Week', {
      schedule: ScheduleExpression.cron({ weekDay: 'MON', hour: '5', minute: '37' }),
      description: 'The week of each team',
      job: 'week',
    });
    this.#schedule('Month', {
      schedule: ScheduleExpression.cron({ day: '3', hour: '5', minute: '7' }),
      description: 'The chargeback of the month before',
      job: 'month',
    });
  }

  #schedule(
    id: string,
    what: { schedule: ScheduleExpression; description: string; job: string },
  ): void {
    new Schedule(this, id, {
      schedule: what.schedule,
      description: what.description,
      target: new LambdaInvoke(this.writer.alias, {
        deadLetterQueue: this.deadLetters,
        input: ScheduleTargetInput.fromObject({ job: what.job }),
        retryAttempts: 3,
        maxEventAge: Duration.hours(6),
      }),
    });
  }

  #function({ config, data }: StatementsProps): GatewayFunction {
    const writer = new GatewayFunction(this, 'Writer', {
      config,
      service: 'statements',
      description: 'Sums up weeks and charges months',
      timeout: Duration.minutes(15),
      compute: { kind: 'lambda', memoryMb: 512 },
      environment: {
        [ENV.catalogTable]: data.catalog.tableName,
        [ENV.athenaWorkGroup]: data.queries.workGroupName,
        [ENV.lakeBucket]: data.lake.bucket.bucketName,
        [ENV.statementsTopic]: this.topic.topicArn,
      },
    });
    grantItems(data.catalog, writer, 'dynamodb:GetItem');
    // The construct's own grant allows a family of actions on the key.
    const topic = { actions: ['sns:Publish'], resourceArns: [this.topic.topicArn] };
    Grant.addToPrincipal({ grantee: writer, ...topic });
    this.#key.grant(writer, 'kms:Decrypt', 'kms:GenerateDataKey');
    writer.role.addManagedPolicy(data.lakeAccess.statingPolicy);
    return writer;
  }
}
