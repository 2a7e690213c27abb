/** The ports of one call, watched: each step that leaves the process becomes a span. What the steps do is not changed. */
import { asGatewayError, type ErrorCode } from '../errors.ts';
import type { Destination, UpstreamRequest, UpstreamResponse } from '../providers/upstream.ts';
import type { Ports } from '../serve.ts';
import { operationOf } from './operation.ts';
import type { OpenSpan, Trace } from './spans.ts';

export function tracedPorts(ports: Ports, trace: Trace): Ports {
  const { accounts, usage, upstream } = ports;
  const step = <T>(name: string, run: () => Promise<T>) =>
    timed(trace.begin(name, 'internal'), run);
  return {
    ...ports,
    accounts: {
      ...accounts,
      reserve: async (call) => {
        const span = trace.begin('reserve', 'internal', { 'tollgate.scopes': call.scopes.length });
        const outcome = await timed(span, () => accounts.reserve(call));
        span.set({ 'tollgate.outcome': outcome.kind });
        return outcome;
      },
      settle: (reservation, actual) =>
        reservation.grants.length === 0
          ? accounts.settle(reservation, actual)
          : step('settle', () => accounts.settle(reservation, actual)),
      release: (reservation) => step('release', () => accounts.release(reservation)),
    },
    usage: { put: (event) => step('usage event', () => usage.put(event)) },
    upstream: {
      send: (request) => {
        const { destination } = request;
        if (destination === undefined) return upstream.send(request);
        return attempt(ports, trace, { request, destination });
      },
    },
  };
}

async function timed<T>(span: OpenSpan, run: () => Promise<T>): Promise<T> {
  try {
    const result = await run();
    span.end();
    return result;
  } catch (thrown) {
    span.end(codeOf(thrown));
    throw thrown;
  }
}

/** From the call's first byte to the last of its answer; the provider's own span lies under it where it may know ours. */
async function attempt(
  { clock, upstream }: Pick<Ports, 'clock' | 'upstream'>,
  trace: Trace,
  { request, destination }: { request: UpstreamRequest; destination: Destination },
): Promise<UpstreamResponse> {
  const operation = operationOf(destination.dialect);
  const span = trace.begin(`${operation} ${destination.model}`, 'client', {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': destination.provider,
    'gen_ai.request.model': destination.model,
    'server.address': new URL(request.url).hostname,
  });
  const startMs = clock.nowMs();
  const onward = destination.continuesTrace
    ? { ...request, headers: { ...request.headers, traceparent: span.traceparent } }
    : request;
  try {
    const response = await upstream.send(onward);
    span.set({ 'http.response.status_code': response.status });
    const firstByte = () =>
      span.set({ 'gen_ai.response.time_to_first_chunk': (clock.nowMs() - startMs) / 1000 });
    return {
      ...response,
      body: watched(response, { span, firstByte }),
      abort() {
        span.end();
        response.abort();
      },
    };
  } catch (thrown) {
    span.end(codeOf(thrown));
    throw thrown;
  }
}

async function* watched(
  { body, status }: UpstreamResponse,
  { span, firstByte }: { span: OpenSpan; firstByte: () => void },
): AsyncGenerator<Uint8Array | 'quiet'> {
  let isFirst = true;
  try {
    for await (const chunk of body) {
      if (isFirst && chunk !== 'quiet') {
        isFirst = false;
        firstByte();
      }
      yield chunk;
    }
  } catch (thrown) {
    span.end(codeOf(thrown));
    throw thrown;
  } finally {
    span.end(status === 200 ? undefined : String(status));
  }
}

function codeOf(thrown: unknown): ErrorCode {
  return asGatewayError(thrown).code;
}
