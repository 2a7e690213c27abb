import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { cronOf } from '../../../local/schedule.ts';
import { resources, synthesize } from '../synthesized.ts';

const { gateway, data } = synthesize();

const statementSchema = z.object({
  Action: z.union([z.string(), z.array(z.string())]),
  Resource: z.unknown(),
});
const policySchema = z.object({
  Description: z.string(),
  PolicyDocument: z.object({ Statement: z.array(statementSchema) }),
});

/** Actions that the policy of that description allows on what has the text in its name. */
function allowed(description: string, on: string): string[] {
  const policies = [...resources(data, 'AWS::IAM::ManagedPolicy').values()]
    .map(({ Properties }) => policySchema.parse(Properties))
    .filter(({ Description }) => Description === description);
  expect(policies).toHaveLength(1);
  return policies
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .filter(({ Resource }) => JSON.stringify(Resource).includes(on))
    .flatMap(({ Action }) => Action)
    .sort();
}

describe('reconciliation', () => {
  it('runs once in every hour of the day', () => {
    const expressions = [...resources(gateway, 'AWS::Scheduler::Schedule').values()]
      .map(({ Properties }) =>
        z
          .looseObject({ ScheduleExpression: z.string(), Description: z.string() })
          .parse(Properties),
      )
      .filter(({ Description }) => Description.startsWith('Compares'))
      .map(({ ScheduleExpression }) => cronOf(ScheduleExpression));
    expect(expressions).toHaveLength(2);
    for (let minute = 0; minute < 24 * 60; minute += 1) {
      const runs = expressions.filter((matches) =>
        matches(new Date(Date.UTC(2026, 10, 20, 0, minute))),
      );
      expect(runs).toHaveLength(minute % 60 === 40 ? 1 : 0);
    }
  });

  it('can change neither what it compares', () => {
    const proving = 'Compares accounts, ledger and raw events';
    expect(allowed(proving, '/usage/*')).toEqual(['s3:GetObject']);
    expect(allowed(proving, '/ledger/*')).toEqual(['s3:GetObject']);
    expect(allowed(proving, '/reconciliation/*')).toContain('s3:PutObject');
  });

  it('lets invoices be kept and booked, and never taken away', () => {
    const invoices = 'Compares invoices with the ledger and books adjustments';
    for (const folder of ['/ledger/*', '/invoices/*'])
      expect(allowed(invoices, folder)).toEqual([
        's3:AbortMultipartUpload',
        's3:GetObject',
        's3:PutObject',
      ]);
    expect(allowed(invoices, '/usage/*')).toEqual([]);
  });
});
