/**
 * Everything that must outlive a deployment: accounts, catalog, secrets, the usage stream and the lake.
 * It holds no code, so that the gateway can be deployed, replaced or deleted without touching it.
 */
import {
  CfnOutput,
  Duration,
  RemovalPolicy,
  SecretValue,
  Stack,
  type StackProps,
} from 'aws-cdk-lib';
import {
  AttributeType,
  Billing,
  TableEncryptionV2,
  type TablePropsV2,
  TableV2,
} from 'aws-cdk-lib/aws-dynamodb';
import { Stream, StreamEncryption, StreamMode } from 'aws-cdk-lib/aws-kinesis';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { TABLE_KEY, TABLE_LIST, TABLE_SORT, TABLE_TTL } from '../core/names.ts';
import { acknowledge } from './acknowledge.ts';
import { AuditLog } from './constructs/audit-log.ts';
import { LakeAccess } from './constructs/lake-access.ts';
import { TraceStore } from './constructs/trace-store.ts';
import { UsageLake } from './constructs/usage-lake.ts';
import { UsageQueries } from './constructs/usage-queries.ts';
import { UsageViews } from './constructs/usage-views.ts';
import type { StageConfig } from './stage-config.ts';

export interface DataStackProps extends StackProps {
  readonly config: StageConfig;
}

export class DataStack extends Stack {
  readonly accounts: TableV2;
  readonly catalog: TableV2;
  /** Sums of usage for detectors and live figures, incidents among them. All of it can be made again from the lake. */
  readonly rollups: TableV2;
  readonly usageStream: Stream;
  readonly lake: UsageLake;
  readonly audit: AuditLog;
  readonly queries: UsageQueries;
  readonly lakeAccess: LakeAccess;
  /** Undefined where the stage keeps no prompts and answers. */
  readonly traceStore: TraceStore | undefined;
  readonly adminKey: Secret;
  /** From it come the salts that keep tenants apart in caches which servers share. */
  readonly cacheSecret: Secret;
  /** By the name that the policy file uses. */
  readonly providerSecrets: ReadonlyMap<string, Secret>;
  /** Slack channel -> URL of its webhook, as JSON. */
  readonly slackWebhooks: Secret;
  readonly #removalPolicy: RemovalPolicy;

  constructor(scope: Construct, id: string, props: DataStackProps) {
    super(scope, id, props);
    const { config } = props;
    this.#removalPolicy = config.removalProtection ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;
    // Posted calls and marks of cancelled ones go by themselves. No account has the attribute.
    this.accounts = this.#table('Accounts', config, { timeToLiveAttribute: TABLE_TTL });
    this.catalog = this.#table('Catalog', config, {
      globalSecondaryIndexes: [
        {
          indexName: TABLE_LIST.index,
          partitionKey: { name: TABLE_LIST.partition, type: AttributeType.STRING },
          sortKey: { name: TABLE_LIST.sort, type: AttributeType.STRING },
        },
      ],
    });
    this.rollups = this.#table('Rollups', config, {
      sortKey: { name: TABLE_SORT, type: AttributeType.STRING },
      timeToLiveAttribute: TABLE_TTL,
    });
    this.adminKey = this.#adminKey();
    this.cacheSecret = this.#cacheSecret();
    this.slackWebhooks = this.#slackWebhooks();
    this.providerSecrets = new Map(
      config.providerSecrets.map((name) => [name, this.#providerSecret(name)]),
    );
    this.usageStream = new Stream(this, 'UsageStream', {
      streamMode: StreamMode.ON_DEMAND,
      // A consumer that broke on Friday evening loses nothing by Monday.
      retentionPeriod: Duration.days(7),
      encryption: StreamEncryption.MANAGED,
      removalPolicy: this.#removalPolicy,
    });
    const key = new Key(this, 'LakeKey', {
      description: 'The usage lake and what is asked of it',
      enableKeyRotation: true,
      removalPolicy: this.#removalPolicy,
    });
    this.lake = new UsageLake(this, 'UsageLake', {
      stream: this.usageStream,
      key,
      removalPolicy: this.#removalPolicy,
      logRetentionDays: config.logRetentionDays,
    });
    this.audit = new AuditLog(this, 'AuditLog', { config, lake: this.lake, key });
    this.queries = new UsageQueries(this, 'UsageQueries', {
      lake: this.lake,
      key,
      stage: config.stage,
      scanLimitGb: config.athena.scanLimitGb,
      removalPolicy: this.#removalPolicy,
    });
    new UsageViews(this, 'UsageViews', { lake: this.lake });
    this.lakeAccess = new LakeAccess(this, 'LakeAccess', { queries: this.queries });
    this.traceStore = config.traceStore
      ? new TraceStore(this, 'TraceStore', {
          removalPolicy: this.#removalPolicy,
          accessLogs: this.lake.accessLogs,
        })
      : undefined;
    new CfnOutput(this, 'AdminKeySecret', { value: this.adminKey.secretArn });
  }

  #table(
    id: string,
    config: StageConfig,
    options: Pick<TablePropsV2, 'sortKey' | 'timeToLiveAttribute' | 'globalSecondaryIndexes'> = {},
  ): TableV2 {
    return new TableV2(this, id, {
      ...options,
      partitionKey: { name: TABLE_KEY, type: AttributeType.STRING },
      billing: Billing.onDemand(),
      encryption: TableEncryptionV2.awsManagedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: config.removalProtection,
      removalPolicy: this.#removalPolicy,
    });
  }

  #adminKey(): Secret {
    const secret = new Secret(this, 'AdminKey', {
      description: 'Bearer key of the admin API',
      generateSecretString: { passwordLength: 48, excludePunctuation: true },
      removalPolicy: this.#removalPolicy,
    });
    acknowledge(secret, {
      SMG4: 'Replaced by hand: people and pipelines hold this key, and a rotation that they did not start would lock them out.',
    });
    return secret;
  }

  #cacheSecret(): Secret {
    const secret = new Secret(this, 'CacheSecret', {
      description: 'Secret of the salts that part tenants in shared prefix caches',
      generateSecretString: { passwordLength: 48, excludePunctuation: true },
      removalPolicy: this.#removalPolicy,
    });
    acknowledge(secret, {
      SMG4: 'It opens nothing and never leaves the proxy; a new value would only empty the caches of all tenants at once.',
    });
    return secret;
  }

  #slackWebhooks(): Secret {
    const secret = new Secret(this, 'SlackWebhooks', {
      description: 'JSON object: Slack channel -> URL of its webhook',
      secretStringValue: SecretValue.unsafePlainText('{}'),
      removalPolicy: this.#removalPolicy,
    });
    acknowledge(secret, {
      SMG4: 'Slack issues webhooks by hand and offers no rotation.',
    });
    return secret;
  }

  /** Born as an empty pool; the operator puts the vendor's keys in, and later deployments leave the value alone. */
  #providerSecret(name: string): Secret {
    const secret = new Secret(this, `ProviderSecret-${name}`, {
      description: `Key pool of the provider secret "${name}"`,
      secretStringValue: SecretValue.unsafePlainText('{"keys":[]}'),
      removalPolicy: this.#removalPolicy,
    });
    acknowledge(secret, {
      SMG4: 'Vendors issue these keys by hand and offer no rotation; the pool holds several so that one can be replaced without a gap.',
    });
    return secret;
  }
}
