/** The audit log: a table that changes are written to with their records, a bucket that keeps these, and how to ask it. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AttributeType, Billing, TableEncryptionV2, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import {
  DataFormat,
  PartitionProjectionConfiguration,
  S3Table,
  S3TableStorage,
  Schema,
} from 'aws-cdk-lib/aws-glue';
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Key } from 'aws-cdk-lib/aws-kms';
import { type IBucket, ObjectLockRetention } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { AUDIT_COLUMNS, AUDIT_PREFIX } from '../../core/governance/audit.ts';
import { LAKE, TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import { acknowledge } from '../acknowledge.ts';
import type { StageConfig } from '../stage-config.ts';
import { privateBucket } from './private-bucket.ts';
import type { UsageLake } from './usage-lake.ts';

export interface AuditLogProps {
  readonly config: StageConfig;
  readonly lake: UsageLake;
  readonly key: Key;
}

/** Nothing of it goes with its stack, in whatever stage: who deletes a stack must not delete the record of it. */
export class AuditLog extends Construct {
  readonly records: TableV2;
  readonly bucket: IBucket;
  /** May add to the log; may neither delete a record nor read the bucket. */
  readonly writingPolicy: ManagedPolicy;

  constructor(scope: Construct, id: string, { config, lake, key }: AuditLogProps) {
    super(scope, id);
    this.records = new TableV2(this, 'Records', {
      partitionKey: { name: TABLE_KEY, type: AttributeType.STRING },
      sortKey: { name: TABLE_SORT, type: AttributeType.STRING },
      // What has been shipped goes by itself; what has not never does.
      timeToLiveAttribute: TABLE_TTL,
      billing: Billing.onDemand(),
      encryption: TableEncryptionV2.awsManagedKey(),
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: config.removalProtection,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    const { mode, years } = config.audit;
    const period = Duration.days(365 * years);
    this.bucket = privateBucket(this, 'Bucket', {
      key,
      accessLogs: lake.accessLogs,
      versioned: true,
      objectLock:
        mode === 'compliance'
          ? ObjectLockRetention.compliance(period)
          : ObjectLockRetention.governance(period),
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(7) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    this.#table(lake);
    this.writingPolicy = this.#policy(key);
  }

  #policy(key: Key): ManagedPolicy {
    const { records, bucket } = this;
    const allow = (actions: readonly string[], resource: string) =>
      new PolicyStatement({ actions: [...actions], resources: [resource] });
    const policy = new ManagedPolicy(this, 'Writing', {
      description: 'Adds records to the audit log',
      statements: [
        allow(['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:Query'], records.tableArn),
        allow(['s3:PutObject'], bucket.arnForObjects(`${AUDIT_PREFIX}*`)),
        allow(['kms:GenerateDataKey', 'kms:Decrypt'], key.keyArn),
      ],
    });
    acknowledge(policy, {
      'IAM5[Resource::<AuditLogBucket338C7405.Arn>/audit/*]':
        'Objects below one prefix, which have no names before they exist.',
    });
    return policy;
  }

  /** One JSON document a line; a day's records are one partition, found by its path. */
  #table(lake: UsageLake): void {
    new S3Table(this, 'Table', {
      database: lake.database,
      tableName: LAKE.auditTable,
      description: 'Who changed what of the governance, one row a change',
      columns: AUDIT_COLUMNS.map((name) => ({ name, type: Schema.STRING })),
      partitionKeys: [{ name: 'dt', type: Schema.STRING }],
      partitionProjection: {
        dt: PartitionProjectionConfiguration.date({
          min: '2026-01-01',
          max: 'NOW',
          format: 'yyyy-MM-dd',
        }),
      },
      dataFormat: DataFormat.JSON,
      storage: S3TableStorage.fromBucket(this.bucket),
      s3Prefix: AUDIT_PREFIX,
    });
  }
}
