/** What of a chat request is not text, and so is not bounded by its bytes. */
import { GatewayError } from '../../errors.ts';
import { TOKENS_PER_IMAGE } from '../allowances.ts';
import type { ChatRequestBody } from './chat-request.ts';

/** Upper bound of the tokens of all images. Throws GatewayError for content whose tokens nothing bounds. */
export function imageTokens(messages: ChatRequestBody['messages']): number {
  let images = 0;
  for (const message of messages) {
    const content = message['content'];
    if (!Array.isArray(content)) continue;
    for (const part of content) {
      const type =
        typeof part === 'object' && part !== null && 'type' in part ? part.type : undefined;
      if (type === 'image_url') images += 1;
      if (type === 'file' || type === 'input_audio') throw unbounded(type);
    }
  }
  return images * TOKENS_PER_IMAGE;
}

/** A document can hold any number of pages, and audio has prices of its own, which no model here has yet. */
function unbounded(type: string): GatewayError {
  const message = `Content of type '${type}' is not supported: its cost cannot be bounded.`;
  return new GatewayError('invalid_request', message, { param: 'messages' });
}
