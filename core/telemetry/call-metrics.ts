/**
 * The metrics of one call, as one line of CloudWatch's embedded metric format. A pure function of the usage event:
 * what is unknown has no metric, and no tenant, team or key is a dimension. Every set of dimensions has few values:
 * docs/observability.md says how many, and what they cost.
 */
import type { PolicySnapshot } from '../catalog/snapshot.ts';
import { CALL_DIMENSIONS, CALL_METRICS, MAX_METERED_MODELS, METRIC_NAMESPACE } from '../names.ts';
import type { UsageEvent } from '../usage/event.ts';
import { tokensOfEvent } from '../usage/event-values.ts';
import { operationOf } from './operation.ts';

type Values = { readonly [M in keyof typeof CALL_METRICS]?: number | undefined };
type Dimensions = Readonly<Record<string, string | undefined>>;

interface EmfDirective {
  readonly Namespace: string;
  readonly Dimensions: readonly (readonly string[])[];
  readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
}

export interface EmfLine {
  readonly _aws: {
    readonly Timestamp: number;
    readonly CloudWatchMetrics: readonly EmfDirective[];
  };
  readonly [member: string]: unknown;
}

/** `models`: the aliases with metrics of their own (meteredModels). */
export function callMetrics(event: UsageEvent, models: ReadonlySet<string>): EmfLine {
  const dimensions = dimensionsOf(event, models);
  const values: Readonly<Record<string, number | undefined>> =
    event.outcome === 'denied' ? { denials: 1 } : valuesOf(event);
  const known = KEYS.filter((key) => values[key] !== undefined);
  const { told, directives } = shapeOf(known, Object.keys(dimensions));
  const line: EmfLine & Record<string, unknown> = {
    _aws: {
      Timestamp: event.event_time_ms + event.duration_ms,
      CloudWatchMetrics: directives,
    },
    requestId: event.request_id,
    ...dimensions,
  };
  for (const { key, name } of told) line[name] = rounded(values[key] ?? 0);
  return line;
}

const METRICS = Object.entries(CALL_METRICS).map(([key, metric]) => ({ key, ...metric }));
const KEYS = METRICS.map(({ key }) => key);

/** What is the same for all calls that have the same metrics and dimensions. */
interface Shape {
  readonly told: readonly { readonly key: string; readonly name: string }[];
  readonly directives: readonly EmfDirective[];
}

/** As many as there are kinds of calls: a few dozen. */
const shapes = new Map<string, Shape>();

function shapeOf(known: readonly string[], dimensions: readonly string[]): Shape {
  const kind = `${known.join()} ${dimensions.join()}`;
  const shape = shapes.get(kind) ?? newShape(known, dimensions);
  shapes.set(kind, shape);
  return shape;
}

function newShape(known: readonly string[], dimensions: readonly string[]): Shape {
  const told = METRICS.flatMap(({ of, ...metric }) => {
    const sets = of.filter((set) => set.every((each) => dimensions.includes(each)));
    return sets.length === 0 || !known.includes(metric.key) ? [] : [{ ...metric, sets }];
  });
  // Metrics with the same sets share a directive: this line is paid by the byte.
  const groups = Map.groupBy(told, ({ sets }) => JSON.stringify(sets));
  const directives = [...groups.values()].map((group) => ({
    Namespace: METRIC_NAMESPACE,
    Dimensions: group[0]?.sets ?? [],
    Metrics: group.map(({ name, unit }) => ({ Name: name, Unit: unit })),
  }));
  return { told, directives };
}

/** The first aliases of the policy in the order of their names, so that all environments agree on them. */
export function meteredModels({ models }: Pick<PolicySnapshot, 'models'>): ReadonlySet<string> {
  return new Set(Object.keys(models).toSorted().slice(0, MAX_METERED_MODELS));
}

function dimensionsOf(event: UsageEvent, models: ReadonlySet<string>): Dimensions {
  const { service, provider, model, operation, dialect, error, dimension } = CALL_DIMENSIONS;
  return {
    [service]: 'proxy',
    [provider]: event.provider ?? 'none',
    [model]: models.has(event.model_alias) ? event.model_alias : 'other',
    [operation]: operationOf(event.dialect),
    [dialect]: event.dialect,
    ...(event.error_code === null ? {} : { [error]: event.error_code }),
    ...(event.denied_dimension === null ? {} : { [dimension]: event.denied_dimension }),
  };
}

/** Six digits are more than anybody reads. */
function rounded(value: number): number {
  if (Number.isInteger(value) && value < 1_000_000) return value;
  return Number(value.toPrecision(6));
}

function valuesOf(event: UsageEvent): Values {
  const seconds = event.duration_ms / 1000;
  const tokens = event.input_tokens === null ? undefined : tokensOfEvent(event);
  return {
    duration: seconds,
    failedDuration: event.outcome === 'ok' ? undefined : seconds,
    ...paceOf(event, tokens?.outputTokens),
    ...tokens,
    cost: event.cost_nano_usd / 1e9,
    overhead: event.overhead_ms ?? undefined,
    fallbacks: event.fallback_from === null ? undefined : 1,
  };
}

/** Of whole answers, and of those that broke, nobody knows how fast they were made. */
function paceOf(event: UsageEvent, outputTokens: number | undefined): Values {
  const { outcome, stream, ttft_ms: ttftMs, duration_ms: durationMs } = event;
  if (outcome !== 'ok' || !stream || ttftMs === null) return {};
  const ttft = ttftMs / 1000;
  if (outputTokens === undefined || outputTokens < 2) return { ttft };
  return { ttft, perToken: Math.max(0, durationMs / 1000 - ttft) / (outputTokens - 1) };
}
