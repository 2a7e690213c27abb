/**
 * The two objectives, 99.99 % of answers without a fault of ours and 99 % of calls dispatched within 50 ms, and the alarms
 * on how fast their error budgets burn: both a long and a short window have to burn, so that an alarm is neither late nor
 * rings on after the end (Google's SRE Workbook, "Alerting on SLOs").
 */
import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmRule,
  AlarmState,
  ComparisonOperator,
  CompositeAlarm,
  type IMetric,
  MathExpression,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import { ofCalls, own } from './own-metrics.ts';
import type { StreamingApi } from './streaming-api.ts';

/** Below so many bad calls in the long window nobody is woken: with little traffic one of them is a large share. */
const MIN_BAD = 10;
const TARGET_OVERHEAD_MS = 50;

/** 2 % of a month's budget in an hour, and 5 % in six. */
const FAST = { rate: 14.4, long: Duration.hours(1), short: Duration.minutes(5) };
const SLOW = { rate: 6, long: Duration.hours(6), short: Duration.minutes(30) };

const AVAILABILITY = { severity: 'critical', badOf: 10_000, share: badShare } as const;
const OVERHEAD = { severity: 'warning', badOf: 100, share: slowShare } as const;

const BURNS = {
  'availability-burn-fast': { ...AVAILABILITY, ...FAST },
  'availability-burn-slow': { ...AVAILABILITY, ...SLOW },
  'overhead-burn-fast': { ...OVERHEAD, ...FAST },
  'overhead-burn-slow': { ...OVERHEAD, ...SLOW },
} as const;

type Burn = (typeof BURNS)[keyof typeof BURNS];

export interface ObjectivesProps {
  readonly api: StreamingApi;
  readonly describe: (severity: Burn['severity'], name: string) => string;
}

export class Objectives extends Construct {
  /** What people are told of; their parts tell nobody. */
  readonly alarms: readonly CompositeAlarm[];

  constructor(scope: Construct, id: string, props: ObjectivesProps) {
    super(scope, id);
    this.alarms = Object.entries(BURNS).map(([name, burn]) => this.#burn(name, burn, props));
  }

  #burn(name: string, burn: Burn, { api, describe }: ObjectivesProps): CompositeAlarm {
    const { severity, badOf, share, rate, long, short } = burn;
    const window = (part: string, period: Duration, minBad: number) =>
      new Alarm(this, `${name}-${part}`, {
        alarmDescription: `part of ${name}`,
        metric: share(api, period, minBad),
        // Quotients of decimals have a tail.
        threshold: Number((rate / badOf).toPrecision(6)),
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluationPeriods: 1,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
    const parts = [window('long', long, MIN_BAD), window('short', short, 1)];
    return new CompositeAlarm(this, name, {
      alarmDescription: describe(severity, name),
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
export function badShare(api: StreamingApi, period: Duration, minBad = 1): IMetric {
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

/** A trimmed count between bounds is the number of values in them (CloudWatch statistics definitions, TC). */
export function slowShare(_: StreamingApi, period: Duration, minBad = 1): IMetric {
  return new MathExpression({
    expression: `IF(bad >= ${minBad}, bad / calls, 0)`,
    usingMetrics: {
      bad: ofCalls('overhead', `TC(${TARGET_OVERHEAD_MS}:)`).with({ period }),
      calls: ofCalls('overhead', 'SampleCount').with({ period }),
    },
    label: `Share of calls with more than ${TARGET_OVERHEAD_MS} ms of overhead`,
    period,
  });
}
