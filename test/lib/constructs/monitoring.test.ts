import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { DETECTOR_KINDS } from '../../../core/alerts/thresholds.ts';
import { METRIC_NAMESPACE, METRICS } from '../../../core/names.ts';
import { projectRoot } from '../../../lib/project-root.ts';
import { resources, synthesize } from '../synthesized.ts';

const { gateway } = synthesize();

const alarmSchema = z.object({
  AlarmDescription: z.string(),
  Namespace: z.string(),
  MetricName: z.string(),
  Dimensions: z.unknown(),
  AlarmActions: z.array(z.object({ Ref: z.string() })),
  TreatMissingData: z.string(),
});
const alarms = [...resources(gateway, 'AWS::CloudWatch::Alarm').values()].map(({ Properties }) =>
  alarmSchema.parse(Properties),
);
const runbook = readFileSync(join(projectRoot, 'docs/runbook.md'), 'utf8');

describe('monitoring', () => {
  it('names severity, owner and a section of the runbook on every alarm; detectors have the other sections', () => {
    const sections = [...runbook.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
    const linked = alarms.map(({ AlarmDescription }) => {
      const match =
        /^(critical|warning); owner: platform team; runbook: docs\/runbook\.md#([a-z-]+)$/.exec(
          AlarmDescription,
        );
      return match?.[2];
    });
    expect([...linked, ...DETECTOR_KINDS].sort()).toEqual(sections.sort());
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
      [METRICS.booksDiffer.name, [{ Name: 'service', Value: 'reconciler' }]],
      [METRICS.faults.name, [{ Name: 'service', Value: 'proxy' }]],
      [METRICS.holdsPosted.name, [{ Name: 'service', Value: 'reaper' }]],
      [METRICS.limitsUnchecked.name, [{ Name: 'service', Value: 'proxy' }]],
      [METRICS.poisonRecords.name, [{ Name: 'service', Value: 'usage-monitor' }]],
      [METRICS.settleFailed.name, [{ Name: 'service', Value: 'proxy' }]],
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
    for (const alarm of alarms) {
      expect(alarm.AlarmActions).toEqual([{ Ref: expect.stringMatching('AlertsTopic') }]);
      expect(alarm.TreatMissingData).toBe('notBreaching');
    }
  });
});
