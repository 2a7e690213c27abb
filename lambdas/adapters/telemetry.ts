/** Logs and metrics of a function: JSON lines and CloudWatch's embedded metric format, by Powertools. */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { METRIC_NAMESPACE, METRICS } from '../../core/names.ts';
import type { Incident, Report } from '../../core/report.ts';

type Metric = keyof typeof METRICS;

export interface Telemetry {
  readonly log: (
    message: string,
    fields: Readonly<Record<string, string | number | boolean | undefined>>,
  ) => void;
  readonly measure: (metric: Metric, value?: number) => void;
  /** Its cause is logged, prompts and keys never are. Incidents that an alarm watches are counted. */
  readonly report: Report;
  readonly flush: () => void;
}

const COUNTED: { readonly [I in Incident]?: Metric } = {
  'usage spilled': 'usageSpilled',
  'limits not checked': 'limitsUnchecked',
  'settlement failed': 'settleFailed',
  'usage not delivered': 'settleFailed',
  'record not readable': 'poisonRecords',
};

/** `serviceName` is the function's folder; alarms and dashboards look for it. */
export function createTelemetry(serviceName: string): Telemetry {
  const logger = new Logger({ serviceName });
  const metrics = new Metrics({ namespace: METRIC_NAMESPACE, serviceName });
  const measure: Telemetry['measure'] = (metric, value = 1) => {
    const { name, unit } = METRICS[metric];
    metrics.addMetric(name, MetricUnit[unit], value);
  };
  return {
    log: (message, fields) => logger.info(message, fields),
    measure,
    report(incident, fault) {
      const metric = COUNTED[incident];
      if (metric !== undefined) measure(metric);
      logger.error(incident, { error: fault instanceof Error ? fault : new Error(String(fault)) });
    },
    flush: () => metrics.publishStoredMetrics(),
  };
}
