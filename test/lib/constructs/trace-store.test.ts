import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ENV } from '../../../core/names.ts';
import { resources, statements, synthesize } from '../synthesized.ts';

const { data: plain, gateway: plainGateway } = synthesize();
const { data, gateway } = synthesize({ 'waf: false': 'waf: false\n\ntraceStore: true' }, true);

const functionSchema = z.object({
  Environment: z.object({ Variables: z.record(z.string(), z.unknown()) }),
});

const documentSchema = z.object({
  Statement: z.array(z.object({ Action: z.union([z.string(), z.array(z.string())]) })),
});

function observationOf(template: typeof gateway): string {
  const [found] = [...resources(template, 'AWS::Lambda::Function').values()]
    .map(({ Properties }) => functionSchema.parse(Properties).Environment.Variables)
    .filter((variables) => variables['POWERTOOLS_SERVICE_NAME'] === 'proxy');
  return JSON.stringify(found?.[ENV.observation]);
}

describe('the trace store', () => {
  it('is not there unless the stage asks for it', () => {
    plain.resourceCountIs('AWS::CloudTrail::Trail', 0);
    expect(JSON.stringify(plain.toJSON())).not.toContain('TraceStore');
    expect(observationOf(plainGateway)).toBe('"{}"');
  });

  it('has a key of its own, outlives its stack, and forgets: the week, then the sample', () => {
    data.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Retain',
      Properties: Match.objectLike({
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [
            Match.objectLike({
              ServerSideEncryptionByDefault: {
                SSEAlgorithm: 'aws:kms',
                KMSMasterKeyID: { 'Fn::GetAtt': [Match.stringLikeRegexp('^TraceStoreKey'), 'Arn'] },
              },
            }),
          ],
        },
        LifecycleConfiguration: {
          Rules: [
            Match.objectLike({ Prefix: 'hot/', ExpirationInDays: 7 }),
            Match.objectLike({ Prefix: 'cold/', ExpirationInDays: 90 }),
          ],
        },
      }),
    });
  });

  it('lets the proxy write records and nothing else', () => {
    const [writing] = [...resources(data, 'AWS::IAM::ManagedPolicy')].filter(([id]) =>
      id.startsWith('TraceStoreWriting'),
    );
    const document = documentSchema.parse(writing?.[1].Properties['PolicyDocument']);
    expect(document.Statement.flatMap(({ Action }) => Action)).toEqual([
      's3:PutObject',
      'kms:GenerateDataKey',
    ]);
    const roles = [...resources(gateway, 'AWS::IAM::Role').entries()].filter(([, role]) =>
      JSON.stringify(role).includes('TraceStoreWriting'),
    );
    expect(roles.map(([id]) => id)).toEqual([expect.stringMatching(/^ProxyRole/)]);
    expect(observationOf(gateway)).toContain('traceBucket');
  });

  it('refuses every reader but one role', () => {
    const [readerId = ''] = [...resources(data, 'AWS::IAM::Role').keys()].filter((id) =>
      id.includes('TraceReader'),
    );
    data.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: Match.objectLike({
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Principal: '*',
            Action: ['s3:GetObject', 's3:GetObjectVersion'],
            Condition: {
              ArnNotEquals: { 'aws:PrincipalArn': { 'Fn::GetAtt': [readerId, 'Arn'] } },
            },
          }),
        ]),
      }),
    });
    const readers = [data, gateway].flatMap((template) =>
      [...resources(template, 'AWS::IAM::Policy')].filter(
        ([, { Properties }]) =>
          JSON.stringify(Properties).includes('TraceStoreBucket') &&
          JSON.stringify(Properties).includes('s3:GetObject'),
      ),
    );
    expect(readers.map(([id]) => id)).toEqual([expect.stringContaining('TraceReader')]);
  });

  it('records every read of an object, and no write', () => {
    data.hasResourceProperties('AWS::CloudTrail::Trail', {
      IsLogging: true,
      EnableLogFileValidation: true,
      AdvancedEventSelectors: [
        Match.objectLike({
          FieldSelectors: Match.arrayWith([
            { Field: 'resources.type', Equals: ['AWS::S3::Object'] },
            { Field: 'readOnly', Equals: ['true'] },
          ]),
        }),
      ],
    });
  });
});

describe('traces', () => {
  const { gateway: traced } = synthesize(
    {
      'waf: false':
        'waf: false\n\ntraces:\n  samplePercent: 1\n  xray: true\n  otlp: { endpoint: https://otel.example.com, headersSecret: otel-headers }',
    },
    true,
  );

  it('are sent where the stage says, with the permissions for it', () => {
    expect(observationOf(traced)).toContain('otel.example.com');
    const actions = statements(traced, 'Proxy').flatMap(({ Action }) => Action);
    expect(actions).toContain('xray:PutSpans');
    expect(JSON.stringify(statements(traced, 'Proxy'))).toContain('secret:otel-headers-??????');
  });

  it('need no permission where there are none', () => {
    expect(
      statements(plainGateway, 'Proxy')
        .flatMap(({ Action }) => Action)
        .join(),
    ).not.toContain('xray');
  });

  it.each([
    ['samplePercent: 101', 'traces.samplePercent'],
    ['samplePercent: 1, otlp: { endpoint: "http://otel.example.com" }', 'expected an https URL'],
    ['samplePercent: 1, jaeger: true', 'traces.jaeger: expected no such setting'],
  ])('are refused with { %s }', (settings, complaint) => {
    const edit = { 'waf: false': `waf: false\n\ntraces: { ${settings} }` };
    expect(() => synthesize(edit)).toThrow(complaint);
  });
});
