/** Logs and metrics of a function: JSON lines and CloudWatch's embedded metric format, by Powertools. */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { METRIC_NAMESPACE, METRICS } from '../../core/names.ts';

export interface Telemetry {
  readonly log: (
    message: string,
    fields: Readonly<Record<string, string | number | boolean | undefined>>,
  ) => void;
  readonly count: (metric: keyof typeof METRICS, value?: number) => void;
  /** A fault that operators should see. Its cause is logged, prompts and keys never are. */
  readonly report: (what: string, fault: unknown) => void;
  readonly flush: () => void;
}

export function createTelemetry(serviceName: string): Telemetry {
  const logger = new Logger({ serviceName });
  const metrics = new Metrics({ namespace: METRIC_NAMESPACE, serviceName });
  const count: Telemetry['count'] = (metric, value = 1) => {
    const { name, unit } = METRICS[metric];
    metrics.addMetric(name, MetricUnit[unit], value);
  };
  return {
    log: (message, fields) => logger.info(message, fields),
    count,
    report: (what, fault) =>
      logger.error(what, { error: fault instanceof Error ? fault : new Error(String(fault)) }),
    flush: () => metrics.publishStoredMetrics(),
  };
}
