/** The proxy function: core/serve.ts on Lambda's response stream, with the lines that operators read of each call. */
import type { APIGatewayProxyEvent, StreamifyHandler } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import { isProvidersFault } from '../../core/errors.ts';
import { observedServe } from '../../core/observed-serve.ts';
import { collectOnOneThread } from '../adapters/collector.ts';
import type { Asked } from './ask-for-policy.ts';
import { createPorts } from './ports.ts';
import { toGatewayRequest } from './request.ts';
import { streamed } from './streamed.ts';
import { createWatch } from './watch.ts';

export async function start(asked: Asked): Promise<StreamifyHandler<APIGatewayProxyEvent, void>> {
  const { telemetry } = asked;
  const ports = await createPorts(asked);
  const watch = await createWatch(asked.env, () => telemetry.measure('faults'));
  // What unpacks the policy is loaded before that is there.
  process.getBuiltinModule('node:zlib');
  collectOnOneThread();
  await asked.policy;

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
