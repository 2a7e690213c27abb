import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  type AlarmBase,
  ComparisonOperator,
  type IMetric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { DataStack } from '../data-stack.ts';
import type { StageConfig } from '../stage-config.ts';
import type { AlertRouter } from './alert-router.ts';
import type { Alerts } from './alerts.ts';
import type { AuditShipper } from './audit-shipper.ts';
import { Dashboard } from './dashboard.ts';
import type { GatewayFunction } from './gateway-function.ts';
import type { Ledger } from './ledger.ts';
import { Objectives } from './objectives.ts';
import { own } from './own-metrics.ts';
import type { Reaper } from './reaper.ts';
import type { Reconciliation } from './reconciliation.ts';
import type { Statements } from './statements.ts';
import type { StreamingApi } from './streaming-api.ts';
import type { UsagePipeline } from './usage-pipeline.ts';

export interface MonitoringProps {
  readonly config: StageConfig;
  readonly alerts: Alerts;
  readonly alertRouter: AlertRouter;
  readonly api: StreamingApi;
  readonly data: DataStack;
  readonly pipeline: UsagePipeline;
  readonly reaper: Reaper;
  readonly ledger: Ledger;
  readonly statements: Statements;
  readonly reconciliation: Reconciliation;
  readonly auditShipper: AuditShipper;
  readonly proxy: GatewayFunction;
  readonly admin: GatewayFunction;
}

interface AlarmRow {
  /** `critical`: money or answers are being lost now. `warning`: they will be if nobody looks today. */
  readonly severity: 'critical' | 'warning';
  readonly metric: IMetric;
  /** The alarm rings above this. */
  readonly above: number;
  /** Periods of the metric in a row. */
  readonly periods: number;
}

/** Every alarm of the system in one table, those on the objectives, and the dashboard. */
export class Monitoring extends Construct {
  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const objectives = new Objectives(this, 'Objectives', {
      api: props.api,
      describe: (severity, name) => description(props.config, severity, name),
    });
    const alarms: AlarmBase[] = [...this.#tabled(props), ...objectives.alarms];
    for (const alarm of alarms) props.alerts.notify(alarm);
    new Dashboard(this, 'Dashboard', { ...props, alarms });
  }

  #tabled(props: MonitoringProps): Alarm[] {
    return Object.entries(alarmRows(props)).map(([name, row]) => {
      return new Alarm(this, name, {
        alarmDescription: description(props.config, row.severity, name),
        metric: row.metric,
        threshold: row.above,
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluationPeriods: row.periods,
        // Nothing runs while nobody calls, so silence is health.
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
    });
  }
}

/** The alarm's name is the heading of its section. */
function description(
  { alerts: { docsUrl } }: StageConfig,
  severity: AlarmRow['severity'],
  name: string,
): string {
  const place = docsUrl === undefined ? '' : `${docsUrl}/`;
  return `${severity}; owner: platform team; runbook: ${place}docs/runbook.md#${name}`;
}

/** By name, which is also the heading of the alarm's section in docs/runbook.md. */
function alarmRows(props: MonitoringProps): Readonly<Record<string, AlarmRow>> {
  const { alerts, api, data, pipeline, reaper, ledger, statements, reconciliation } = props;
  const { shipper, deadLetters: unshipped } = props.auditShipper;
  const proxy = props.proxy.alias;
  const admin = props.admin.alias;
  const monitor = pipeline.monitor.alias;
  const poison = own('poisonRecords', 'Sum', 'usage-monitor');
  return {
    'settle-failures': critical(own('settleFailed')),
    'gateway-faults': critical(own('faults'), { above: 5, periods: 2 }),
    'traces-lost': warning(own('tracesLost'), { periods: 2 }),
    'spans-lost': warning(own('spansLost'), { above: 10, periods: 3 }),
    'limits-unchecked': warning(own('limitsUnchecked'), { periods: 2 }),
    'proxy-errors': critical(proxy.metricErrors(sum), { periods: 2 }),
    'proxy-throttles': critical(proxy.metricThrottles(sum)),
    'admin-errors': warning(admin.metricErrors(sum)),
    'api-server-errors': critical(api.metricServerErrors(), { above: 10, periods: 2 }),
    'spill-dead-letters': critical(depth(pipeline.spillDeadLetters)),
    'monitor-dead-letters': critical(depth(pipeline.monitorDeadLetters)),
    'alert-dead-letters': critical(depth(alerts.deadLetters)),
    'alert-router-errors': warning(props.alertRouter.router.alias.metricErrors(sum), {
      periods: 2,
    }),
    'alert-channels-missing': warning(own('alertsUndeliverable', 'Sum', 'alert-router')),
    'absurd-usage': warning(own('absurdUsage', 'Sum', 'usage-monitor')),
    'events-out-of-time': warning(own('eventsOutOfTime', 'Sum', 'usage-monitor')),
    'reaper-dead-letters': critical(depth(reaper.deadLetters)),
    'reaper-errors': critical(reaper.reaper.alias.metricErrors(sum), { periods: 2 }),
    'ledger-dead-letters': critical(depth(ledger.deadLetters)),
    'ledger-errors': critical(ledger.writer.alias.metricErrors(sum), { above: 1, periods: 1 }),
    'statement-dead-letters': warning(depth(statements.deadLetters)),
    'statement-errors': warning(statements.writer.alias.metricErrors(sum), { above: 1 }),
    'books-differ': critical(own('booksDiffer', 'Maximum', 'reconciler')),
    'reconciler-dead-letters': critical(depth(reconciliation.deadLetters)),
    'reconciler-errors': warning(reconciliation.reconciler.alias.metricErrors(sum)),
    'audit-dead-letters': warning(depth(unshipped)),
    'audit-errors': critical(shipper.alias.metricErrors(sum)),
    'unknown-versions': warning(own('unknownVersions', 'Maximum', 'ledger-writer')),
    'holds-posted': warning(own('holdsPosted', 'Sum', 'reaper'), { above: 10, periods: 2 }),
    'spill-depth': warning(depth(pipeline.spillQueue), { above: 1000 }),
    'spill-age': critical(ageSeconds(pipeline.spillQueue), { above: 900, periods: 2 }),
    'monitor-errors': warning(monitor.metricErrors(sum), { periods: 3 }),
    'monitor-lag': warning(consumerLagMs(data), { above: 300_000, periods: 2 }),
    'poison-records': critical(poison),
    'stream-throttles': warning(refusedWrites(data), { periods: 2 }),
    'lake-freshness': warning(data.lake.metricFreshness(), { above: 1800, periods: 2 }),
    'lake-rejects': critical(data.lake.metricRejectedRecords()),
  };
}

type Threshold = Partial<Pick<AlarmRow, 'above' | 'periods'>>;

function critical(metric: IMetric, threshold: Threshold = {}): AlarmRow {
  return { severity: 'critical', metric, above: 0, periods: 1, ...threshold };
}

function warning(metric: IMetric, threshold: Threshold = {}): AlarmRow {
  return { ...critical(metric, threshold), severity: 'warning' };
}

const period = Duration.minutes(5);
const sum = { statistic: 'Sum', period };
const maximum = { statistic: 'Maximum', period };

function depth(queue: Queue): IMetric {
  return queue.metricApproximateNumberOfMessagesVisible(maximum);
}

function ageSeconds(queue: Queue): IMetric {
  return queue.metricApproximateAgeOfOldestMessage(maximum);
}

function consumerLagMs(data: DataStack): IMetric {
  return data.usageStream.metricGetRecordsIteratorAgeMilliseconds(maximum);
}

function refusedWrites(data: DataStack): IMetric {
  return data.usageStream.metricWriteProvisionedThroughputExceeded(sum);
}
