/**
 * Serves a request and watches it: one line of metrics for each call, and where the stage and the policy say so its
 * spans and its record in the trace store. All of that happens behind the last byte and after the books; whatever
 * becomes of it, the call is answered, settled and billed as it would be without.
 */
import type { PolicySnapshot } from './catalog/snapshot.ts';
import { parserOf } from './endpoints.ts';
import type { Report } from './report.ts';
import type { GatewayResponse } from './response.ts';
import { type GatewayRequest, type Ports, serve } from './serve.ts';
import { callMetrics, type EmfLine, meteredModels } from './telemetry/call-metrics.ts';
import { operationOf } from './telemetry/operation.ts';
import {
  type OpenSpan,
  type RandomHex,
  type Span,
  type SpanAttributes,
  startTrace,
  type Trace,
} from './telemetry/spans.ts';
import { tracedPorts } from './telemetry/traced-ports.ts';
import type { Caller } from './tenancy/authenticate.ts';
import { type CopiedAnswer, copyAnswer } from './traces/copy-answer.ts';
import type { TraceObject } from './traces/trace-record.ts';
import type { UsageEvent } from './usage/event.ts';

export interface Watch {
  /** Writes the line to the log, from which CloudWatch takes its metrics. */
  emit(line: EmfLine): void;
  /** A stream broke by our own fault, after its status was sent. */
  countFault(): void;
  /** Absent: no spans are made. */
  readonly spans?: SpanSink;
  /** Absent: the stage has no trace store. */
  readonly traceStore?: { put(object: TraceObject): Promise<void> };
}

interface SpanSink {
  /** Share of the traces that are kept, from 0 to 1. Those of calls that failed always are. */
  readonly sampleRate: number;
  readonly randomHex: RandomHex;
  /** Bounded in time. Rejects when the spans are lost. */
  export(spans: readonly Span[]): Promise<void>;
}

export async function observedServe(
  ports: Ports,
  watch: Watch,
  request: GatewayRequest,
): Promise<GatewayResponse> {
  const seen: Seen = { request };
  const tracing = beginTrace(ports, watch, request);
  const report: Report = (incident, fault) => ports.report(incident, fault, request.requestId);
  const noting: Ports = {
    ...ports,
    report,
    usage: {
      put: (event) => {
        seen.event = event;
        return ports.usage.put(event);
      },
    },
  };
  const response = await serve(
    tracing === undefined ? noting : tracedPorts(noting, tracing.trace),
    {
      ...request,
      ...(tracing === undefined
        ? {}
        : { headers: { ...request.headers, traceparent: tracing.root.traceparent } }),
      onCaller: (caller) => {
        seen.caller = caller;
        request.onCaller?.(caller);
      },
    },
  );
  const store = traceStoreOf(seen.caller);
  const copy = store?.mode === 'full' ? copyAnswer(response) : undefined;
  const closed = response.closed.then(() =>
    tell(noting, watch, { ...seen, response, copy, tracing }),
  );
  return { ...response, ...(copy === undefined ? {} : { body: copy.body }), closed };
}

interface Seen {
  readonly request: GatewayRequest;
  caller?: Caller;
  event?: UsageEvent;
}

interface Tracing {
  readonly trace: Trace;
  readonly root: OpenSpan;
}

interface Watched extends Seen {
  readonly response: GatewayResponse;
  readonly copy: CopiedAnswer | undefined;
  readonly tracing: Tracing | undefined;
}

/** Never rejects. */
async function tell(ports: Ports, watch: Watch, call: Watched): Promise<void> {
  const { report } = ports;
  const lost = (what: Parameters<Ports['report']>[0]) => (fault: unknown) => report(what, fault);
  const { caller, event } = call;
  if (caller !== undefined && event !== undefined)
    watch.emit(callMetrics(event, modelsOf(caller.policy)));
  if (event !== undefined && isBrokenByUs(event)) watch.countFault();
  await Promise.all([
    exportSpans(watch, call).catch(lost('spans not exported')),
    storeRecord(watch, call).catch(lost('call record not stored')),
  ]);
}

function isBrokenByUs({ outcome, status, error_code: code }: UsageEvent): boolean {
  return outcome === 'error' && status === 200 && code === 'internal_error';
}

const metered = new WeakMap<PolicySnapshot, ReadonlySet<string>>();

/** Sorting the aliases once for each version of the policy is enough. */
function modelsOf(policy: PolicySnapshot): ReadonlySet<string> {
  const known = metered.get(policy) ?? meteredModels(policy);
  metered.set(policy, known);
  return known;
}

/** Only what calls a model is worth a trace. */
function beginTrace(
  { clock }: Ports,
  { spans }: Watch,
  { method, path, headers, receivedAtMs: startMs }: GatewayRequest,
): Tracing | undefined {
  if (spans === undefined || parserOf(path) === undefined) return undefined;
  const { randomHex, sampleRate } = spans;
  const traceparent = headers['traceparent'];
  const trace = startTrace({ clock, randomHex, traceparent, sampleRate, startMs });
  const root = trace.begin(`${method.slice(0, 20)} ${path}`, 'server', { 'url.path': path });
  return { trace, root };
}

async function exportSpans({ spans }: Watch, call: Watched): Promise<void> {
  const { tracing, response, event } = call;
  if (spans === undefined || tracing === undefined) return;
  const { trace, root } = tracing;
  const hasFailed = response.status >= 500 || event?.outcome === 'error';
  root.set(outcomeOf(call));
  root.end(hasFailed ? (event?.error_code ?? response.errorCode ?? 'unknown') : undefined);
  if (trace.isSampled || hasFailed) await spans.export(trace.finish());
}

/** No prompt, no answer, no key; and no tag, because callers write those. */
function outcomeOf({ request, response, event }: Watched): SpanAttributes {
  const facts = {
    'tollgate.request.id': request.requestId,
    'http.response.status_code': response.status,
  };
  if (event === undefined) return facts;
  return {
    ...facts,
    'gen_ai.operation.name': operationOf(event.dialect),
    'gen_ai.request.model': event.model_alias,
    'gen_ai.response.model': event.model ?? undefined,
    'gen_ai.provider.name': event.provider ?? undefined,
    'gen_ai.usage.input_tokens': event.input_tokens ?? undefined,
    'gen_ai.usage.output_tokens': event.output_tokens ?? undefined,
    'tollgate.tenant': event.tenant_id,
    'tollgate.team': event.team_id,
    'tollgate.project': event.project_id,
    'tollgate.dialect': event.dialect,
    'tollgate.outcome': event.outcome,
    'tollgate.attempts': event.attempts,
    'tollgate.overhead_ms': event.overhead_ms ?? undefined,
  };
}

async function storeRecord({ traceStore }: Watch, call: Watched): Promise<void> {
  const { caller, event, request, copy } = call;
  const store = traceStoreOf(caller);
  if (store === undefined || event === undefined) return;
  if (traceStore === undefined)
    throw new Error('the policy keeps traces, and the stage has no trace store');
  const { traceObjects } = await import('./traces/trace-record.ts');
  const answer = copy?.read() ?? NO_ANSWER;
  const objects = traceObjects(store, { event, request: request.body, answer });
  await Promise.all(objects.map((object) => traceStore.put(object)));
}

const NO_ANSWER = { bytes: new Uint8Array(), isStream: false, isCut: false };

function traceStoreOf(caller: Caller | undefined) {
  const tenants = caller?.policy.tenants;
  const tenantId = caller?.key.tenantId;
  if (tenants === undefined || tenantId === undefined) return undefined;
  return Object.hasOwn(tenants, tenantId) ? tenants[tenantId]?.traceStore : undefined;
}
