/** Everything that runs code or routes requests. It holds no state, so it can be replaced or deleted at any time. */
import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Construct } from 'constructs';
import { ENV, TABLE_LIST } from '../core/names.ts';
import { AlertRouter } from './constructs/alert-router.ts';
import { Alerts } from './constructs/alerts.ts';
import { AuditShipper } from './constructs/audit-shipper.ts';
import { grantBedrock } from './constructs/bedrock-grants.ts';
import { GatewayFunction } from './constructs/gateway-function.ts';
import { Ledger } from './constructs/ledger.ts';
import { usesLeases } from './constructs/managed-instances.ts';
import { Monitoring } from './constructs/monitoring.ts';
import { Network } from './constructs/network.ts';
import { grantObservation, observationOf } from './constructs/observation.ts';
import { Reaper } from './constructs/reaper.ts';
import { Reconciliation } from './constructs/reconciliation.ts';
import { Statements } from './constructs/statements.ts';
import { STREAM_TIMEOUT, StreamingApi } from './constructs/streaming-api.ts';
import { UsagePipeline } from './constructs/usage-pipeline.ts';
import type { DataStack } from './data-stack.ts';
import { grantItems, grantQuery } from './grant-items.ts';
import type { InferenceStack } from './inference-stack.ts';
import type { StageConfig } from './stage-config.ts';

export interface GatewayStackProps extends StackProps {
  readonly config: StageConfig;
  readonly data: DataStack;
  readonly inference: InferenceStack | undefined;
}

export class GatewayStack extends Stack {
  constructor(scope: Construct, id: string, props: GatewayStackProps) {
    super(scope, id, props);
    const { config, data } = props;
    const alerts = new Alerts(this, 'Alerts', { config });
    const alertRouter = new AlertRouter(this, 'AlertRouter', { config, data, alerts });
    const pipeline = new UsagePipeline(this, 'UsagePipeline', {
      config,
      data,
      alertBus: alerts.bus,
    });
    const reaper = new Reaper(this, 'Reaper', { config, data, spillQueue: pipeline.spillQueue });
    const ledger = new Ledger(this, 'Ledger', { config, data });
    const statements = new Statements(this, 'Statements', { config, data });
    const reconciliation = new Reconciliation(this, 'Reconciliation', {
      config,
      data,
      alertBus: alerts.bus,
    });
    const auditShipper = new AuditShipper(this, 'AuditShipper', { config, data });
    const proxy = this.#proxy(props, pipeline);
    const admin = this.#admin(props, proxy);
    this.#finishRollouts(admin, reaper);
    const api = new StreamingApi(this, 'StreamingApi', {
      config,
      proxy: proxy.alias,
      admin: admin.alias,
    });
    new Monitoring(this, 'Monitoring', {
      config,
      alerts,
      alertRouter,
      api,
      data,
      pipeline,
      reaper,
      ledger,
      statements,
      reconciliation,
      auditShipper,
      proxy,
      admin,
    });

    const baseUrl =
      config.domain === undefined ? api.api.urlForPath('/v1') : `https://${config.domain.name}/v1`;
    // For targets that people add: their own rules, and their subscriptions with a filter.
    new CfnOutput(this, 'AlertBus', { value: alerts.bus.eventBusName });
    new CfnOutput(this, 'TeamAlertTopic', { value: alerts.teams.topicArn });
    new CfnOutput(this, 'BaseUrl', {
      value: baseUrl,
      description: 'Base URL for OpenAI-compatible clients',
    });
  }

  #proxy({ config, data, inference }: GatewayStackProps, pipeline: UsagePipeline): GatewayFunction {
    const secrets = [...data.providerSecrets];
    const secretArns = Object.fromEntries(
      secrets.map(([name, secret]) => [name, secret.secretArn]),
    );
    const proxy = new GatewayFunction(this, 'Proxy', {
      config,
      service: 'proxy',
      isLean: true,
      description: 'Serves the model APIs: reserves, relays, settles',
      timeout: STREAM_TIMEOUT,
      compute: config.compute,
      network: this.#network(config, inference),
      environment: {
        [ENV.accountsTable]: data.accounts.tableName,
        [ENV.catalogTable]: data.catalog.tableName,
        [ENV.rollupsTable]: data.rollups.tableName,
        [ENV.usageStream]: data.usageStream.streamName,
        [ENV.spillQueueUrl]: pipeline.spillQueue.queueUrl,
        [ENV.providerSecrets]: this.toJsonString(secretArns),
        [ENV.cacheSecret]: data.cacheSecret.secretArn,
        [ENV.leases]: usesLeases(config.compute) ? 'on' : 'off',
        [ENV.observation]: this.toJsonString(observationOf(config, data)),
      },
    });
    data.accounts.grant(proxy, 'dynamodb:GetItem', 'dynamodb:UpdateItem');
    grantItems(data.catalog, proxy, 'dynamodb:GetItem');
    grantItems(data.rollups, proxy, 'dynamodb:Query');
    data.usageStream.grantWrite(proxy);
    pipeline.spillQueue.grantSendMessages(proxy);
    for (const [, secret] of secrets) secret.grantRead(proxy);
    data.cacheSecret.grantRead(proxy);
    if (config.bedrock !== undefined) grantBedrock(proxy, config.bedrock);
    grantObservation(proxy, config, data);
    return proxy;
  }

  #admin({ config, data }: GatewayStackProps, proxy: GatewayFunction): GatewayFunction {
    const place = {
      logGroup: proxy.logGroup.logGroupName,
      traceBucket: data.traceStore?.bucket.bucketName,
    };
    const admin = new GatewayFunction(this, 'Admin', {
      config,
      service: 'admin',
      description: 'The admin API: policy, keys, limits, invoices, calls',
      timeout: Duration.seconds(29),
      compute: { kind: 'lambda', memoryMb: 1769 },
      environment: {
        [ENV.accountsTable]: data.accounts.tableName,
        [ENV.catalogTable]: data.catalog.tableName,
        [ENV.rollupsTable]: data.rollups.tableName,
        [ENV.adminKeySecret]: data.adminKey.secretArn,
        [ENV.athenaWorkGroup]: data.queries.writerWorkGroupName,
        [ENV.questionsWorkGroup]: data.queries.workGroupName,
        [ENV.requestPlace]: this.toJsonString(place),
        [ENV.lakeBucket]: data.lake.bucket.bucketName,
        [ENV.auditTable]: data.audit.records.tableName,
        [ENV.auditBucket]: data.audit.bucket.bucketName,
      },
    });
    data.accounts.grant(admin, 'dynamodb:GetItem', 'dynamodb:BatchGetItem', 'dynamodb:UpdateItem');
    data.rollups.grant(admin, 'dynamodb:Query');
    grantItems(
      data.catalog,
      admin,
      'dynamodb:GetItem',
      'dynamodb:BatchGetItem',
      'dynamodb:PutItem',
      'dynamodb:UpdateItem',
      'dynamodb:DeleteItem',
    );
    grantQuery(data.catalog, admin, TABLE_LIST.index);
    data.adminKey.grantRead(admin);
    admin.role.addManagedPolicy(data.audit.writingPolicy);
    admin.role.addManagedPolicy(data.lakeAccess.invoicesPolicy);
    admin.role.addManagedPolicy(data.lakeAccess.lookupPolicy);
    return admin;
  }

  /** A large policy outlives the request that applies it; nobody has to come back for the rest. */
  #finishRollouts(admin: GatewayFunction, { deadLetters }: Reaper): void {
    new Schedule(this, 'FinishRollouts', {
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      description: 'Brings the policy in force to the accounts that lack it',
      target: new LambdaInvoke(admin.alias, {
        input: ScheduleTargetInput.fromObject({ job: 'rollout' }),
        deadLetterQueue: deadLetters,
        // The next minute's run does the same work.
        retryAttempts: 0,
        maxEventAge: Duration.minutes(1),
      }),
    });
  }

  /** None, unless something needs one: addresses inside a network reach providers through a gateway paid by the gigabyte. */
  #network(config: StageConfig, inference: InferenceStack | undefined): Network | undefined {
    if (inference !== undefined) return inference.network;
    if (config.compute.kind === 'lambda') return undefined;
    return new Network(this, 'Network', { logRetentionDays: config.logRetentionDays });
  }
}
