import { Duration, type RemovalPolicy, Stack } from 'aws-cdk-lib';
import { CfnTrail } from 'aws-cdk-lib/aws-cloudtrail';
import {
  AccountRootPrincipal,
  Effect,
  ManagedPolicy,
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
import { acknowledge } from '../acknowledge.ts';
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
  /** For the proxy's role. It lies here so that the gateway's stack needs not know the bucket's folders. */
  readonly writingPolicy: ManagedPolicy;
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
    this.writingPolicy = this.#writing();
    this.reader = this.#reader();
    this.#audit(props);
  }

  /** Nothing but new records: the writer can read none, not even its own. */
  #writing(): ManagedPolicy {
    const policy = new ManagedPolicy(this, 'Writing', {
      description: 'Puts records of calls into the trace store',
      statements: [
        allow(['s3:PutObject'], this.#records()),
        allow(['kms:GenerateDataKey'], [this.#key.keyArn]),
      ],
    });
    acknowledge(policy, UNNAMED);
    return policy;
  }

  #reader(): Role {
    const role = new Role(this, 'TraceReader', {
      description:
        'Reads prompts and answers of tenants whose policy keeps them; every read is recorded',
      assumedBy: new AccountRootPrincipal(),
      maxSessionDuration: Duration.hours(1),
    });
    for (const statement of [
      allow(['s3:ListBucket'], [this.bucket.bucketArn]),
      allow(['s3:GetObject'], this.#records()),
      allow(['kms:Decrypt'], [this.#key.keyArn]),
    ])
      role.addToPolicy(statement);
    acknowledge(role, UNNAMED);
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

  #records(): string[] {
    return Object.values(TRACE_PREFIX).map((folder) => this.bucket.arnForObjects(`${folder}*`));
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

/** Records have the names of calls that are yet to come. */
const UNNAMED = Object.fromEntries(
  Object.values(TRACE_PREFIX).map((folder) => [
    `IAM5[Resource::<TraceStoreBucket60D425C7.Arn>/${folder}*]`,
    'Objects get their names as calls come, so the folder is all that can be named.',
  ]),
);

function allow(actions: string[], resources: string[]): PolicyStatement {
  return new PolicyStatement({ actions, resources });
}
