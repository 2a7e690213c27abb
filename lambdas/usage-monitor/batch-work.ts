/** The work of one batch. Its parts fail one by one: a bus that is out does not keep the sums from being kept. */
import type { KinesisStreamBatchResponse, KinesisStreamRecord } from 'aws-lambda';
import type { Incident, Report } from '../../core/report.ts';
import { isAbsurd } from '../../core/rollups/amounts.ts';
import { applyBatch, type RollupSink } from '../../core/rollups/apply-batch.ts';
import { createDuplicateFilter } from '../../core/rollups/duplicates.ts';
import type { StreamEvent } from '../../core/rollups/fold.ts';
import { isOutOfTime } from '../../core/rollups/windows.ts';
import type { Telemetry } from '../adapters/incident-metrics.ts';
import type { RollupIndex } from '../adapters/rollup-index.ts';
import type { BudgetAlerts } from './budget-alerts.ts';
import { createFeatureNames } from './feature-names.ts';
import { readRecords } from './records.ts';
import type { createSoftLimitAlerts } from './soft-limit-alerts.ts';
import type { Watchman } from './watchman.ts';

export interface BatchWorkOptions {
  readonly budgets: Pick<BudgetAlerts, 'check'>;
  readonly softLimits: ReturnType<typeof createSoftLimitAlerts>;
  readonly rollups: RollupSink;
  readonly index: Pick<RollupIndex, 'admitFeature'>;
  readonly watchman: Pick<Watchman, 'afterBatch'>;
  readonly measure: Telemetry['measure'];
  readonly report: Report;
}

export type BatchWork = (
  records: readonly KinesisStreamRecord[],
) => Promise<KinesisStreamBatchResponse>;

/** A batch that failed in any part comes again from its first record: what was told stays told, what was added stays added. */
export function createBatchWork(options: BatchWorkOptions): BatchWork {
  const { budgets, softLimits, rollups, index, watchman, measure, report } = options;
  const filter = createDuplicateFilter();
  const features = createFeatureNames(index);
  return async (records) => {
    const { shard, events: all } = readRecords(records, report);
    const events = filter.firstOnly(shard, all);
    const usage = events.map(({ event }) => event);
    count(measure, { events, copies: all.length - events.length });
    const failures: Incident[] = [];
    const attempt = async <T>(incident: Incident, part: () => Promise<T>) => {
      try {
        return await part();
      } catch (fault) {
        report(incident, fault);
        failures.push(incident);
        return undefined;
      }
    };
    const outlooks = await attempt('budget check failed', () => budgets.check(usage));
    await attempt('budget check failed', () => softLimits.check(usage));
    const additions = await attempt('rollups not written', async () =>
      applyBatch(rollups, { shard, events, featureOf: await features.resolve(events) }),
    );
    await attempt('incidents not checked', () =>
      watchman.afterBatch(additions ?? [], outlooks ?? []),
    );
    const first = records[0]?.kinesis.sequenceNumber;
    const isDone = failures.length === 0 || first === undefined;
    return { batchItemFailures: isDone ? [] : [{ itemIdentifier: first }] };
  };
}

function count(
  measure: Telemetry['measure'],
  { events, copies }: { readonly events: readonly StreamEvent[]; readonly copies: number },
): void {
  const absurd = events.filter(({ event }) => isAbsurd(event)).length;
  const late = events.filter(({ event, arrivedAtMs }) =>
    isOutOfTime(event.event_time_ms, arrivedAtMs),
  ).length;
  if (copies > 0) measure('duplicateEvents', copies);
  if (absurd > 0) measure('absurdUsage', absurd);
  if (late > 0) measure('eventsOutOfTime', late);
}
