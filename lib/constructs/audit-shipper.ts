import { Duration } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { ENV } from '../../core/names.ts';
import type { DataStack } from '../data-stack.ts';
import type { StageConfig } from '../stage-config.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { GatewayFunction } from './gateway-function.ts';

export interface AuditShipperProps {
  readonly config: StageConfig;
  readonly data: DataStack;
}

/** Every hour, what the admin function wrote and could not ship goes to the bucket. */
export class AuditShipper extends Construct {
  readonly shipper: GatewayFunction;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, { config, data }: AuditShipperProps) {
    super(scope, id);
    this.shipper = new GatewayFunction(this, 'Function', {
      config,
      service: 'audit-shipper',
      description: 'Ships audit records that are still waiting',
      timeout: Duration.minutes(5),
      compute: { kind: 'lambda', memoryMb: 256 },
      environment: {
        [ENV.auditTable]: data.audit.records.tableName,
        [ENV.auditBucket]: data.audit.bucket.bucketName,
      },
    });
    this.shipper.role.addManagedPolicy(data.audit.writingPolicy);
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    new Schedule(this, 'Hourly', {
      schedule: ScheduleExpression.rate(Duration.hours(1)),
      description: 'Ships audit records that are still waiting',
      target: new LambdaInvoke(this.shipper.alias, {
        deadLetterQueue: this.deadLetters,
        // The next hour's run does the same work.
        retryAttempts: 1,
        maxEventAge: Duration.minutes(30),
      }),
    });
  }
}
