/** API Gateway's REST proxy event as the gateway's own request. */
import type { APIGatewayProxyEvent } from 'aws-lambda';
import type { EpochMs } from '../../core/clock.ts';
import { newRequestId } from '../../core/ids.ts';
import type { GatewayRequest } from '../../core/serve.ts';

export function toGatewayRequest(
  event: APIGatewayProxyEvent,
  { nowMs, remainingMs }: { nowMs: EpochMs; remainingMs: number },
): Omit<GatewayRequest, 'onCaller'> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(event.headers ?? {}))
    if (value !== undefined) headers[name.toLowerCase()] = value;
  return {
    method: event.httpMethod,
    path: event.path,
    headers,
    query: { ...event.queryStringParameters },
    body: Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8'),
    requestId: newRequestId(),
    receivedAtMs: nowMs,
    deadlineMs: nowMs + remainingMs,
  };
}
