/**
 * The proxy function: the streaming shell around core/serve.ts. The response ends with the last byte;
 * the books are closed behind it, in middy's `requestEnd`, which runs after the stream has been written
 * or has failed, and before the environment may be frozen.
 */
import { Readable } from 'node:stream';
import middy, { type Request } from '@middy/core';
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import type { GatewayResponse } from '../../core/response.ts';
import { type Ports, serve } from '../../core/serve.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { createPorts } from './ports.ts';
import { toGatewayRequest } from './request.ts';

const telemetry = createTelemetry('proxy');
const ports = measured(createPorts(telemetry.report));

/** Books that are still open, by invocation. */
const open = new WeakMap<object, Promise<void>>();

export const handler = middy<APIGatewayProxyEvent>({
  executionMode: executionModeStreamifyResponse,
  timeoutEarlyInMillis: 0,
  requestEnd: ({ context }: Request) => open.get(context),
}).handler(async (event, context) => {
  const request = toGatewayRequest(event, {
    nowMs: systemClock.nowMs(),
    remainingMs: context.getRemainingTimeInMillis(),
  });
  let caller: Record<string, string> = {};
  const response = await serve(ports, {
    ...request,
    onCaller: ({ key }) => {
      caller = { tenantId: key.tenantId, projectId: key.projectId, virtualKeyId: key.keyId };
    },
  });
  const closed = response.closed.then(() => {
    telemetry.measure('requests');
    if (response.status === 429) telemetry.measure('denied');
    if (response.status >= 500) telemetry.measure('faults');
    const durationMs = systemClock.nowMs() - request.receivedAtMs;
    telemetry.log('request', {
      requestId: request.requestId,
      ...caller,
      method: request.method,
      path: request.path,
      status: response.status,
      errorCode: response.errorCode,
      durationMs,
    });
    telemetry.flush();
  });
  open.set(context, closed);
  return { statusCode: response.status, headers: response.headers, body: streamOf(response.body) };
});

/** Times of a call are in its usage event; they are measured where it passes. */
function measured(wired: Ports): Ports {
  const put: Ports['usage']['put'] = (event) => {
    if (event.overhead_ms !== null) telemetry.measure('overheadMs', event.overhead_ms);
    if (event.ttft_ms !== null) telemetry.measure('ttftMs', event.ttft_ms);
    return wired.usage.put(event);
  };
  return { ...wired, usage: { put } };
}

function streamOf(body: GatewayResponse['body']): string | Readable {
  if (typeof body === 'string') return body;
  return Readable.from(Buffer.isBuffer(body) ? [body] : body, { objectMode: false });
}
