/**
 * Bedrock's Converse, spoken to as a provider only: one API for the models of many vendors, with its own
 * words for everything and streams that are not server-sent events. Bytes in and out; signing and
 * sending are somebody else's.
 */
import type { Outbound } from '../call.ts';
import { decodeConverseAnswer } from './converse-answer.ts';
import { encodeConverse } from './converse-request.ts';
import { createConverseDecoder } from './converse-stream.ts';

export const bedrockConverse: Outbound = {
  encode: encodeConverse,
  decoder: createConverseDecoder,
  decodeWhole: decodeConverseAnswer,
};
