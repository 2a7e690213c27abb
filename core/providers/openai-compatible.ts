/**
 * Providers that speak OpenAI's chat completions: OpenAI itself, any compatible endpoint, vLLM. Pure:
 * builds the HTTP request. vLLM's prefix cache is shared by all its callers, so each tenant gets its own
 * salt, which no caller can choose or learn.
 */
import { createHmac } from 'node:crypto';
import type { Provider } from '../catalog/snapshot.ts';
import { type ChatCall, type Upstream, upstreamChatBody } from '../dialects/openai/chat-request.ts';

export interface ChatDispatch {
  readonly provider: Provider;
  readonly call: ChatCall;
  readonly upstream: Upstream;
  /** The provider key's value; undefined where the server wants none. */
  readonly apiKey: string | undefined;
  readonly tenantId: string;
  readonly requestId: string;
}

export function chatHttpRequest({
  provider,
  call,
  upstream,
  apiKey,
  tenantId,
  requestId,
}: ChatDispatch): { url: string; headers: Record<string, string>; body: string } {
  const extra =
    provider.kind === 'vllm' ? { cache_salt: cacheSalt(apiKey ?? provider.id, tenantId) } : {};
  return {
    url: `${provider.baseUrl}/v1/chat/completions`,
    headers: {
      'content-type': 'application/json',
      accept: call.stream ? 'text/event-stream' : 'application/json',
      'x-request-id': requestId,
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: upstreamChatBody(call, upstream, extra),
  };
}

function cacheSalt(secret: string, tenantId: string): string {
  return createHmac('sha256', secret).update(tenantId).digest('base64url');
}
