import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { AUDIT_COLUMNS } from '../../core/governance/audit.ts';
import { LAKE, TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import { usageEventColumns } from '../../core/usage/event.ts';
import { resources, statements, synthesize } from './synthesized.ts';

const { data } = synthesize();

describe('data stack', () => {
  it('keeps everything that holds data when the stack is deleted', () => {
    const stateful = [
      'AWS::DynamoDB::GlobalTable',
      'AWS::SecretsManager::Secret',
      'AWS::Kinesis::Stream',
      'AWS::S3::Bucket',
      'AWS::KMS::Key',
      'AWS::Glue::Database',
    ];
    for (const type of stateful) {
      const found = [...resources(data, type).values()];
      expect(found.length, type).toBeGreaterThan(0);
      for (const { DeletionPolicy } of found) expect(DeletionPolicy, type).toBe('Retain');
    }
  });

  it('lets a stage without removal protection be torn down', () => {
    const { data: unprotected } = synthesize({
      'removalProtection: true': 'removalProtection: false',
    });
    const tables = [...resources(unprotected, 'AWS::DynamoDB::GlobalTable')];
    for (const [name, { DeletionPolicy }] of tables)
      expect(DeletionPolicy, name).toBe(name.startsWith('AuditLog') ? 'Retain' : 'Delete');
    unprotected.allResourcesProperties('AWS::DynamoDB::GlobalTable', {
      Replicas: [Match.objectLike({ DeletionProtectionEnabled: false })],
    });
  });

  it('has four tables: on demand, encrypted, recoverable, protected; two with one key, rollups and audit with a sort key', () => {
    data.resourceCountIs('AWS::DynamoDB::GlobalTable', 4);
    const partition = { AttributeName: TABLE_KEY, KeyType: 'HASH' };
    const sort = { AttributeName: TABLE_SORT, KeyType: 'RANGE' };
    for (const [KeySchema, count] of [
      [[partition], 2],
      [[partition, sort], 2],
    ] as const)
      data.resourcePropertiesCountIs('AWS::DynamoDB::GlobalTable', { KeySchema }, count);
    data.allResourcesProperties('AWS::DynamoDB::GlobalTable', {
      BillingMode: 'PAY_PER_REQUEST',
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
      Replicas: [
        Match.objectLike({
          DeletionProtectionEnabled: true,
          PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        }),
      ],
    });
  });

  it('lets what is closed, shipped and summed up go in time, and nothing of the catalog', () => {
    const tables = [...resources(data, 'AWS::DynamoDB::GlobalTable')];
    const timeless = tables.filter(
      ([, { Properties }]) => Properties?.['TimeToLiveSpecification'] === undefined,
    );
    expect(timeless.map(([id]) => id)).toEqual([expect.stringContaining('Catalog')]);
    data.resourcePropertiesCountIs(
      'AWS::DynamoDB::GlobalTable',
      { TimeToLiveSpecification: { AttributeName: TABLE_TTL, Enabled: true } },
      3,
    );
  });

  it('creates an empty key pool for each provider secret and generates the admin key', () => {
    data.hasResourceProperties('AWS::SecretsManager::Secret', { SecretString: '{"keys":[]}' });
    data.hasResourceProperties('AWS::SecretsManager::Secret', {
      GenerateSecretString: { PasswordLength: 48, ExcludePunctuation: true },
    });
  });

  it('encrypts the stream and keeps its records for a week', () => {
    data.hasResourceProperties('AWS::Kinesis::Stream', {
      StreamModeDetails: { StreamMode: 'ON_DEMAND' },
      RetentionPeriodHours: 168,
      StreamEncryption: Match.objectLike({ EncryptionType: 'KMS' }),
    });
  });

  it('closes every bucket to the public and to plain HTTP', () => {
    data.allResourcesProperties('AWS::S3::Bucket', {
      BucketEncryption: Match.anyValue(),
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    });
    const denial = Match.objectLike({
      Effect: 'Deny',
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    });
    data.allResourcesProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: Match.objectLike({ Statement: Match.arrayWith([denial]) }),
    });
    data.resourcePropertiesCountIs(
      'AWS::S3::Bucket',
      { VersioningConfiguration: { Status: 'Enabled' } },
      2,
    );
  });

  it('gives the Glue table exactly the columns of the usage event', () => {
    const columnSchema = z.array(z.object({ Name: z.string(), Type: z.string() }));
    const tableSchema = z.object({
      DatabaseName: z.unknown(),
      TableInput: z.object({
        Name: z.string(),
        StorageDescriptor: z.object({ Columns: columnSchema }),
        PartitionKeys: columnSchema,
        Parameters: z.record(z.string(), z.unknown()),
      }),
    });
    const [table] = resources(data, 'AWS::Glue::Table').values();
    const { TableInput } = tableSchema.parse(table?.Properties);
    expect(TableInput.Name).toBe(LAKE.usageTable);
    expect(TableInput.StorageDescriptor.Columns).toEqual(
      usageEventColumns.map(({ name, type }) => ({ Name: name, Type: type })),
    );
    expect(TableInput.PartitionKeys.map((key) => key.Name)).toEqual(['dt', 'hour']);
    expect(TableInput.Parameters).toMatchObject({
      'projection.enabled': 'true',
      'projection.dt.type': 'date',
      'projection.dt.format': 'yyyy-MM-dd',
      'projection.hour.digits': '2',
    });
    data.hasResourceProperties('AWS::Glue::Database', { DatabaseInput: { Name: LAKE.database } });
  });

  it('locks the audit log’s objects, for longer and against everybody where the stage says so', () => {
    const locked = (mode: string, days: number) =>
      Match.objectLike({
        ObjectLockEnabled: true,
        VersioningConfiguration: { Status: 'Enabled' },
        ObjectLockConfiguration: {
          ObjectLockEnabled: 'Enabled',
          Rule: { DefaultRetention: { Mode: mode, Days: days } },
        },
      });
    data.hasResourceProperties('AWS::S3::Bucket', locked('GOVERNANCE', 365));
    const { data: strict } = synthesize({
      'mode: governance, years: 1': 'mode: compliance, years: 7',
    });
    strict.hasResourceProperties('AWS::S3::Bucket', locked('COMPLIANCE', 7 * 365));
    data.hasResourceProperties('AWS::Glue::Table', {
      TableInput: Match.objectLike({
        Name: LAKE.auditTable,
        PartitionKeys: [{ Name: 'dt', Type: 'string' }],
        StorageDescriptor: Match.objectLike({
          Columns: AUDIT_COLUMNS.map((name) => ({ Name: name, Type: 'string' })),
        }),
      }),
    });
  });

  it('delivers the stream as Parquet to the folder that the table reads', () => {
    data.hasResourceProperties('AWS::KinesisFirehose::DeliveryStream', {
      DeliveryStreamType: 'KinesisStreamAsSource',
      ExtendedS3DestinationConfiguration: Match.objectLike({
        Prefix: 'usage/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/',
        ErrorOutputPrefix: Match.stringLikeRegexp('^errors/'),
        DataFormatConversionConfiguration: Match.objectLike({
          Enabled: true,
          OutputFormatConfiguration: { Serializer: { ParquetSerDe: {} } },
        }),
      }),
    });
    data.hasResourceProperties('AWS::Glue::Table', {
      TableInput: Match.objectLike({
        StorageDescriptor: Match.objectLike({
          Location: { 'Fn::Join': ['', Match.arrayWith(['/usage/'])] },
        }),
      }),
    });
  });

  it('enforces a scan limit and encrypted results on the workgroup', () => {
    data.hasResourceProperties('AWS::Athena::WorkGroup', {
      WorkGroupConfiguration: Match.objectLike({
        EnforceWorkGroupConfiguration: true,
        BytesScannedCutoffPerQuery: 10 * 2 ** 30,
        ResultConfiguration: Match.objectLike({
          EncryptionConfiguration: Match.objectLike({ EncryptionOption: 'SSE_KMS' }),
        }),
      }),
    });
  });

  it('holds no code and grants no service everything', () => {
    data.resourceCountIs('AWS::Lambda::Function', 0);
    for (const { Action } of statements(data)) {
      for (const action of Action) expect(action).not.toMatch(/^\*$|:\*$/);
    }
  });
});
