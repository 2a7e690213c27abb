/** What of a chat request is not text, and so is not bounded by its bytes. */
import { GatewayError } from '../../errors.ts';
import type { ChatRequestBody } from './chat-request.ts';

/** Number of images in the messages. Throws GatewayError for content whose tokens nothing bounds. */
export function countImages(messages: ChatRequestBody['messages']): number {
  let images = 0;
  for (const message of messages) {
    const content = message['content'];
    if (!Array.isArray(content)) continue;
    for (const part of content) {
      const type =
        typeof part === 'object' && part !== null && 'type' in part ? part.type : undefined;
      if (type === 'image_url') images += 1;
      // A stored or attached document can hold any number of pages; audio in bytes is bounded by its bytes.
      if (type === 'file')
        throw new GatewayError(
          'invalid_request',
          "Content of type 'file' is not supported: its tokens cannot be bounded.",
          { param: 'messages' },
        );
    }
  }
  return images;
}
