/** The dialects that a call can be translated into. */
import type { Outbound } from './call.ts';
import type { Dialect } from './dialect.ts';
import { openAiChat } from './openai/chat-outbound.ts';

export const OUTBOUND: Readonly<Record<Dialect, Outbound | undefined>> = {
  'openai-chat': openAiChat,
  'openai-responses': undefined,
  'openai-embeddings': undefined,
  'anthropic-messages': undefined,
  'bedrock-converse': undefined,
};
