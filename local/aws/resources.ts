/** The shapes in which a deployer describes resources to the local AWS. Names are physical names, never ARNs. */
import type { KinesisStreamEvent, SQSEvent } from 'aws-lambda';

export interface SecretSpec {
  readonly name: string;
  readonly arn: string;
  /** The first value; a value that is already kept stays. */
  readonly value: string;
}

export interface QueueSpec {
  readonly name: string;
  /** Seconds; AWS's default is 30. */
  readonly visibilityTimeoutSeconds?: number;
  /** Deliveries after which a message moves to `deadLetterQueue`. Both or none. */
  readonly maxReceiveCount?: number;
  readonly deadLetterQueue?: string;
}

/** Hive types that our tables use. */
export type HiveType = 'string' | 'bigint' | 'boolean' | 'int' | 'double';

export interface HiveColumn {
  readonly name: string;
  readonly type: HiveType;
}

export interface DeliveryStreamSpec {
  readonly name: string;
  /** A Kinesis stream; without it records come by Firehose PutRecord. */
  readonly sourceStream?: string;
  readonly bucket: string;
  /** As in the template: `usage/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/`. */
  readonly prefix: string;
  readonly errorPrefix: string;
  readonly columns: readonly HiveColumn[];
  readonly bufferSeconds: number;
  readonly bufferBytes: number;
}

export interface TableSpec {
  readonly database: string;
  readonly table: string;
  readonly bucket: string;
  /** Folder of the table within the bucket. */
  readonly prefix: string;
  readonly columns: readonly HiveColumn[];
  readonly partitionKeys: readonly HiveColumn[];
  /** Of its files. Absent: Parquet. `json`: one object a line, its names in any case. */
  readonly format?: 'parquet' | 'json';
}

export interface ViewSpec {
  readonly database: string;
  readonly view: string;
  /** Its question, in Athena's SQL. */
  readonly sql: string;
}

export interface WorkGroupSpec {
  readonly name: string;
  readonly resultsBucket: string;
  readonly resultsPrefix: string;
  /** A query that would read more is cancelled, as Athena does. */
  readonly bytesScannedCutoff?: number;
}

export interface NamedQuerySpec {
  readonly name: string;
  readonly description?: string;
  readonly database: string;
  readonly workGroup: string;
  readonly sql: string;
}

/** Invokes a function asynchronously and resolves when it has finished; a rejection is retried. */
export type AsyncInvoke = (event: unknown) => Promise<void>;

/** What a rule or a topic delivers to. `name` of a function keeps its undelivered events apart on disk. */
type DeliveryTarget =
  | { readonly kind: 'topic'; readonly name: string }
  | { readonly kind: 'queue'; readonly name: string }
  | {
      readonly kind: 'function';
      readonly name: string;
      readonly invoke: AsyncInvoke;
      /** Receives what still fails after two retries. */
      readonly deadLetterQueue?: string;
    };

export type RuleTarget = DeliveryTarget & {
  /** Constant input instead of the event. */
  readonly input?: string;
  readonly inputPaths?: Readonly<Record<string, string>>;
  readonly inputTemplate?: string;
};

export interface RuleSpec {
  readonly name: string;
  readonly bus: string;
  readonly pattern: unknown;
  readonly targets: readonly RuleTarget[];
}

export type TopicSubscriber = (
  | Exclude<DeliveryTarget, { kind: 'topic' }>
  | { readonly kind: 'email'; readonly address: string }
) & {
  /** Absent: every message. */
  readonly filter?: FilterSpec;
};

export interface FilterSpec {
  readonly policy: unknown;
  /** What the policy looks at. */
  readonly scope: 'MessageAttributes' | 'MessageBody';
}

export interface BatchResponse {
  readonly batchItemFailures?: readonly { readonly itemIdentifier: string }[];
}

export interface StreamConsumerSpec {
  /** Names the checkpoint: stable over restarts, one a stream and function. */
  readonly name: string;
  readonly batchSize: number;
  readonly maxBatchingWindowSeconds?: number;
  /** Absent: retried for ever, as AWS's default -1. */
  readonly retryAttempts?: number;
  readonly maxRecordAgeSeconds?: number;
  readonly bisectOnError?: boolean;
  readonly reportBatchItemFailures?: boolean;
  readonly onFailure?: { readonly queue: string } | { readonly bucket: string };
}

export interface QueueConsumerSpec {
  readonly name: string;
  readonly batchSize: number;
  readonly maxBatchingWindowSeconds?: number;
  readonly reportBatchItemFailures?: boolean;
}

export type StreamHandler = (event: KinesisStreamEvent) => Promise<BatchResponse | undefined>;
export type QueueHandler = (event: SQSEvent) => Promise<BatchResponse | undefined>;
