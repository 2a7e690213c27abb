/** Logs and metrics of a function: JSON lines and CloudWatch's embedded metric format, by Powertools. */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import { METRIC_NAMESPACE, METRICS } from '../../core/names.ts';
import { COUNTED, type Telemetry } from './incident-metrics.ts';

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
    report(incident, fault, requestId) {
      const metric = COUNTED[incident];
      if (metric !== undefined) measure(metric);
      const error = fault instanceof Error ? fault : new Error(String(fault));
      logger.error(incident, { error, ...(requestId === undefined ? {} : { requestId }) });
    },
    flush: () => metrics.publishStoredMetrics(),
  };
}
