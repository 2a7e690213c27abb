/** The dashboard: one row a concern, in the order in which somebody who was woken asks. */
import { Duration } from 'aws-cdk-lib';
import {
  AlarmStatusWidget,
  Dashboard as CloudWatchDashboard,
  GraphWidget,
  type IAlarm,
  type IMetric,
  type IWidget,
  Metric,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { DataStack } from '../data-stack.ts';
import type { Alerts } from './alerts.ts';
import type { GatewayFunction } from './gateway-function.ts';
import { badShare, slowShare } from './objectives.ts';
import { ofCalls, ofCallsBy, own } from './own-metrics.ts';
import type { StreamingApi } from './streaming-api.ts';
import type { UsagePipeline } from './usage-pipeline.ts';

export interface DashboardProps {
  readonly alarms: readonly IAlarm[];
  readonly alerts: Alerts;
  readonly api: StreamingApi;
  readonly data: DataStack;
  readonly pipeline: UsagePipeline;
  readonly proxy: GatewayFunction;
}

const WIDTH = 24;
const PERIOD = Duration.minutes(5);

export class Dashboard extends Construct {
  constructor(scope: Construct, id: string, props: DashboardProps) {
    super(scope, id);
    new CloudWatchDashboard(this, 'Dashboard', {
      widgets: [
        ...traffic(props),
        ...errors(props),
        ...latency(props),
        ...tokensAndMoney(),
        ...limits(),
        ...providers(),
        ...accounts(props),
        ...pipeline(props),
        ...alerts(props),
      ],
    });
  }
}

function traffic({ api, proxy }: DashboardProps): IWidget[][] {
  return row(
    'Traffic',
    graph('Requests', api.metricRequests(), own('requests'), own('denied')),
    graph('Calls by dialect', ofCallsBy('duration', 'SampleCount', ['operation', 'dialect'])),
    graph('Calls by model', ofCallsBy('duration', 'SampleCount', ['model'])),
    graph('Environments at work', proxy.alias.metric('ConcurrentExecutions', maximum)),
  );
}

function errors({ api, proxy }: DashboardProps): IWidget[][] {
  return row(
    'Errors',
    graph('Share of bad answers; the objective is 0.0001', badShare(api, PERIOD)),
    graph(
      'Answers of 5xx, and whose',
      api.metricServerErrors(),
      own('faults'),
      own('providerFailures'),
    ),
    graph(
      'By provider and kind',
      ofCallsBy('failedDuration', 'SampleCount', ['provider', 'error']),
    ),
    graph('The function itself', proxy.alias.metricErrors(sum), proxy.alias.metricThrottles(sum)),
  );
}

function latency({ api }: DashboardProps): IWidget[][] {
  return row(
    'Latency and overhead',
    graph('Time to first token, s', ...percentiles('ttft')),
    graph('Time per output token, s', ...percentiles('perToken')),
    graph('Whole calls, s', ...percentiles('duration')),
    graph('Overhead of the gateway, ms', ...percentiles('overhead')),
    graph('Share of calls above 50 ms of it; the objective is 0.01', slowShare(api, PERIOD)),
  );
}

function tokensAndMoney(): IWidget[][] {
  return row(
    'Tokens and money',
    graph('Tokens', ofCalls('inputTokens', 'Sum'), ofCalls('outputTokens', 'Sum')),
    graph('Output tokens by model', ofCallsBy('outputTokens', 'Sum', ['model'])),
    graph('US dollars', ofCalls('cost', 'Sum')),
    graph('US dollars by model', ofCallsBy('cost', 'Sum', ['model'])),
  );
}

function limits(): IWidget[][] {
  return row(
    'Limits',
    graph('Denials by dimension', ofCallsBy('denials', 'Sum', ['dimension'])),
    graph('Gone on without a limit', own('limitsUnchecked')),
    graph('Charged at the hold', own('holdsPosted', 'Sum', 'reaper')),
    graph('Not settled', own('settleFailed')),
  );
}

function providers(): IWidget[][] {
  return row(
    'Providers',
    graph('Calls', ofCallsBy('duration', 'SampleCount', ['provider'])),
    graph('Time to first token, p99, s', ofCallsBy('ttft', 'p99', ['provider'])),
    graph('Time per output token, p50, s', ofCallsBy('perToken', 'p50', ['provider'])),
    graph('Fallbacks', ofCalls('fallbacks', 'Sum')),
  );
}

function accounts({ data }: DashboardProps): IWidget[][] {
  const both = (name: string, statistic: string) => [
    tableMetric(data.accounts, name, statistic),
    tableMetric(data.catalog, name, statistic),
  ];
  return row(
    'Accounts',
    graph('Write units', ...both('ConsumedWriteCapacityUnits', 'Sum')),
    graph('Read units', ...both('ConsumedReadCapacityUnits', 'Sum')),
    graph('Throttled', ...both('WriteThrottleEvents', 'Sum'), ...both('ReadThrottleEvents', 'Sum')),
    graph('Conditions that failed', ...both('ConditionalCheckFailedRequests', 'Sum')),
  );
}

function pipeline({ data, pipeline: { spillQueue } }: DashboardProps): IWidget[][] {
  return row(
    'Usage on its way',
    graph('Spilled, and waiting', own('usageSpilled'), depth(spillQueue)),
    graph(
      'Lag of the monitor, ms',
      data.usageStream.metricGetRecordsIteratorAgeMilliseconds(maximum),
    ),
    graph('Age of the lake, s', data.lake.metricFreshness()),
    graph(
      'Lost or unreadable',
      own('poisonRecords', 'Sum', 'usage-monitor'),
      data.lake.metricRejectedRecords(),
      own('tracesLost'),
      own('spansLost'),
    ),
  );
}

function alerts({ alarms, alerts: { deadLetters }, pipeline: each }: DashboardProps): IWidget[][] {
  return [
    [heading('Alerts')],
    [
      new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 18, height: 6 }),
      graph(
        'Not delivered',
        depth(deadLetters),
        depth(each.spillDeadLetters),
        depth(each.monitorDeadLetters),
      ),
    ],
  ];
}

const sum = { statistic: 'Sum', period: PERIOD };
const maximum = { statistic: 'Maximum', period: PERIOD };

function row(title: string, ...widgets: IWidget[]): IWidget[][] {
  return [[heading(title)], widgets];
}

function heading(title: string): IWidget {
  return new TextWidget({ markdown: `## ${title}`, width: WIDTH, height: 1 });
}

function graph(title: string, ...left: IMetric[]): IWidget {
  return new GraphWidget({ title, left, width: WIDTH / 4, height: 6 });
}

function percentiles(metric: Parameters<typeof ofCalls>[0]): IMetric[] {
  return ['p50', 'p90', 'p99'].map((statistic) => ofCalls(metric, statistic));
}

function depth(queue: Queue): IMetric {
  return queue.metricApproximateNumberOfMessagesVisible(maximum);
}

function tableMetric({ tableName }: TableV2, metricName: string, statistic: string): IMetric {
  const dimensionsMap = { TableName: tableName };
  return new Metric({
    namespace: 'AWS/DynamoDB',
    metricName,
    dimensionsMap,
    statistic,
    period: PERIOD,
  });
}
