/** A call in any dialect, put to a server that speaks Anthropic's. */
import type { Outbound } from '../call.ts';
import { createMessagesDecoder } from './decoder.ts';
import { encodeMessages } from './encode.ts';
import { decodeMessage } from './messages-answer.ts';

export const anthropicMessages: Outbound = {
  encode: encodeMessages,
  decoder: createMessagesDecoder,
  decodeWhole: (body) => decodeMessage(body),
};
