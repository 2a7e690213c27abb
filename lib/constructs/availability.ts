/**
 * The objective of 99.99 % and the alarms on how fast its error budget burns: both a long and a short window have to
 * burn, so that an alarm is neither late nor rings on after the end (Google's SRE Workbook, "Alerting on SLOs").
 */
import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmRule,
  AlarmState,
  ComparisonOperator,
  CompositeAlarm,
  MathExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { own } from './own-metrics.ts';
import type { StreamingApi } from './streaming-api.ts';

/** One bad answer in so many. */
const ERROR_BUDGET = 10_000;
/** Below so many bad answers in the long window nobody is woken: with little traffic one of them is a large share. */
const MIN_BAD = 10;

const BURNS = {
  /** 2 % of a month's budget in an hour. */
  'availability-burn-fast': { rate: 14.4, long: Duration.hours(1), short: Duration.minutes(5) },
  /** 5 % in six hours. */
  'availability-burn-slow': { rate: 6, long: Duration.hours(6), short: Duration.minutes(30) },
} as const;

export type BurnName = keyof typeof BURNS;

export interface AvailabilityProps {
  readonly api: StreamingApi;
  readonly describe: (name: BurnName) => string;
}

export class Availability extends Construct {
  /** What people are told of; their parts tell nobody. */
  readonly alarms: readonly CompositeAlarm[];

  constructor(scope: Construct, id: string, { api, describe }: AvailabilityProps) {
    super(scope, id);
    this.alarms = [
      this.#burn(api, 'availability-burn-fast', describe),
      this.#burn(api, 'availability-burn-slow', describe),
    ];
  }

  #burn(api: StreamingApi, name: BurnName, describe: (name: BurnName) => string): CompositeAlarm {
    const { rate, long, short } = BURNS[name];
    const window = (part: string, period: Duration, minBad: number) =>
      new Alarm(this, `${name}-${part}`, {
        alarmDescription: `part of ${name}`,
        metric: badShare(api, period, minBad),
        threshold: rate / ERROR_BUDGET,
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluationPeriods: 1,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
    const parts = [window('long', long, MIN_BAD), window('short', short, 1)];
    return new CompositeAlarm(this, name, {
      alarmDescription: describe(name),
      alarmRule: AlarmRule.allOf(
        ...parts.map((part) => AlarmRule.fromAlarm(part, AlarmState.ALARM)),
      ),
    });
  }
}

/**
 * Bad answers are API Gateway's 5xx without those whose cause is a provider, or, if they are more, our own faults:
 * these also count streams that broke after their status was sent. The proxy writes both of its counts with every
 * request, zero or not, because an expression over a metric that was never written has no value.
 */
export function badShare(api: StreamingApi, period: Duration, minBad = 1): MathExpression {
  const bad = new MathExpression({
    expression: 'MAX([errors - providers, faults])',
    usingMetrics: {
      errors: api.metricServerErrors().with({ period }),
      providers: own('providerFailures').with({ period }),
      faults: own('faults').with({ period }),
    },
    period,
  });
  return new MathExpression({
    expression: `IF(bad >= ${minBad}, bad / requests, 0)`,
    usingMetrics: { bad, requests: api.metricRequests().with({ period, statistic: 'Sum' }) },
    label: 'Share of bad answers',
    period,
  });
}
