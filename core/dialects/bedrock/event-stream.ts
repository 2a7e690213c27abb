/**
 * AWS event streams, the framing of Bedrock's streamed answers: the same whole messages whatever way the
 * bytes are split, each with its two checksums verified, its size bounded before it is waited for.
 * A message: total length, headers' length, checksum of both, headers, payload, checksum of all (big-endian).
 * Format: Smithy, "Amazon Event Stream Specification".
 */
import { GatewayError } from '../../errors.ts';
import { createPendingBytes } from '../pending-bytes.ts';
import { MAX_EVENT_BYTES } from '../sse.ts';
import { crc32 } from './crc32.ts';

export interface EventStreamMessage {
  /** Those of text only, such as `:event-type`; of Bedrock's, all are. */
  readonly headers: ReadonlyMap<string, string>;
  readonly payload: Buffer;
}

export interface EventStreamDecoder {
  /**
   * The messages that these bytes complete. Throws GatewayError when they are not an event stream; where
   * whole messages came before the broken one they are given first, because they were said, and the next
   * push throws.
   */
  push(chunk: Uint8Array): EventStreamMessage[];
  /** True when bytes of an unfinished message are left: the stream was cut. */
  hasRest(): boolean;
}

const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;
const TEXT = 7;
/** Bytes of a header's value by its type: true, false, byte, short, int, long, time, uuid; 6 and 7 tell theirs. */
const VALUE_BYTES: Readonly<Record<number, number>> = {
  0: 0,
  1: 0,
  2: 1,
  3: 2,
  4: 4,
  5: 8,
  8: 8,
  9: 16,
};

export function createEventStreamDecoder(): EventStreamDecoder {
  const pending = createPendingBytes();
  return {
    push(chunk) {
      let bytes = pending.append(chunk);
      const messages: EventStreamMessage[] = [];
      try {
        for (let size = messageBytes(bytes); size <= bytes.length; size = messageBytes(bytes)) {
          messages.push(readMessage(bytes.subarray(0, size)));
          pending.drop(size);
          bytes = bytes.subarray(size);
        }
      } catch (fault) {
        if (messages.length === 0) throw fault;
      }
      return messages;
    },
    hasRest: () => !pending.isEmpty(),
  };
}

/** What the message that begins here needs; more than there is while its prelude is not whole. */
function messageBytes(bytes: Buffer): number {
  if (bytes.length < PRELUDE_BYTES) return PRELUDE_BYTES;
  const total = bytes.readUInt32BE(0);
  const headers = bytes.readUInt32BE(4);
  if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8)) throw malformed('a broken prelude');
  if (total > MAX_EVENT_BYTES) throw malformed(`a message larger than ${MAX_EVENT_BYTES} bytes`);
  if (headers + PRELUDE_BYTES + CHECKSUM_BYTES > total) throw malformed('headers beyond a message');
  return total;
}

function readMessage(message: Buffer): EventStreamMessage {
  const end = message.length - CHECKSUM_BYTES;
  if (crc32(message.subarray(0, end)) !== message.readUInt32BE(end))
    throw malformed('a message that does not match its checksum');
  const headersEnd = PRELUDE_BYTES + message.readUInt32BE(4);
  return {
    headers: readHeaders(message.subarray(PRELUDE_BYTES, headersEnd)),
    payload: message.subarray(headersEnd, end),
  };
}

/** Each header: the length of its name, its name, the type of its value, its value. */
function readHeaders(bytes: Buffer): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const nameEnd = at + 1 + byteAt(bytes, at);
    const type = byteAt(bytes, nameEnd);
    const fixed = VALUE_BYTES[type];
    const value = nameEnd + (fixed === undefined ? 3 : 1);
    const end = value + (fixed ?? byteAt(bytes, nameEnd + 1) * 256 + byteAt(bytes, nameEnd + 2));
    if (type > 9 || end > bytes.length) throw malformed('a header that cannot be read');
    if (type === TEXT)
      headers.set(bytes.toString('utf8', at + 1, nameEnd), bytes.toString('utf8', value, end));
    at = end;
  }
  return headers;
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw malformed('a header that cannot be read');
  return byte;
}

function malformed(what: string): GatewayError {
  return new GatewayError('upstream_error', 'The provider sent a stream that cannot be read.', {
    cause: `event stream: ${what}`,
  });
}
