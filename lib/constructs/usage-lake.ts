/** Kinesis -> Firehose -> Parquet in S3, with the Glue table that says how to read it. */
import { Duration, type RemovalPolicy, Size } from 'aws-cdk-lib';
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import {
  CfnTable,
  Database,
  DataFormat,
  PartitionProjectionConfiguration,
  S3Table,
  S3TableStorage,
  Schema,
  type Type,
} from 'aws-cdk-lib/aws-glue';
import type { Stream } from 'aws-cdk-lib/aws-kinesis';
import {
  DeliveryStream,
  EnableLogging,
  InputFormat,
  KinesisStreamSource,
  OutputFormat,
  S3Bucket,
  SchemaConfiguration,
} from 'aws-cdk-lib/aws-kinesisfirehose';
import type { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { type IBucket, type LifecycleRule, StorageClass } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { LAKE } from '../../core/names.ts';
import { type Column, type ColumnType, usageEventColumns } from '../../core/usage/event.ts';
import { acknowledge } from '../acknowledge.ts';
import { accessLogBucket, privateBucket } from './private-bucket.ts';

export interface UsageLakeProps {
  readonly stream: Stream;
  readonly key: Key;
  readonly removalPolicy: RemovalPolicy;
  readonly logRetentionDays: number;
}

export const DATA_PREFIX = 'usage/';
export const LEDGER_PREFIX = 'ledger/';
export const RECONCILIATION_PREFIX = 'reconciliation/';
export const INVOICES_PREFIX = 'invoices/';
const ERROR_PREFIX = 'errors/';
/** Conversion is all that the delivery stream does with a record, so it is all that can fail. */
const REJECTED_PREFIX = `${ERROR_PREFIX}format-conversion-failed/`;

export class UsageLake extends Construct {
  readonly key: Key;
  readonly bucket: IBucket;
  readonly accessLogs: IBucket;
  readonly database: Database;
  readonly table: S3Table;
  readonly deliveryStream: DeliveryStream;

  constructor(scope: Construct, id: string, props: UsageLakeProps) {
    super(scope, id);
    this.key = props.key;
    this.accessLogs = accessLogBucket(this, 'AccessLogs', props.removalPolicy);
    this.bucket = privateBucket(this, 'Bucket', {
      key: props.key,
      removalPolicy: props.removalPolicy,
      accessLogs: this.accessLogs,
      versioned: true,
      lifecycleRules,
    });
    this.database = new Database(this, 'Database', {
      databaseName: LAKE.database,
      removalPolicy: props.removalPolicy,
    });
    this.table = this.#usageTable();
    this.#rejectedTable();
    this.deliveryStream = this.#deliveryStream(props);
  }

  /** Where the ledger's writer makes the ledger. */
  get ledgerLocation(): string {
    return this.bucket.s3UrlForObject(LEDGER_PREFIX);
  }

  /** Seconds since the oldest record that has not reached the lake arrived. */
  metricFreshness(): Metric {
    return this.deliveryStream.metric('DeliveryToS3.DataFreshness', {
      statistic: 'Maximum',
      period: Duration.minutes(5),
    });
  }

  /** Records that did not fit the table and went to the error prefix. */
  metricRejectedRecords(): Metric {
    return this.deliveryStream.metric('FailedConversion.Records', {
      statistic: 'Sum',
      period: Duration.minutes(5),
    });
  }

  /** Partitions are projected from the path, so no crawler and no partition registration exists. */
  #usageTable(): S3Table {
    return new S3Table(this, 'UsageTable', {
      database: this.database,
      tableName: LAKE.usageTable,
      description: 'One row for each delivery of a usage event; queries keep one by request_id',
      columns: usageEventColumns.map(({ name, type }) => ({ name, type: glueTypes[type] })),
      partitionKeys: [
        { name: 'dt', type: Schema.STRING },
        { name: 'hour', type: Schema.STRING },
      ],
      partitionProjection: {
        dt: DAYS,
        hour: PartitionProjectionConfiguration.integer({ min: 0, max: 23, digits: 2 }),
      },
      dataFormat: DataFormat.PARQUET,
      storage: S3TableStorage.fromBucket(this.bucket),
      s3Prefix: DATA_PREFIX,
    });
  }

  /** What the delivery stream writes of each record that did not fit: the reason, and the record in base64. */
  #rejectedTable(): void {
    new S3Table(this, 'RejectedTable', {
      database: this.database,
      tableName: LAKE.rejectedTable,
      description: 'Records that did not fit the table of usage, with the reason',
      columns: REJECTED_COLUMNS.map(({ name, type }) => ({ name, type: glueTypes[type] })),
      partitionKeys: [{ name: 'dt', type: Schema.STRING }],
      partitionProjection: { dt: DAYS },
      dataFormat: DataFormat.JSON,
      storage: S3TableStorage.fromBucket(this.bucket),
      s3Prefix: REJECTED_PREFIX,
    });
  }

  #deliveryStream(props: UsageLakeProps): DeliveryStream {
    const table = this.table.node.defaultChild;
    if (!(table instanceof CfnTable))
      throw new TypeError('the Glue table has no CloudFormation resource');
    const destination = new S3Bucket(this.bucket, {
      // The time is the arrival at Firehose, in UTC; the event's own time is a column.
      dataOutputPrefix: `${DATA_PREFIX}dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/`,
      errorOutputPrefix: `${ERROR_PREFIX}!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/`,
      bufferingInterval: Duration.minutes(5),
      bufferingSize: Size.mebibytes(128),
      encryptionKey: props.key,
      loggingConfig: new EnableLogging(
        new LogGroup(this, 'DeliveryLog', {
          retention: props.logRetentionDays,
          removalPolicy: props.removalPolicy,
        }),
      ),
      dataFormatConversion: {
        schemaConfiguration: SchemaConfiguration.fromCfnTable(table),
        inputFormat: InputFormat.OPENX_JSON,
        outputFormat: OutputFormat.PARQUET,
      },
    });
    const deliveryStream = new DeliveryStream(this, 'DeliveryStream', {
      source: new KinesisStreamSource(props.stream),
      destination,
    });
    acknowledge(deliveryStream, deliveryFindings);
    return deliveryStream;
  }
}

const DAYS = PartitionProjectionConfiguration.date({
  min: '2026-01-01',
  max: 'NOW',
  format: 'yyyy-MM-dd',
});

/** Glue's names are lower case; the files' are matched whatever their case. */
export const REJECTED_COLUMNS: readonly Column[] = [
  { name: 'errorcode', type: 'string' },
  { name: 'errormessage', type: 'string' },
  { name: 'arrivaltimestamp', type: 'bigint' },
  { name: 'rawdata', type: 'string' },
];

const ownBucket =
  'A family of actions on the objects of the lake, which this role exists to write.';
const ownKey =
  'A family of actions on the key of the lake, without which nothing can be written to it.';

const deliveryFindings = {
  KDF1: 'The source stream is encrypted, and Firehose cannot encrypt a stream of its own on top of it.',
  'IAM5[Action::s3:Abort*]': ownBucket,
  'IAM5[Action::s3:DeleteObject*]': ownBucket,
  'IAM5[Action::s3:GetBucket*]': ownBucket,
  'IAM5[Action::s3:GetObject*]': ownBucket,
  'IAM5[Action::s3:List*]': ownBucket,
  'IAM5[Resource::<UsageLakeBucket92E3DB89.Arn>/*]': ownBucket,
  'IAM5[Action::kms:GenerateDataKey*]': ownKey,
  'IAM5[Action::kms:ReEncrypt*]': ownKey,
  'IAM5[Resource::*]': 'Only glue:GetSchemaVersion, which AWS defines without a resource.',
};

const glueTypes: Readonly<Record<ColumnType, Type>> = {
  string: Schema.STRING,
  bigint: Schema.BIG_INT,
  boolean: Schema.BOOLEAN,
};

const lifecycleRules: readonly LifecycleRule[] = [
  {
    abortIncompleteMultipartUploadAfter: Duration.days(7),
    noncurrentVersionExpiration: Duration.days(30),
  },
  {
    prefix: DATA_PREFIX,
    transitions: [
      { storageClass: StorageClass.INTELLIGENT_TIERING, transitionAfter: Duration.days(30) },
    ],
  },
  { prefix: ERROR_PREFIX, expiration: Duration.days(90) },
];
