/** The dialects that a call can be translated into. Each is loaded by the first call that needs it (ADR 0020). */
import { lazily } from '../lazily.ts';
import type { Outbound } from './call.ts';
import type { Dialect } from './dialect.ts';

export const OUTBOUND: Readonly<Record<Dialect, (() => Promise<Outbound>) | undefined>> = {
  'openai-chat': lazily(async () => (await import('./openai/chat.ts')).openAiChat),
  'openai-responses': undefined,
  'openai-embeddings': undefined,
  'anthropic-messages': lazily(
    async () => (await import('./anthropic/messages.ts')).anthropicMessages,
  ),
  'bedrock-converse': lazily(async () => (await import('./bedrock/converse.ts')).bedrockConverse),
};
