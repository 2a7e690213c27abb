import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AnswerReader,
  type AwsAnswer,
  createAnswerReader,
  headerOf,
  isKept,
} from '../../../lambdas/adapters/aws-answer.ts';

const TEXT = '{"name":"naïve 漢字 🙂"}';
const LENGTH = Buffer.byteLength(TEXT);
const HEAD = 'HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 07:00:00 GMT\r\n';
const COUNTED = `${HEAD}Content-Length: ${LENGTH}\r\n\r\n${TEXT}`;

function read(...pieces: readonly (string | Buffer)[]): (AwsAnswer | undefined)[] {
  const reader = createAnswerReader();
  return pieces.map((piece) => takeAway(reader, Buffer.from(piece)));
}

/** As connections do, whose next read writes over the memory of the last one. */
function takeAway(reader: AnswerReader, bytes: Buffer): AwsAnswer | undefined {
  const memory = Buffer.from(bytes);
  const answer = reader.take(memory);
  memory.fill(0);
  return answer;
}

function chunked(text: string, sizes: readonly number[]): string {
  const bytes = Buffer.from(text);
  let at = 0;
  const chunks = [...sizes, bytes.length].flatMap((size) => {
    const part = bytes.subarray(at, at + size);
    at += part.length;
    const line = `${part.length.toString(16)};x=y\r\n`;
    return part.length === 0 ? [] : [`${line}${part.toString('latin1')}\r\n`];
  });
  return `${Buffer.from(HEAD).toString('latin1')}Transfer-Encoding: chunked\r\n\r\n${chunks.join('')}0\r\n\r\n`;
}

describe('an answer', () => {
  it('is read with its status, its text and its headers by any case', () => {
    const [answer] = read(COUNTED);
    expect(answer).toMatchObject({ status: 200, text: TEXT });
    expect(answer && headerOf(answer, 'date')).toBe('Sat, 21 Nov 2026 07:00:00 GMT');
    expect(answer && headerOf(answer, 'x-amzn-errortype')).toBeUndefined();
    expect(answer && isKept(answer)).toBe(true);
  });

  it('is whole with its last byte, however it is cut, and the next one begins there', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 });
    const wire = fc.oneof(fc.constant(Buffer.from(COUNTED)), sizes.map(chunkedBytes));
    const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 12 });
    fc.assert(
      fc.property(wire, wire, cuts, (first, second, places) => {
        const reader = createAnswerReader();
        for (const bytes of [first, second]) {
          const ends = [...new Set([...places, bytes.length])]
            .filter((end) => end > 0 && end <= bytes.length)
            .sort((a, b) => a - b);
          let from = 0;
          const answers = ends.map((end) => {
            const answer = takeAway(reader, bytes.subarray(from, end));
            from = end;
            return answer;
          });
          expect(answers.pop()).toMatchObject({ status: 200, text: TEXT });
          expect(answers.every((answer) => answer === undefined)).toBe(true);
        }
      }),
    );
  });

  it('without a body is whole with its head', () => {
    expect(read('HTTP/1.1 400 \r\nContent-Length: 0\r\n\r\n')).toMatchObject([
      { status: 400, text: '' },
    ]);
  });

  it('says when the connection ends with it', () => {
    const [answer] = read('HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n');
    expect(answer && isKept(answer)).toBe(false);
  });

  it.each([
    ['is no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['is of another version', 'HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n'],
    ['is not the last one', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['has no length', 'HTTP/1.1 200 OK\r\n\r\n{}'],
    ['has a length that is none', 'HTTP/1.1 200 OK\r\ncontent-length: 1e3\r\n\r\n{}'],
    ['has two ends', `${HEAD}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`],
    ['is compressed on its way', `${HEAD}transfer-encoding: gzip\r\n\r\n{}`],
    ['is followed by more', `${COUNTED}HTTP/1.1 200 OK\r\n`],
    ['is followed by more, in chunks', `${chunked(TEXT, [])}x`],
    ['has a chunk without a size', `${HEAD}transfer-encoding: chunked\r\n\r\nx\r\n`],
    ['has a chunk without an end', `${HEAD}transfer-encoding: chunked\r\n\r\n1\r\nabcd`],
    ['has too large a head', `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(40_000)}`],
  ])('that %s is none', (_what, wire) => {
    expect(() => read(wire)).toThrow();
  });

  it('is no larger than 4 MB', () => {
    const big = [`${HEAD}content-length: 5000000\r\n\r\n`, Buffer.alloc(4_200_000)];
    expect(() => read(...big)).toThrow('more than 4194304 bytes');
  });
});

function chunkedBytes(sizes: readonly number[]): Buffer {
  return Buffer.from(chunked(TEXT, sizes), 'latin1');
}
