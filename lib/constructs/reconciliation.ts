import { Duration } from 'aws-cdk-lib';
import type { EventBus } from 'aws-cdk-lib/aws-events';
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

export interface ReconciliationProps {
  readonly config: StageConfig;
  readonly data: DataStack;
  readonly alertBus: EventBus;
}

/** Every hour the accounts of an hour ago are compared with the ledger, and the ledger with the raw events. */
export class Reconciliation extends Construct {
  readonly reconciler: GatewayFunction;
  readonly deadLetters: Queue;

  constructor(scope: Construct, id: string, props: ReconciliationProps) {
    super(scope, id);
    this.reconciler = this.#function(props);
    this.deadLetters = deadLetterQueue(this, 'DeadLetters');
    // An hour apart all of them, because each compares the accounts as the one before read them.
    this.#schedule('Hourly', { minute: '40', hour: '0-3,5-23' }, 'hourly');
    // After the wide run of the ledger's writer.
    this.#schedule('Nightly', { minute: '40', hour: '4' }, 'nightly');
  }

  #schedule(id: string, at: { minute: string; hour: string }, reach: string): void {
    new Schedule(this, id, {
      schedule: ScheduleExpression.cron(at),
      description: 'Compares accounts, ledger and raw events',
      target: new LambdaInvoke(this.reconciler.alias, {
        deadLetterQueue: this.deadLetters,
        input: ScheduleTargetInput.fromObject({ reach }),
        retryAttempts: 1,
        maxEventAge: Duration.minutes(30),
      }),
    });
  }

  #function({ config, data, alertBus }: ReconciliationProps): GatewayFunction {
    const reconciler = new GatewayFunction(this, 'Reconciler', {
      config,
      service: 'reconciler',
      description: 'Compares accounts, ledger and raw events, and corrects posted calls',
      timeout: Duration.minutes(15),
      // One at a time: two would compare and tell the same.
      compute: { kind: 'lambda', memoryMb: 1024, reservedConcurrency: 1 },
      environment: {
        [ENV.accountsTable]: data.accounts.tableName,
        [ENV.catalogTable]: data.catalog.tableName,
        [ENV.athenaWorkGroup]: data.queries.writerWorkGroupName,
        [ENV.alertBus]: alertBus.eventBusName,
        [ENV.lakeBucket]: data.lake.bucket.bucketName,
      },
    });
    data.accounts.grant(reconciler, 'dynamodb:GetItem', 'dynamodb:UpdateItem', 'dynamodb:Scan');
    grantItems(data.catalog, reconciler, 'dynamodb:GetItem');
    alertBus.grantPutEventsTo(reconciler);
    reconciler.role.addManagedPolicy(data.lakeAccess.provingPolicy);
    return reconciler;
  }
}
