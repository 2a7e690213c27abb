/** The endpoints that call a model, and who reads their bodies. Decides which dialect a path speaks, and nothing else. */
import { anthropicVoice } from './dialects/anthropic/voice.ts';
import type { Call } from './dialects/call.ts';
import { openAiVoice } from './dialects/openai/voice.ts';
import type { Voice } from './dialects/voice.ts';
import { lazily } from './lazily.ts';
import type { Headers } from './tenancy/authenticate.ts';

/** Throws GatewayError `invalid_request` for what is no body of the endpoint. */
export type ParseCall = (body: Uint8Array, headers: Headers) => Call;

/** Each dialect is loaded by the first call that speaks it: most processes hear of one alone (ADR 0020). */
const CALLS: Readonly<Record<string, () => Promise<ParseCall>>> = {
  '/v1/chat/completions': lazily(async () => (await import('./dialects/openai/chat.ts')).chatCall),
  '/v1/embeddings': lazily(
    async () => (await import('./dialects/openai/embeddings-call.ts')).embeddingsCall,
  ),
  '/v1/messages': lazily(
    async () => (await import('./dialects/anthropic/messages.ts')).messagesCall,
  ),
  '/v1/messages/count_tokens': lazily(
    async () => (await import('./dialects/anthropic/messages.ts')).countTokensCall,
  ),
  '/v1/responses': lazily(
    async () => (await import('./dialects/openai/responses-call.ts')).responsesCall,
  ),
};

/** Undefined for a path that calls no model. */
export function parserOf(path: string): (() => Promise<ParseCall>) | undefined {
  return Object.hasOwn(CALLS, path) ? CALLS[path] : undefined;
}

/** The caller's dialect, where no call says it: by the path, and by a header that one family of SDKs always sends. */
export function voiceOf({ path, headers }: { path: string; headers: Headers }): Voice {
  if (path.startsWith('/v1/messages')) return anthropicVoice;
  if (parserOf(path) !== undefined) return openAiVoice;
  return headers['anthropic-version'] === undefined ? openAiVoice : anthropicVoice;
}
