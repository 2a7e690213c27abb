import type { GatewayResponse } from '../response.ts';
import type { KeptAnswer } from './trace-record.ts';

/** Of one stream; an environment may serve sixty-four at once. */
const MAX_COPY_BYTES = 2_000_000;

export interface CopiedAnswer {
  /** To send instead of the original: its bytes pass as they come. */
  readonly body: GatewayResponse['body'];
  /** What has passed so far. */
  read(): KeptAnswer;
}

/** Keeps what is sent to the caller, up to a bound, without holding anything back. */
export function copyAnswer({ body }: Pick<GatewayResponse, 'body'>): CopiedAnswer {
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    const bytes = Buffer.from(body);
    return { body, read: () => ({ bytes, isStream: false, isCut: false }) };
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  const keep = (chunk: Uint8Array) => {
    const room = MAX_COPY_BYTES - size;
    size += chunk.byteLength;
    if (room > 0) parts.push(chunk.subarray(0, room));
  };
  return {
    body: passing(body, keep),
    read: () => ({
      bytes: Buffer.concat(parts),
      isStream: true,
      isCut: size > MAX_COPY_BYTES,
    }),
  };
}

/**
 * Not a generator: one that nobody has pulled from would swallow the `return` with which a caller that left at once
 * makes the stream behind it close its books.
 */
function passing(
  source: AsyncIterable<Uint8Array>,
  keep: (chunk: Uint8Array) => void,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const inner = source[Symbol.asyncIterator]();
      return {
        async next() {
          const result = await inner.next();
          if (result.done !== true) keep(result.value);
          return result;
        },
        return: async () => (await inner.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}
