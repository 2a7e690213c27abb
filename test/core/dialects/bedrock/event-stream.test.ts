import { crc32 as crc32OfZlib } from 'node:zlib';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../../core/dialects/bedrock/crc32.ts';
import {
  createEventStreamDecoder,
  type EventStreamMessage,
} from '../../../../core/dialects/bedrock/event-stream.ts';
import { MAX_EVENT_BYTES } from '../../../../core/dialects/sse.ts';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text),
);

const NAME = fc.oneof(
  fc.constantFrom(':event-type', ':message-type', '__proto__', 'ü'),
  fc.string({ minLength: 1, maxLength: 60 }),
);
const VALUE = fc.oneof(
  fc.record({ type: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }) }),
  fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({ type: fc.constant('byte' as const), value: fc.integer({ min: -128, max: 127 }) }),
  fc.record({ type: fc.constant('short' as const), value: fc.integer({ min: -9, max: 9 }) }),
  fc.record({ type: fc.constant('integer' as const), value: fc.integer() }),
  fc.record({ type: fc.constant('binary' as const), value: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ type: fc.constant('timestamp' as const), value: fc.constant(new Date(0)) }),
  fc.record({
    type: fc.constant('uuid' as const),
    value: fc.constant('123e4567-e89b-12d3-a456-426614174000'),
  }),
);
const MESSAGE = fc.record({
  headers: fc.uniqueArray(fc.tuple(NAME, VALUE), { selector: ([name]) => name, maxLength: 6 }),
  body: fc.uint8Array({ maxLength: 400 }),
});

describe('an AWS event stream', () => {
  it("reads what AWS's own codec writes, at random splits", () => {
    fc.assert(
      fc.property(
        fc.array(MESSAGE, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (messages, cuts) => {
          const bytes = Buffer.concat(messages.map(({ headers, body }) => encoded(headers, body)));
          const at = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b);
          const read = decode(pieces(bytes, at));
          expect(read.map(({ payload }) => payload.toString('hex'))).toEqual(
            messages.map(({ body }) => Buffer.from(body).toString('hex')),
          );
          expect(read.map(({ headers }) => headers)).toEqual(
            messages.map(({ headers }) => new Map(headers.flatMap(textHeader))),
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is the same at every single split', () => {
    const bytes = Buffer.concat([delta('a'), delta('漢字'), delta('')]);
    const whole = decode([bytes]);
    expect(whole).toHaveLength(3);
    for (let at = 0; at <= bytes.length; at += 1)
      expect(decode([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
    expect(decode(Array.from(bytes, (byte) => Buffer.of(byte)))).toEqual(whole);
  });

  it('is refused when any single bit of it is wrong', () => {
    const bytes = delta('x');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const wrong = Buffer.from(bytes);
      wrong.writeUInt8(wrong.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => decode([wrong])).toThrow('cannot be read');
    }
  });

  it('gives the whole messages before a broken one, and is refused with the next bytes', () => {
    const decoder = createEventStreamDecoder();
    const good = encoded([], Buffer.from('said'));
    const broken = Buffer.concat([good, Buffer.alloc(40, 1)]);
    expect(decoder.push(broken).map(({ payload }) => payload.toString())).toEqual(['said']);
    expect(() => decoder.push(good)).toThrow('cannot be read');
  });

  it('is refused before a message beyond the bound is waited for', () => {
    expect(() => decode([prelude(MAX_EVENT_BYTES + 1, 0)])).toThrow('cannot be read');
    expect(decode([prelude(MAX_EVENT_BYTES, 0)])).toEqual([]);
    expect(() => decode([prelude(16, 1)])).toThrow('cannot be read');
    expect(() => decode([prelude(4, 0)])).toThrow('cannot be read');
  });

  it.each([
    ['a length beyond the headers', Buffer.from([1, 97, 7, 0, 200, 98])],
    ['a name beyond the headers', Buffer.from([9, 97])],
    ['no type', Buffer.from([1, 97])],
    ['no length', Buffer.from([1, 97, 7])],
    ['an unknown type', Buffer.from([1, 97, 10, 0, 1, 98])],
  ])('is refused with a header of %s', (_name, headers) => {
    expect(() => decode([sealed(headers)])).toThrow('cannot be read');
  });

  it('tells when it was cut', () => {
    const decoder = createEventStreamDecoder();
    decoder.push(delta('a').subarray(0, 20));
    expect(decoder.hasRest()).toBe(true);
    decoder.push(delta('a').subarray(20));
    expect(decoder.hasRest()).toBe(false);
  });

  it('has the checksum of zlib', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => crc32(bytes) === crc32OfZlib(bytes)));
  });
});

type Header = readonly [string, Headers[string]];

function textHeader([name, { type, value }]: Header): [string, unknown][] {
  return type === 'string' ? [[name, value]] : [];
}

type Headers = Parameters<typeof codec.encode>[0]['headers'];

function encoded(headers: readonly Header[], body: Uint8Array) {
  return codec.encode({ headers: Object.fromEntries(headers), body });
}

function delta(text: string): Buffer {
  const payload = JSON.stringify({ contentBlockIndex: 0, delta: { text } });
  return Buffer.from(
    encoded(
      [
        [':event-type', { type: 'string', value: 'contentBlockDelta' }],
        [':message-type', { type: 'string', value: 'event' }],
      ],
      Buffer.from(payload),
    ),
  );
}

function decode(chunks: readonly Uint8Array[]): EventStreamMessage[] {
  const decoder = createEventStreamDecoder();
  return chunks.flatMap((chunk) => decoder.push(chunk));
}

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts, bytes.length];
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

function prelude(total: number, headers: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(total, 0);
  bytes.writeUInt32BE(headers, 4);
  bytes.writeUInt32BE(crc32OfZlib(bytes.subarray(0, 8)), 8);
  return bytes;
}

/** A message of these very header bytes, with checksums that match. */
function sealed(headers: Buffer): Buffer {
  const bytes = Buffer.concat([prelude(16 + headers.length, headers.length), headers]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32OfZlib(bytes));
  return Buffer.concat([bytes, checksum]);
}
