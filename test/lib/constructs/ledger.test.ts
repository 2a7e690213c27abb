import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { resources, statements, synthesize } from '../synthesized.ts';

const { data, gateway } = synthesize();

describe('the ledger', () => {
  it('is written every quarter of an hour, and widely at night, by one writer at a time', () => {
    for (const [ScheduleExpression, Input] of [
      ['rate(15 minutes)', '{"reach":"recent"}'],
      ['cron(7 3 * * ? *)', '{"reach":"wide"}'],
    ]) {
      gateway.hasResourceProperties('AWS::Scheduler::Schedule', {
        ScheduleExpression,
        Target: Match.objectLike({
          Arn: { Ref: Match.stringLikeRegexp('LedgerWriter') },
          Input,
          DeadLetterConfig: {
            Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('LedgerDeadLetters'), 'Arn'] },
          },
        }),
      });
    }
    gateway.hasResourceProperties('AWS::Lambda::Function', {
      ReservedConcurrentExecutions: 1,
      Timeout: 900,
    });
  });

  it('has a workgroup whose limit leaves the one of people as small as it is', () => {
    for (const [Name, BytesScannedCutoffPerQuery] of [
      ['tollgate-dev', 10 * 2 ** 30],
      ['tollgate-dev-writer', 2 ** 40],
    ]) {
      data.hasResourceProperties('AWS::Athena::WorkGroup', {
        Name,
        WorkGroupConfiguration: Match.objectLike({
          BytesScannedCutoffPerQuery,
          EnforceWorkGroupConfiguration: true,
        }),
      });
    }
    data.allResourcesProperties('AWS::Athena::NamedQuery', { WorkGroup: 'tollgate-dev' });
  });

  it('lets the writer read the raw usage and change nothing but the ledger', () => {
    const policySchema = z.object({
      PolicyDocument: z.object({
        Statement: z.array(
          z.object({ Action: z.union([z.string(), z.array(z.string())]), Resource: z.unknown() }),
        ),
      }),
    });
    const policies = [...resources(data, 'AWS::IAM::ManagedPolicy')];
    const policy = policies.find(([id]) => id.includes('Booking'))?.[1];
    const rules = policySchema.parse(policy?.Properties).PolicyDocument.Statement;
    const allowed = (resource: string) =>
      rules
        .filter(({ Resource }) => JSON.stringify(Resource).includes(resource))
        .flatMap(({ Action }) => Action)
        .sort();
    expect(allowed('/usage/*')).toEqual(['s3:GetObject']);
    expect(allowed('/ledger/*')).toEqual([
      's3:AbortMultipartUpload',
      's3:DeleteObject',
      's3:GetObject',
      's3:PutObject',
    ]);
    expect(allowed('table/tollgate/usage')).toEqual(['glue:GetDatabase', 'glue:GetTable']);
    expect(allowed('table/tollgate/ledger')).toContain('glue:UpdateTable');
    expect(allowed('workgroup/')).toHaveLength(3);
    expect(JSON.stringify(rules)).toContain('workgroup/tollgate-dev-writer');
    expect(JSON.stringify(rules)).not.toContain('"*"');
    const own = statements(gateway, 'LedgerWriterRole').flatMap(({ Action }) => Action);
    expect(own.filter((action) => action.startsWith('dynamodb:'))).toEqual(['dynamodb:GetItem']);
  });
});
