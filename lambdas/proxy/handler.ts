/** The proxy function: core/serve.ts on Lambda's response stream, with the lines that operators read of each call. */
import { systemClock } from '../../core/clock.ts';
import { type Ports, serve } from '../../core/serve.ts';
import { createLeanTelemetry } from '../adapters/lean-telemetry.ts';
import { createPorts } from './ports.ts';
import { toGatewayRequest } from './request.ts';
import { streamed } from './streamed.ts';

const telemetry = createLeanTelemetry('proxy');
const ports = measured(createPorts(telemetry.report));

// At its start a function has all the CPU, so that the first call finds a connection to DynamoDB and the policy.
await ports.directory.policy().catch(() => undefined);

export const handler = streamed(async (event, context) => {
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
  return { ...response, closed };
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
