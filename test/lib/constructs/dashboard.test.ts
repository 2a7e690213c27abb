import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { CALL_METRICS, METRIC_NAMESPACE, METRICS } from '../../../core/names.ts';
import { resources, synthesize } from '../synthesized.ts';

const { gateway } = synthesize();
const [dashboard] = resources(gateway, 'AWS::CloudWatch::Dashboard').values();

const bodySchema = z.object({
  widgets: z.array(
    z.object({
      type: z.enum(['metric', 'text', 'alarm']),
      x: z.number(),
      y: z.number(),
      width: z.number(),
      height: z.number(),
      properties: z.looseObject({
        markdown: z.string().optional(),
        title: z.string().optional(),
        metrics: z.array(z.array(z.unknown())).optional(),
        alarms: z.array(z.string()).optional(),
      }),
    }),
  ),
});
const { widgets } = bodySchema.parse(JSON.parse(textOf(dashboard?.Properties['DashboardBody'])));
const metricSchema = z.tuple([z.string(), z.string()]).rest(z.unknown());
const rows = widgets.flatMap(({ properties: { metrics = [] } }) => metrics);
const expressions = rows.flatMap(([only]) => {
  const parsed = z.object({ expression: z.string() }).safeParse(only);
  return parsed.success ? [parsed.data.expression] : [];
});
const metrics = rows.flatMap((row) => {
  const parsed = metricSchema.safeParse(row);
  return parsed.success ? [parsed.data] : [];
});

/** As AWS's documentation of each service lists them. */
const DOCUMENTED: Readonly<Record<string, readonly string[]>> = {
  'AWS/ApiGateway': ['Count', '5XXError'],
  'AWS/Lambda': ['ConcurrentExecutions', 'Errors', 'Throttles'],
  'AWS/DynamoDB': [
    'ConsumedWriteCapacityUnits',
    'ConsumedReadCapacityUnits',
    'WriteThrottleEvents',
    'ReadThrottleEvents',
    'ConditionalCheckFailedRequests',
  ],
  'AWS/SQS': ['ApproximateNumberOfMessagesVisible'],
  'AWS/Kinesis': ['GetRecords.IteratorAgeMilliseconds'],
  'AWS/Firehose': ['DeliveryToS3.DataFreshness', 'FailedConversion.Records'],
};

describe('dashboard', () => {
  it('has one row a concern', () => {
    const headings = widgets.flatMap(({ properties: { markdown } }) => markdown ?? []);
    expect(headings).toEqual([
      '## Traffic',
      '## Errors',
      '## Latency and overhead',
      '## Tokens and money',
      '## Limits',
      '## Providers',
      '## Accounts',
      '## Usage on its way',
      '## Alerts',
    ]);
  });

  it('lays its widgets out within the width of the page, none over another', () => {
    const taken = new Set<string>();
    for (const { x, y, width, height } of widgets) {
      expect(x + width).toBeLessThanOrEqual(24);
      for (let column = x; column < x + width; column++)
        for (let line = y; line < y + height; line++) {
          expect(taken.has(`${column}/${line}`)).toBe(false);
          taken.add(`${column}/${line}`);
        }
    }
  });

  it('shows only metrics that the code writes or AWS documents', () => {
    const ours = [...Object.values(METRICS), ...Object.values(CALL_METRICS)];
    const known: Readonly<Record<string, readonly string[]>> = {
      ...DOCUMENTED,
      [METRIC_NAMESPACE]: ours.map(({ name }) => name),
    };
    expect(metrics.length).toBeGreaterThan(40);
    for (const [namespace, name] of metrics) expect(known[namespace], namespace).toContain(name);
  });

  it('shows metrics of calls under dimensions that they are written with', () => {
    const written = new Set(
      Object.values(CALL_METRICS).flatMap(({ name, of }) =>
        of.map((set) => `${name} by ${set.join(', ')}`),
      ),
    );
    const shown = expressions.flatMap((expression) => {
      const found = /^SEARCH\('\{Tollgate,(.+?)\} MetricName="(.+?)"', '\w+', 300\)$/.exec(
        expression,
      );
      return found === null
        ? []
        : [`${found[2]} by ${found[1]?.replaceAll('"', '').replaceAll(',', ', ')}`];
    });
    const overall = metrics.flatMap(([namespace, name, ...rest]) =>
      namespace === METRIC_NAMESPACE && /[.]/.test(name) ? [`${name} by ${rest[0]}`] : [],
    );
    expect(shown).toHaveLength(9);
    expect(overall.length).toBeGreaterThan(9);
    for (const each of [...shown, ...overall]) expect(written).toContain(each);
  });

  it('shows the state of every alarm that tells somebody', () => {
    const told = widgets.flatMap(({ properties: { alarms = [] } }) => alarms);
    const ids = [...resources(gateway, 'AWS::CloudWatch::CompositeAlarm').keys()];
    expect(told.length).toBeGreaterThan(30);
    for (const id of ids) expect(told.join()).toContain(id);
  });
});

/** The template's text, with the id of what it refers to in the place of each reference. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const joined = z.object({ 'Fn::Join': z.tuple([z.string(), z.array(z.unknown())]) });
  const parsed = joined.safeParse(value);
  if (parsed.success) return parsed.data['Fn::Join'][1].map(textOf).join('');
  return JSON.stringify(value).replaceAll(/[^\w:-]/g, '');
}
