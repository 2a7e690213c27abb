import { Duration, type RemovalPolicy } from 'aws-cdk-lib';
import type { Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type IBucket,
  type LifecycleRule,
  type ObjectLockRetention,
} from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import { exact } from '../exact.ts';

export interface PrivateBucketProps {
  readonly removalPolicy: RemovalPolicy;
  /** Where requests to the bucket are recorded. */
  readonly accessLogs: IBucket;
  readonly key: Key;
  readonly versioned: boolean;
  readonly lifecycleRules: readonly LifecycleRule[];
  /** Objects can be neither changed nor deleted until then. */
  readonly objectLock?: ObjectLockRetention;
}

/** A bucket that nobody outside the account reaches, over TLS only, encrypted with our key. */
export function privateBucket(scope: Construct, id: string, props: PrivateBucketProps): IBucket {
  const bucket = new Bucket(scope, id, {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    encryption: BucketEncryption.KMS,
    encryptionKey: props.key,
    bucketKeyEnabled: true,
    versioned: props.versioned,
    serverAccessLogsBucket: props.accessLogs,
    serverAccessLogsPrefix: `${id}/`,
    lifecycleRules: [...props.lifecycleRules],
    removalPolicy: props.removalPolicy,
    ...(props.objectLock === undefined
      ? {}
      : { objectLockEnabled: true, objectLockDefaultRetention: props.objectLock }),
  });
  return exact(bucket);
}

/** Access logs are delivered by services that cannot use a customer's key, hence S3's own encryption. */
export function accessLogBucket(
  scope: Construct,
  id: string,
  removalPolicy: RemovalPolicy,
): IBucket {
  const bucket = new Bucket(scope, id, {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    encryption: BucketEncryption.S3_MANAGED,
    lifecycleRules: [{ expiration: Duration.days(90) }],
    removalPolicy,
  });
  acknowledge(bucket, {
    S1: 'This bucket receives access logs; logging it to itself would never end.',
  });
  return exact(bucket);
}
