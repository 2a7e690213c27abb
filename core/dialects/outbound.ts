/** The dialects that a call can be translated into. */

import { createMessagesDecoder } from './anthropic/decoder.ts';
import { encodeMessages } from './anthropic/encode.ts';
import { decodeMessage } from './anthropic/messages-answer.ts';
import { bedrockConverse } from './bedrock/converse.ts';
import type { Outbound } from './call.ts';
import type { Dialect } from './dialect.ts';
import { openAiChat } from './openai/chat-outbound.ts';

export const OUTBOUND: Readonly<Record<Dialect, Outbound | undefined>> = {
  'openai-chat': openAiChat,
  'openai-responses': undefined,
  'openai-embeddings': undefined,
  'anthropic-messages': {
    encode: encodeMessages,
    decoder: createMessagesDecoder,
    decodeWhole: (body) => decodeMessage(body),
  },
  'bedrock-converse': bedrockConverse,
};
