import { Duration } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { ENV } from '../../core/names.ts';
import type { DataStack } from '../data-stack.ts';
import { grantItems } from '../grant-items.ts';
import type { StageConfig } from '../stage-config.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { GatewayFunction } from './gateway-function.ts';

export interface ReaperProps {
  readonly config: StageConfig;
  readonly data: DataStack;
  readonly spillQueue: Queue;
}

/** Once a minute, what dead processes left open is closed. */
export class Reaper extends Construct {
  readonly reaper: GatewayFunction;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: ReaperProps) {
    super(scope, id);
    this.reaper = this.#function(props);
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    new Schedule(this, 'EveryMinute', {
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      description: 'Closes holds whose process died',
      target: new LambdaInvoke(this.reaper.alias, {
        deadLetterQueue: this.deadLetters,
        // The next minute's run does the same work, so an old one is worth nothing.
        retryAttempts: 1,
        maxEventAge: Duration.minutes(1),
      }),
    });
  }

  #function({ config, data, spillQueue }: ReaperProps): GatewayFunction {
    const reaper = new GatewayFunction(this, 'Reaper', {
      config,
      service: 'reaper',
      description: 'Closes holds whose process died',
      timeout: Duration.minutes(5),
      compute: { kind: 'lambda', memoryMb: 256 },
      environment: {
        [ENV.accountsTable]: data.accounts.tableName,
        [ENV.catalogTable]: data.catalog.tableName,
        [ENV.usageStream]: data.usageStream.streamName,
        [ENV.spillQueueUrl]: spillQueue.queueUrl,
      },
    });
    data.accounts.grant(reaper, 'dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:Scan');
    grantItems(data.catalog, reaper, 'dynamodb:GetItem');
    data.usageStream.grantWrite(reaper);
    spillQueue.grantSendMessages(reaper);
    return reaper;
  }
}
