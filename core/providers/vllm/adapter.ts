/**
 * vLLM: OpenAI's dialect with rules of its own. Its prefix cache is shared by all its callers, so each
 * tenant gets its own salt, which no caller can choose or learn. A LoRA adapter is a model by its name.
 */
import { createHmac } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import type { Priority } from '../../tenancy/priority.ts';
import { openAiRequest } from '../openai/adapter.ts';
import type { ExtraFacts, ProviderAdapter } from '../provider.ts';
import { VLLM_CHAT_RULES } from './chat-rules.ts';

export const vllm: ProviderAdapter = {
  speaks: ['openai-chat'],
  sharesCache: true,
  extra: vllmExtra,
  chatRules: VLLM_CHAT_RULES,
  request: openAiRequest,
};

/** vLLM serves lower numbers first, and 0 where none is given. */
const SCHEDULED_AT: Readonly<Record<Priority, number>> = { high: -10, normal: 0, low: 10 };

function vllmExtra({ provider, tenantId, priority, cacheSecret }: ExtraFacts) {
  return {
    cache_salt: cacheSalt(cacheSecret, tenantId),
    // A server that does not schedule by priority refuses the field.
    ...(provider.schedulesByPriority === true ? { priority: SCHEDULED_AT[priority] } : {}),
  };
}

/** 256 bits that nobody can guess: without the secret there is no call, since one tenant could then time another's cache. */
function cacheSalt(secret: string | undefined, tenantId: string): string {
  if (secret === undefined || secret === '')
    throw new GatewayError(
      'upstream_misconfigured',
      'The gateway is not set up correctly for this model. Its operators can see why.',
      { cause: 'no secret for cache salts' },
    );
  return createHmac('sha256', secret).update(tenantId).digest('base64url');
}
