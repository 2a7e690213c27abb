/** The proxy function: core/serve.ts on Lambda's response stream, with the lines that operators read of each call. */
import type { APIGatewayProxyEvent, StreamifyHandler } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import { parserOf } from '../../core/endpoints.ts';
import { isProvidersFault } from '../../core/errors.ts';
import { observedServe } from '../../core/observed-serve.ts';
import { collectOnOneThread } from '../adapters/collector.ts';
import { createLeanTelemetry } from '../adapters/lean-telemetry.ts';
import { createPorts } from './ports.ts';
import { toGatewayRequest } from './request.ts';
import './shared.ts';
import { streamed } from './streamed.ts';
import { createWatch } from './watch.ts';

export async function start(): Promise<StreamifyHandler<APIGatewayProxyEvent, void>> {
  const telemetry = createLeanTelemetry('proxy');
  const ports = await createPorts(telemetry.report);
  const watch = await createWatch(() => telemetry.measure('faults'));
  // At its start a function has all the CPU, so that the first call finds a connection to DynamoDB and the policy; and, loaded
  // while that is on its way, what reads the calls that most callers make.
  const policy = ports.directory.policy().catch(() => undefined);
  collectOnOneThread();
  await Promise.all([policy, parserOf('/v1/chat/completions')?.()]);

  return streamed(async (event, context) => {
    const request = toGatewayRequest(event, {
      nowMs: systemClock.nowMs(),
      remainingMs: context.getRemainingTimeInMillis(),
    });
    let caller: Record<string, string> = {};
    const response = await observedServe(ports, watch, {
      ...request,
      onCaller: ({ key }) => {
        caller = { tenantId: key.tenantId, projectId: key.projectId, virtualKeyId: key.keyId };
      },
    });
    const closed = response.closed.then(() => {
      telemetry.measure('requests');
      if (response.status === 429) telemetry.measure('denied');
      const isFault = response.status >= 500;
      const isProviders = isProvidersFault(response.errorCode);
      // Zero too: alarms compute with these, and nothing can be computed with what was never written.
      telemetry.measure('faults', Number(isFault && !isProviders));
      telemetry.measure('providerFailures', Number(isFault && isProviders));
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
}
