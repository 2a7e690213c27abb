/**
 * The telemetry of the request path: the lines that Powertools would print, without Powertools, whose two packages are
 * a quarter of the time until the first request (ADR 0020). A test compares the two line by line.
 */
import { METRIC_NAMESPACE, METRICS } from '../../core/names.ts';
import { COUNTED, type Metric, type Telemetry } from './incident-metrics.ts';
import { withSourcePositions } from './source-positions.ts';

declare global {
  namespace awslambda {
    /** There on managed instances, where many calls share one environment. */
    const InvokeStore: { getXRayTraceId(): string | undefined } | undefined;
  }
}

/** CloudWatch takes no more values of a metric in one line. */
const VALUES_PER_LINE = 100;

/** `service` is the function's folder; alarms and dashboards look for it. */
export function createLeanTelemetry(service: string): Telemetry {
  const metrics = createMetrics(service);
  const entry = (level: string, message: string) => ({
    level,
    message,
    timestamp: new Date().toISOString(),
    service,
    sampling_rate: 0,
    xray_trace_id: xrayTraceId(),
  });
  return {
    ...metrics,
    log(message, fields) {
      if (isLogged('INFO'))
        process.stdout.write(`${JSON.stringify({ ...entry('INFO', message), ...fields })}\n`);
    },
    report(incident, fault, requestId) {
      const metric = COUNTED[incident];
      if (metric !== undefined) metrics.measure(metric);
      const error = fault instanceof Error ? fault : new Error(String(fault));
      if (isLogged('ERROR')) printFault({ ...entry('ERROR', incident), error, requestId });
    },
  };
}

/** From the least to the most important, by Lambda's names and by those of Powertools. */
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'CRITICAL', 'SILENT'];

function isLogged(level: string): boolean {
  const { AWS_LAMBDA_LOG_LEVEL, POWERTOOLS_LOG_LEVEL } = process.env;
  const least = AWS_LAMBDA_LOG_LEVEL ?? POWERTOOLS_LOG_LEVEL ?? 'INFO';
  return LEVELS.indexOf(level) >= LEVELS.indexOf(least.toUpperCase());
}

function xrayTraceId(): string | undefined {
  const store = typeof awslambda === 'undefined' ? undefined : awslambda.InvokeStore;
  const header = store?.getXRayTraceId() ?? process.env['_X_AMZN_TRACE_ID'] ?? '';
  if (!header.includes('=')) return header === '' ? undefined : header;
  return /(?:^|;)Root=([^;]*)/.exec(header)?.[1];
}

function createMetrics(service: string): Pick<Telemetry, 'measure' | 'flush'> {
  const stored = new Map<Metric, number[]>();

  function flush(): void {
    if (stored.size === 0) return;
    const Metrics = [...stored.keys()].map((metric) => {
      const { name: Name, unit: Unit } = METRICS[metric];
      return { Name, Unit };
    });
    const values = [...stored].map(([metric, [only, ...more]]) => {
      return [METRICS[metric].name, more.length === 0 ? only : [only, ...more]];
    });
    stored.clear();
    const directive = { Namespace: METRIC_NAMESPACE, Dimensions: [['service']], Metrics };
    const line = {
      _aws: { Timestamp: Date.now(), CloudWatchMetrics: [directive] },
      service,
      ...Object.fromEntries(values),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }

  return {
    measure(metric, value = 1) {
      if (stored.get(metric)?.length === VALUES_PER_LINE) flush();
      const values = stored.get(metric);
      if (values === undefined) stored.set(metric, [value]);
      else values.push(value);
    },
    flush,
  };
}

/** Nobody knows what hangs on an error. */
function printFault(line: object): void {
  const seen = new WeakSet<object>();
  const text = JSON.stringify(line, (_name, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return undefined;
    seen.add(value);
    return value instanceof Error ? fieldsOf(value) : value;
  });
  process.stderr.write(`${text}\n`);
}

function fieldsOf({ name, message, stack: raw, cause, ...others }: Error): object {
  const stack = raw === undefined ? raw : withSourcePositions(raw);
  return { name, location: locationOf(stack), message, stack, cause, ...others };
}

/** File and line of the first frame that is a function's. */
function locationOf(stack = ''): string {
  const [, file, line] = /\(([^()\n]*?):(\d+):\d+\)$/m.exec(stack) ?? [];
  return file === undefined ? '' : `${file}:${line}`;
}
