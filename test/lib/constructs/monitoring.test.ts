import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ALERT_KINDS } from '../../../core/alerts/alert.ts';
import { METRIC_NAMESPACE, METRICS } from '../../../core/names.ts';
import { projectRoot } from '../../../lib/project-root.ts';
import { resources, synthesize } from '../synthesized.ts';

const { gateway } = synthesize();

const alarmSchema = z.object({
  AlarmDescription: z.string(),
  // Of those on one metric; the others compute with several.
  Namespace: z.string().optional(),
  MetricName: z.string().optional(),
  Dimensions: z.unknown().optional(),
  Metrics: z.unknown().optional(),
  AlarmActions: z.array(z.object({ Ref: z.string() })).default([]),
  TreatMissingData: z.string(),
});
const compositeSchema = z.object({
  AlarmDescription: z.string(),
  AlarmRule: z.unknown(),
  AlarmActions: z.array(z.object({ Ref: z.string() })),
});
const everyAlarm = [...resources(gateway, 'AWS::CloudWatch::Alarm')].map(
  ([id, { Properties }]) => ({ id, ...alarmSchema.parse(Properties) }),
);
/** Parts of an alarm tell nobody. */
const isPart = ({ AlarmDescription }: { AlarmDescription: string }) =>
  AlarmDescription.startsWith('part of ');
const alarms = everyAlarm.filter((alarm) => !isPart(alarm));
const composites = [...resources(gateway, 'AWS::CloudWatch::CompositeAlarm').values()].map(
  ({ Properties }) => compositeSchema.parse(Properties),
);
const runbook = readFileSync(join(projectRoot, 'docs/runbook.md'), 'utf8');

describe('monitoring', () => {
  it('names severity, owner and a section of the runbook on every alarm; alerts have the other sections', () => {
    const sections = [...runbook.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    const linked = [...alarms, ...composites].map(({ AlarmDescription }) => {
      const match =
        /^(critical|warning); owner: platform team; runbook: docs\/runbook\.md#([a-z-]+)$/.exec(
          AlarmDescription,
        );
      return match?.[2];
    });
    expect([...new Set([...linked, ...ALERT_KINDS])].sort()).toEqual(sections.sort());
  });

  it('says in every section what the alarm means, where to look and what to do', () => {
    for (const section of runbook.split(/^## /m).slice(1)) {
      for (const part of ['**Means.**', '**Look.**', '**Do.**']) expect(section).toContain(part);
    }
  });

  it('watches every dead-letter queue and the spill queue', () => {
    const queues = [...resources(gateway, 'AWS::SQS::Queue').keys()];
    expect(queues).toHaveLength(9);
    const depths = JSON.stringify(
      alarms.filter((alarm) => alarm.MetricName === 'ApproximateNumberOfMessagesVisible'),
    );
    for (const queue of queues) expect(depths).toContain(queue);
  });

  it('watches what the functions report under the names that they report', () => {
    const own = alarms.filter(({ Namespace }) => Namespace === METRIC_NAMESPACE);
    expect(own.map(({ MetricName, Dimensions }) => [MetricName, Dimensions]).sort()).toEqual([
      [METRICS.absurdUsage.name, [{ Name: 'service', Value: 'usage-monitor' }]],
      [METRICS.alertsUndeliverable.name, [{ Name: 'service', Value: 'alert-router' }]],
      [METRICS.booksDiffer.name, [{ Name: 'service', Value: 'reconciler' }]],
      [METRICS.eventsOutOfTime.name, [{ Name: 'service', Value: 'usage-monitor' }]],
      [METRICS.faults.name, [{ Name: 'service', Value: 'proxy' }]],
      [METRICS.holdsPosted.name, [{ Name: 'service', Value: 'reaper' }]],
      [METRICS.limitsUnchecked.name, [{ Name: 'service', Value: 'proxy' }]],
      [METRICS.poisonRecords.name, [{ Name: 'service', Value: 'usage-monitor' }]],
      [METRICS.settleFailed.name, [{ Name: 'service', Value: 'proxy' }]],
      [METRICS.spansLost.name, [{ Name: 'service', Value: 'proxy' }]],
      [METRICS.tracesLost.name, [{ Name: 'service', Value: 'proxy' }]],
      [METRICS.unknownVersions.name, [{ Name: 'service', Value: 'ledger-writer' }]],
    ]);
  });

  it.each([
    ['AWS/Firehose', 'DeliveryToS3.DataFreshness'],
    ['AWS/Firehose', 'FailedConversion.Records'],
    ['AWS/Kinesis', 'GetRecords.IteratorAgeMilliseconds'],
    ['AWS/Kinesis', 'WriteProvisionedThroughputExceeded'],
    ['AWS/Lambda', 'Throttles'],
    ['AWS/SQS', 'ApproximateAgeOfOldestMessage'],
    ['AWS/ApiGateway', '5XXError'],
  ])('watches %s %s', (namespace, name) => {
    expect(
      alarms.some(({ Namespace, MetricName }) => Namespace === namespace && MetricName === name),
    ).toBe(true);
  });

  it('tells people, and takes silence for health', () => {
    for (const { AlarmActions } of composites)
      expect(AlarmActions).toEqual([{ Ref: expect.stringMatching('AlertsTopic') }]);
    for (const alarm of alarms) {
      expect(alarm.AlarmActions).toEqual([{ Ref: expect.stringMatching('AlertsTopic') }]);
      expect(alarm.TreatMissingData).toBe('notBreaching');
    }
  });

  it('rings for an objective where a long and a short window both burn its budget', () => {
    const rules = composites.map(({ AlarmDescription, AlarmRule }) => {
      const [, name = ''] = /#(.+)$/.exec(AlarmDescription) ?? [];
      const parts = everyAlarm.filter((alarm) => alarm.AlarmDescription === `part of ${name}`);
      for (const { id, AlarmActions } of parts) {
        expect(AlarmActions).toEqual([]);
        expect(JSON.stringify(AlarmRule)).toContain(id);
      }
      expect(JSON.stringify(AlarmRule)).toContain(' AND ');
      return [name, parts.map(({ id }) => windowOf(id)).sort()];
    });
    expect(rules).toEqual([
      ['availability-burn-fast', ['300 s above 0.00144', '3600 s above 0.00144']],
      ['availability-burn-slow', ['1800 s above 0.0006', '21600 s above 0.0006']],
      ['overhead-burn-fast', ['300 s above 0.144', '3600 s above 0.144']],
      ['overhead-burn-slow', ['1800 s above 0.06', '21600 s above 0.06']],
    ]);
  });

  it('wakes nobody for a few bad calls where there is little traffic', () => {
    const long = everyAlarm.filter((alarm) => /part of/.test(alarm.AlarmDescription));
    const guarded = long.filter(({ Metrics }) => JSON.stringify(Metrics).includes('IF(bad >= 10,'));
    expect(guarded.map(({ id }) => windowOf(id)).sort()).toEqual([
      '21600 s above 0.0006',
      '21600 s above 0.06',
      '3600 s above 0.00144',
      '3600 s above 0.144',
    ]);
  });
});

function windowOf(id: string): string {
  const windowSchema = z.object({
    Threshold: z.number(),
    Metrics: z.array(z.object({ MetricStat: z.object({ Period: z.number() }).optional() })),
  });
  const found = resources(gateway, 'AWS::CloudWatch::Alarm').get(id);
  const { Threshold, Metrics } = windowSchema.parse(found?.Properties);
  const periods = new Set(Metrics.flatMap(({ MetricStat }) => MetricStat?.Period ?? []));
  expect(periods.size).toBe(1);
  return `${[...periods][0]} s above ${Threshold}`;
}
