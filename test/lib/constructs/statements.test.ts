import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { LAKE } from '../../../core/names.ts';
import { readViews } from '../../../lib/constructs/usage-views.ts';
import { resources, synthesize } from '../synthesized.ts';

const { data, gateway } = synthesize();

const policySchema = z.object({
  PolicyDocument: z.object({
    Statement: z.array(
      z.object({ Action: z.union([z.string(), z.array(z.string())]), Resource: z.unknown() }),
    ),
  }),
});

describe('statements', () => {
  it.each([
    ['cron(37 5 ? * MON *)', 'week'],
    ['cron(7 5 3 * ? *)', 'month'],
    ['rate(1 hour)', 'reference'],
  ])('run by %s: %s', (expression, job) => {
    gateway.hasResourceProperties('AWS::Scheduler::Schedule', {
      ScheduleExpression: expression,
      Target: Match.objectLike({ Input: JSON.stringify({ job }) }),
    });
  });

  it('read the ledger and write below their own prefixes, and change nothing else in the lake', () => {
    const [policy] = [...resources(data, 'AWS::IAM::ManagedPolicy')].filter(([id]) =>
      id.startsWith('LakeAccessStating'),
    );
    const { Statement } = policySchema.parse(policy?.[1].Properties).PolicyDocument;
    const writes = Statement.filter(({ Action }) =>
      [Action].flat().some((action) => /^s3:(Put|Delete)/.test(action)),
    );
    const places = JSON.stringify(writes.map(({ Resource }) => Resource));
    expect([...places.matchAll(/"\/([a-z]+)\/\*"/g)].map(([, prefix]) => prefix).sort()).toEqual([
      'reference',
      'results',
      'statements',
    ]);
    expect(JSON.stringify(writes)).not.toContain('s3:DeleteObject');
  });

  it('go to the address that the stage names, or to nobody yet', () => {
    gateway.resourceCountIs('AWS::SNS::Subscription', 0);
    const told = synthesize({ 'athena:': 'statements:\n  email: finance@example.com\nathena:' });
    told.gateway.hasResourceProperties('AWS::SNS::Subscription', {
      Protocol: 'email',
      Endpoint: 'finance@example.com',
      TopicArn: { Ref: Match.stringLikeRegexp('StatementsTopic') },
    });
  });
});

const viewSchema = z.object({
  TableInput: z.object({
    Name: z.string(),
    TableType: z.literal('VIRTUAL_VIEW'),
    ViewOriginalText: z.string(),
    StorageDescriptor: z.object({ Columns: z.array(z.object({ Name: z.string() })) }),
  }),
});

describe('views', () => {
  it('are tables whose text Athena reads back as the SQL of their files', () => {
    const views = [...resources(data, 'AWS::Glue::Table').values()].flatMap(({ Properties }) => {
      const view = viewSchema.safeParse(Properties);
      return view.success ? [view.data.TableInput] : [];
    });
    const files = readViews();
    expect(views.map(({ Name }) => Name)).toEqual(files.map(({ name }) => name));
    for (const [index, { ViewOriginalText, StorageDescriptor }] of views.entries()) {
      const [, base64 = ''] = /^\/\* Presto View: (\S+) \*\/$/.exec(ViewOriginalText) ?? [];
      expect(JSON.parse(Buffer.from(base64, 'base64').toString('utf8'))).toEqual({
        originalSql: files[index]?.sql,
        catalog: 'awsdatacatalog',
        schema: LAKE.database,
        columns: files[index]?.columns,
      });
      expect(StorageDescriptor.Columns).toHaveLength(files[index]?.columns.length ?? 0);
    }
  });
});
