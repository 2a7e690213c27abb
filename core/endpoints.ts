/** The endpoints that call a model, and who reads their bodies. Decides which dialect a path speaks, and nothing else. */
import { countTokensCall, messagesCall } from './dialects/anthropic/messages-call.ts';
import { anthropicVoice } from './dialects/anthropic/voice.ts';
import type { Call } from './dialects/call.ts';
import { chatCall } from './dialects/openai/chat-call.ts';
import { embeddingsCall } from './dialects/openai/embeddings-call.ts';
import { responsesCall } from './dialects/openai/responses-call.ts';
import { openAiVoice } from './dialects/openai/voice.ts';
import type { Voice } from './dialects/voice.ts';
import type { Headers } from './tenancy/authenticate.ts';

/** Throws GatewayError `invalid_request` for what is no body of the endpoint. */
export type ParseCall = (body: Uint8Array, headers: Headers) => Call;

const CALLS: Readonly<Record<string, ParseCall>> = {
  '/v1/chat/completions': chatCall,
  '/v1/embeddings': embeddingsCall,
  '/v1/messages': messagesCall,
  '/v1/messages/count_tokens': countTokensCall,
  '/v1/responses': responsesCall,
};

/** Undefined for a path that calls no model. */
export function parserOf(path: string): ParseCall | undefined {
  return Object.hasOwn(CALLS, path) ? CALLS[path] : undefined;
}

/** The caller's dialect, where no call says it: by the path, and by a header that one family of SDKs always sends. */
export function voiceOf({ path, headers }: { path: string; headers: Headers }): Voice {
  if (path.startsWith('/v1/messages')) return anthropicVoice;
  if (parserOf(path) !== undefined) return openAiVoice;
  return headers['anthropic-version'] === undefined ? openAiVoice : anthropicVoice;
}
