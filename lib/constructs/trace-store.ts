import { Duration, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnTrail } from 'aws-cdk-lib/aws-cloudtrail';
import {
  AccountRootPrincipal,
  Effect,
  type IGrantable,
  PolicyStatement,
  Role,
  ServicePrincipal,
  StarPrincipal,
} from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type IBucket,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { TRACE_PREFIX } from '../../core/traces/trace-record.ts';
import { privateBucket } from './private-bucket.ts';

export interface TraceStoreProps {
  readonly removalPolicy: RemovalPolicy;
  readonly accessLogs: IBucket;
}

/** Every call for a week, and the sample for so long. */
const HOT_DAYS = 7;
const COLD_DAYS = 90;
const AUDIT_DAYS = 400;

/**
 * Prompts and answers, where a tenant's policy keeps them: a bucket with a key of its own that the proxy can only write
 * and one role can read. Reads are recorded by CloudTrail, because S3's own access logs are delivered as best they can.
 */
export class TraceStore extends Construct {
  readonly bucket: IBucket;
  /** For people who may read what callers wrote; the only one that can. */
  readonly reader: Role;
  readonly #key: Key;

  constructor(scope: Construct, id: string, props: TraceStoreProps) {
    super(scope, id);
    this.#key = new Key(this, 'Key', {
      description: 'Prompts and answers in the trace store',
      enableKeyRotation: true,
      removalPolicy: props.removalPolicy,
    });
    this.bucket = privateBucket(this, 'Bucket', {
      removalPolicy: props.removalPolicy,
      accessLogs: props.accessLogs,
      key: this.#key,
      // What is deleted for a tenant must be gone.
      versioned: false,
      lifecycleRules: [
        { prefix: TRACE_PREFIX.hot, expiration: Duration.days(HOT_DAYS) },
        { prefix: TRACE_PREFIX.cold, expiration: Duration.days(COLD_DAYS) },
      ],
    });
    this.reader = this.#reader();
    this.#audit(props);
  }

  /** Nothing but new records: the writer can read none, not even its own. */
  grantWrite(grantee: IGrantable): void {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['s3:PutObject'],
        resources: Object.values(TRACE_PREFIX).map((folder) =>
          this.bucket.arnForObjects(`${folder}*`),
        ),
      }),
    );
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['kms:GenerateDataKey'],
        resources: [this.#key.keyArn],
      }),
    );
  }

  #reader(): Role {
    const role = new Role(this, 'TraceReader', {
      description:
        'Reads prompts and answers of tenants whose policy keeps them; every read is recorded',
      assumedBy: new AccountRootPrincipal(),
      maxSessionDuration: Duration.hours(1),
    });
    this.bucket.grantRead(role);
    this.bucket.addToResourcePolicy(
      new PolicyStatement({
        effect: Effect.DENY,
        principals: [new StarPrincipal()],
        actions: ['s3:GetObject', 's3:GetObjectVersion'],
        resources: [this.bucket.arnForObjects('*')],
        conditions: { ArnNotEquals: { 'aws:PrincipalArn': role.roleArn } },
      }),
    );
    return role;
  }

  /** Reads alone: they are rare, so the record costs next to nothing, and writes are known from the ledger. */
  #audit({ removalPolicy, accessLogs }: TraceStoreProps): void {
    const { logs, trailName } = this.#auditLogs(removalPolicy, accessLogs);
    const trail = new CfnTrail(this, 'Audit', {
      trailName,
      s3BucketName: logs.bucketName,
      isLogging: true,
      enableLogFileValidation: true,
      advancedEventSelectors: [
        {
          name: 'Reads of the trace store',
          fieldSelectors: [
            { field: 'eventCategory', equalTo: ['Data'] },
            { field: 'resources.type', equalTo: ['AWS::S3::Object'] },
            { field: 'readOnly', equalTo: ['true'] },
            { field: 'resources.ARN', startsWith: [this.bucket.arnForObjects('')] },
          ],
        },
      ],
    });
    if (logs.policy !== undefined) trail.node.addDependency(logs.policy);
  }

  #auditLogs(
    removalPolicy: RemovalPolicy,
    accessLogs: IBucket,
  ): { readonly logs: Bucket; readonly trailName: string } {
    const stack = Stack.of(this);
    const trailName = `${stack.stackName}-trace-reads`;
    const source = {
      StringEquals: {
        'aws:SourceArn': stack.formatArn({
          service: 'cloudtrail',
          resource: 'trail',
          resourceName: trailName,
        }),
      },
    };
    const logs = new Bucket(this, 'AuditLogs', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      encryption: BucketEncryption.S3_MANAGED,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'AuditLogs/',
      lifecycleRules: [{ expiration: Duration.days(AUDIT_DAYS) }],
      removalPolicy,
    });
    const cloudTrail = new ServicePrincipal('cloudtrail.amazonaws.com');
    logs.addToResourcePolicy(
      new PolicyStatement({
        principals: [cloudTrail],
        actions: ['s3:GetBucketAcl'],
        resources: [logs.bucketArn],
        conditions: source,
      }),
    );
    logs.addToResourcePolicy(
      new PolicyStatement({
        principals: [cloudTrail],
        actions: ['s3:PutObject'],
        resources: [logs.arnForObjects(`AWSLogs/${stack.account}/*`)],
        conditions: source,
      }),
    );
    return { logs, trailName };
  }
}
