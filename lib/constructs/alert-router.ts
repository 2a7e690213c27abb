import { Duration } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Grant } from 'aws-cdk-lib/aws-iam';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import { ALERT_DETAIL_TYPE, ALERT_SOURCE, ENV } from '../../core/names.ts';
import type { DataStack } from '../data-stack.ts';
import { grantItems } from '../grant-items.ts';
import type { StageConfig } from '../stage-config.ts';
import type { Alerts } from './alerts.ts';
import { GatewayFunction } from './gateway-function.ts';

export interface AlertRouterProps {
  readonly config: StageConfig;
  readonly data: DataStack;
  readonly alerts: Alerts;
}

/** From an event on the bus to people: one function, because only the policy knows which channels a team has. */
export class AlertRouter extends Construct {
  readonly router: GatewayFunction;

  constructor(scope: Construct, id: string, props: AlertRouterProps) {
    super(scope, id);
    const { bus, deadLetters } = props.alerts;
    this.router = this.#function(props);
    const { alias } = this.router;
    // What fails comes again after one and two minutes; channels that have it do not get it twice.
    alias.configureAsyncInvoke({
      retryAttempts: 2,
      maxEventAge: Duration.hours(6),
      onFailure: new SqsDestination(deadLetters),
    });
    new Rule(this, 'Rule', {
      description: 'Everything that people should know',
      eventBus: bus,
      eventPattern: { source: [ALERT_SOURCE], detailType: Object.values(ALERT_DETAIL_TYPE) },
      targets: [new LambdaFunction(alias, { deadLetterQueue: deadLetters })],
    });
    new Schedule(this, 'Digests', {
      schedule: ScheduleExpression.rate(Duration.minutes(5)),
      description: 'Sends alerts that were held back by a storm or by quiet hours',
      target: new LambdaInvoke(alias, {
        deadLetterQueue: deadLetters,
        input: ScheduleTargetInput.fromObject({}),
        // The next run does the same work.
        retryAttempts: 0,
        maxEventAge: Duration.minutes(5),
      }),
    });
  }

  #function({ config, data, alerts }: AlertRouterProps): GatewayFunction {
    const { people, teams, chat, key } = alerts;
    const { docsUrl } = config.alerts;
    const router = new GatewayFunction(this, 'Router', {
      config,
      service: 'alert-router',
      description: 'Takes alerts to the channels of those concerned',
      timeout: Duration.seconds(30),
      compute: { kind: 'lambda', memoryMb: 256 },
      environment: {
        [ENV.catalogTable]: data.catalog.tableName,
        [ENV.rollupsTable]: data.rollups.tableName,
        [ENV.alertTopic]: people.topicArn,
        [ENV.teamAlertTopic]: teams.topicArn,
        [ENV.slackWebhooksSecret]: data.slackWebhooks.secretArn,
        ...(chat === undefined ? {} : { [ENV.chatTopic]: chat.topicArn }),
        ...(docsUrl === undefined ? {} : { [ENV.docsUrl]: docsUrl }),
      },
    });
    grantItems(data.catalog, router, 'dynamodb:GetItem');
    grantItems(
      data.rollups,
      router,
      'dynamodb:Query',
      'dynamodb:UpdateItem',
      'dynamodb:PutItem',
      'dynamodb:DeleteItem',
    );
    const topics = [people, teams, ...(chat === undefined ? [] : [chat])];
    Grant.addToPrincipal({
      grantee: router,
      actions: ['sns:Publish'],
      resourceArns: topics.map(({ topicArn }) => topicArn),
    });
    key.grant(router, 'kms:Decrypt', 'kms:GenerateDataKey');
    data.slackWebhooks.grantRead(router);
    return router;
  }
}
