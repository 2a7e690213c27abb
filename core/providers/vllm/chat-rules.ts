/**
 * What vLLM's chat takes of OpenAI's. A list of what is known and not of what is dangerous: vLLM has fields
 * that pick a cache, a place in the queue, a prompt template or another server, and gets new ones.
 * Source: vllm-project/vllm, vllm/entrypoints/openai/chat_completion/protocol.py (0.29).
 */
import type { CompatibilityRow } from '../../dialects/compatibility.ts';
import type { ChatRules } from '../../dialects/openai/chat-rules.ts';

const FUNCTIONS = 'vLLM has tools and no longer functions';
const UNKNOWN = 'vLLM has no such setting, and it only tunes the answer';

const ROWS: readonly CompatibilityRow[] = [
  { field: 'functions', target: 'vllm', action: 'refuse', reason: FUNCTIONS },
  { field: 'function_call', target: 'vllm', action: 'refuse', reason: FUNCTIONS },
  { field: 'verbosity', target: 'vllm', action: 'drop', reason: UNKNOWN },
  { field: 'prompt_cache_retention', target: 'vllm', action: 'drop', reason: UNKNOWN },
  { field: 'prompt_cache_options', target: 'vllm', action: 'drop', reason: UNKNOWN },
  { field: 'modalities', target: 'vllm', action: 'drop', reason: 'text is all that vLLM gives' },
];

export const VLLM_CHAT_RULES: ChatRules = {
  knows: new Set([
    'model',
    'messages',
    'stream',
    'stream_options',
    'n',
    'temperature',
    'top_p',
    'frequency_penalty',
    'presence_penalty',
    'seed',
    'logprobs',
    'top_logprobs',
    'logit_bias',
    'stop',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'response_format',
    'reasoning_effort',
    'max_tokens',
    'max_completion_tokens',
    // The gateway's own, which it sends to nobody.
    'metadata',
    'user',
    'store',
    'service_tier',
    'safety_identifier',
    'prompt_cache_key',
  ]),
  rows: ROWS,
  imagesAsDataOnly: true,
};
