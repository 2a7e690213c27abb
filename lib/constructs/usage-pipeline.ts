import { Duration } from 'aws-cdk-lib';
import type { EventBus } from 'aws-cdk-lib/aws-events';
import { StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { KinesisEventSource, SqsDlq, SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { ENV } from '../../core/names.ts';
import type { DataStack } from '../data-stack.ts';
import { grantItems } from '../grant-items.ts';
import type { StageConfig } from '../stage-config.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { GatewayFunction } from './gateway-function.ts';

export interface UsagePipelineProps {
  readonly config: StageConfig;
  readonly data: DataStack;
  readonly alertBus: EventBus;
}

/** What happens to usage events besides the lake: the monitor watches them, and what missed the stream is drained back into it. */
export class UsagePipeline extends Construct {
  /** The proxy's second try when the stream refuses an event. */
  readonly spillQueue: Queue;
  readonly spillDeadLetters: Queue;
  readonly monitorDeadLetters: Queue;
  readonly monitor: GatewayFunction;
  readonly spillDrain: GatewayFunction;

  constructor(scope: Construct, id: string, props: UsagePipelineProps) {
    super(scope, id);
    this.spillDeadLetters = deadLetterQueue(this, 'SpillDeadLetters');
    this.spillQueue = new Queue(this, 'Spill', {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      // Six times the function's timeout, as Lambda asks of queues that it polls.
      visibilityTimeout: Duration.minutes(3),
      // Five hours of a stream that is out before an event counts as undeliverable.
      deadLetterQueue: { queue: this.spillDeadLetters, maxReceiveCount: 100 },
    });
    this.spillDrain = this.#spillDrain(props);
    this.monitorDeadLetters = deadLetterQueue(this, 'MonitorDeadLetters');
    this.monitor = this.#monitor(props);
  }

  #spillDrain({ config, data }: UsagePipelineProps): GatewayFunction {
    const drain = new GatewayFunction(this, 'SpillDrain', {
      config,
      service: 'spill-drain',
      description: 'Puts usage events that missed the stream back into it',
      timeout: Duration.seconds(30),
      compute: { kind: 'lambda', memoryMb: 256 },
      environment: { [ENV.usageStream]: data.usageStream.streamName },
    });
    data.usageStream.grantWrite(drain);
    const source = new SqsEventSource(this.spillQueue, {
      batchSize: 100,
      maxBatchingWindow: Duration.seconds(5),
      reportBatchItemFailures: true,
      // A stream that has just recovered is not flooded again.
      maxConcurrency: 5,
    });
    drain.alias.addEventSource(source);
    return drain;
  }

  #monitor({ config, data, alertBus }: UsagePipelineProps): GatewayFunction {
    const monitor = new GatewayFunction(this, 'Monitor', {
      config,
      service: 'usage-monitor',
      description: 'Watches usage events and raises alerts',
      timeout: Duration.minutes(1),
      // One whole CPU. Adding up is CPU and little else, so that less memory would take longer and cost the same.
      compute: { kind: 'lambda', memoryMb: 1769 },
      environment: {
        [ENV.accountsTable]: data.accounts.tableName,
        [ENV.catalogTable]: data.catalog.tableName,
        [ENV.rollupsTable]: data.rollups.tableName,
        [ENV.alertBus]: alertBus.eventBusName,
      },
    });
    data.accounts.grant(monitor, 'dynamodb:GetItem', 'dynamodb:UpdateItem');
    grantItems(data.catalog, monitor, 'dynamodb:GetItem');
    data.rollups.grant(
      monitor,
      'dynamodb:GetItem',
      'dynamodb:Query',
      'dynamodb:UpdateItem',
      'dynamodb:PutItem',
    );
    alertBus.grantPutEventsTo(monitor);
    this.#schedule(monitor);
    const source = new KinesisEventSource(data.usageStream, {
      startingPosition: StartingPosition.TRIM_HORIZON,
      // A write for each subject and window of a batch: what five seconds of a full shard bring is summed before it is written.
      batchSize: 5_000,
      maxBatchingWindow: Duration.seconds(5),
      reportBatchItemFailures: true,
      bisectBatchOnError: true,
      // No parallelization factor: the sums rest on one batch of a shard at a time (ADR 0018).
      // Without these three a single bad record would hold its shard until it expires.
      retryAttempts: 10,
      maxRecordAge: Duration.hours(24),
      onFailure: new SqsDlq(this.monitorDeadLetters),
    });
    monitor.alias.addEventSource(source);
    return monitor;
  }

  /** Nobody's calls say that calls have stopped. */
  #schedule(monitor: GatewayFunction): void {
    new Schedule(this, 'MonitorTick', {
      schedule: ScheduleExpression.rate(Duration.minutes(5)),
      description: 'Looks at open incidents and at what was active, and closes what is over',
      target: new LambdaInvoke(monitor.alias, {
        deadLetterQueue: this.monitorDeadLetters,
        input: ScheduleTargetInput.fromObject({}),
        retryAttempts: 1,
        maxEventAge: Duration.minutes(5),
      }),
    });
  }
}
