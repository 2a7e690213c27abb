/**
 * vLLM: OpenAI's dialect with rules of its own. Its prefix cache is shared by all its callers, so each
 * tenant gets its own salt, which no caller can choose or learn.
 */
import { createHmac } from 'node:crypto';
import { openAiRequest } from '../openai/adapter.ts';
import type { ProviderAdapter } from '../provider.ts';

export const vllm: ProviderAdapter = {
  speaks: ['openai-chat'],
  extra: ({ provider, apiKey, tenantId }) => ({
    cache_salt: cacheSalt(apiKey ?? provider.id, tenantId),
  }),
  request: openAiRequest,
};

function cacheSalt(secret: string, tenantId: string): string {
  return createHmac('sha256', secret).update(tenantId).digest('base64url');
}
