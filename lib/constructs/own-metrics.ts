/** The metrics that our functions write, as alarms and the dashboard name them. */
import { Duration } from 'aws-cdk-lib';
import { type IMetric, MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { CALL_DIMENSIONS, CALL_METRICS, METRIC_NAMESPACE, METRICS } from '../../core/names.ts';

const PERIOD = Duration.minutes(5);

/** What a function counts beside its calls. */
export function own(metric: keyof typeof METRICS, statistic = 'Sum', service = 'proxy'): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: METRICS[metric].name,
    dimensionsMap: { service },
    statistic,
    period: PERIOD,
  });
}

/** What is told of every call, over all calls. */
export function ofCalls(metric: keyof typeof CALL_METRICS, statistic: string): Metric {
  const { name: metricName } = CALL_METRICS[metric];
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName,
    dimensionsMap: { [CALL_DIMENSIONS.service]: 'proxy' },
    statistic,
    period: PERIOD,
    label: `${metricName} ${statistic}`,
  });
}

/** One line for each value of the dimensions, those included that nobody knows yet. */
export function ofCallsBy(
  metric: keyof typeof CALL_METRICS,
  statistic: string,
  dimensions: readonly (keyof typeof CALL_DIMENSIONS)[],
): IMetric {
  const schema = [METRIC_NAMESPACE, ...dimensions.map((each) => `"${CALL_DIMENSIONS[each]}"`)];
  const { name } = CALL_METRICS[metric];
  return new MathExpression({
    expression: `SEARCH('{${schema.join(',')}} MetricName="${name}"', '${statistic}', ${PERIOD.toSeconds()})`,
    label: '',
    period: PERIOD,
  });
}
