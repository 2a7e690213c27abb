import { Duration } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { ENV } from '../../core/names.ts';
import type { DataStack } from '../data-stack.ts';
import { grantItems } from '../grant-items.ts';
import type { StageConfig } from '../stage-config.ts';
import { deadLetterQueue } from './dead-letter-queue.ts';
import { GatewayFunction } from './gateway-function.ts';

export interface LedgerProps {
  readonly config: StageConfig;
  readonly data: DataStack;
}

/** Every quarter of an hour what has arrived is booked into the ledger; at night whatever came later than that. */
export class Ledger extends Construct {
  readonly writer: GatewayFunction;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: LedgerProps) {
    super(scope, id);
    this.writer = this.#function(props);
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    this.#schedule('Recent', {
      schedule: ScheduleExpression.rate(Duration.minutes(15)),
      description: 'Books what has arrived',
      reach: 'recent',
    });
    this.#schedule('Wide', {
      // Between two runs of the other schedule.
      schedule: ScheduleExpression.cron({ hour: '3', minute: '7' }),
      description: 'Books what has arrived late, and tidies the ledger',
      reach: 'wide',
    });
  }

  #schedule(
    id: string,
    what: { schedule: ScheduleExpression; description: string; reach: string },
  ): void {
    new Schedule(this, id, {
      schedule: what.schedule,
      description: what.description,
      target: new LambdaInvoke(this.writer.alias, {
        deadLetterQueue: this.deadLetters,
        input: ScheduleTargetInput.fromObject({ reach: what.reach }),
        retryAttempts: 1,
        maxEventAge: Duration.minutes(15),
      }),
    });
  }

  #function({ config, data }: LedgerProps): GatewayFunction {
    const writer = new GatewayFunction(this, 'Writer', {
      config,
      service: 'ledger-writer',
      description: 'Books usage into the ledger',
      timeout: Duration.minutes(15),
      // One at a time: Iceberg would refuse the second of two merges, after both were paid for.
      compute: { kind: 'lambda', memoryMb: 256, reservedConcurrency: 1 },
      environment: {
        [ENV.catalogTable]: data.catalog.tableName,
        [ENV.athenaWorkGroup]: data.queries.writerWorkGroupName,
        [ENV.ledgerLocation]: data.lake.ledgerLocation,
      },
    });
    grantItems(data.catalog, writer, 'dynamodb:GetItem');
    writer.role.addManagedPolicy(data.lakeAccess.bookingPolicy);
    return writer;
  }
}
