import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newReading, readEnd, readOn } from '../../../lambdas/adapters/upstream-answer.ts';
import { answerByNode, type ReadAnswer } from '../../support/node-client.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;
const END = '0\r\n\r\n';
const SHORT = 'content-length: 2\r\n\r\nok';

/** What a connection brings until it ends; undefined where that is no whole answer. */
function read(pieces: readonly Buffer[]): (ReadAnswer & { readonly isKept: boolean }) | undefined {
  const reading = newReading();
  let body = '';
  try {
    for (const piece of pieces) {
      readOn(reading, piece);
      for (let index = 0; index < reading.spans.length; index += 2)
        body += piece.toString('latin1', reading.spans[index], reading.spans[index + 1]);
    }
    readEnd(reading);
  } catch {
    return undefined;
  }
  const { head, isOver, isKept } = reading;
  if (head === undefined || !isOver) return undefined;
  return { status: head.status, headers: { ...head.headers }, body, isKept };
}

function splits(bytes: Buffer): Buffer[][] {
  const places = Array.from({ length: bytes.length - 1 }, (_, index) => index + 1);
  const single = [...bytes].map((byte) => Buffer.of(byte));
  return [
    [bytes],
    single,
    ...places.map((place) => [bytes.subarray(0, place), bytes.subarray(place)]),
  ];
}

function asNodeTells(answer: ReadAnswer | undefined) {
  if (answer === undefined) return undefined;
  const { status, headers, body } = answer;
  return { status, headers, body };
}

describe('an answer', () => {
  it.each([
    `${OK}${SHORT}`,
    `HTTP/1.1 200\r\n${SHORT}`,
    `HTTP/1.1 999 \xe9t\xe9\r\n${SHORT}`,
    `${OK}Content-Length:  0002 \r\n\r\nok`,
    `${OK}x: a\xe9\tb\r\ny:\r\n${SHORT}`,
    `${OK}x: 1\r\nX: 2\r\nset-cookie: a\r\nset-cookie: b\r\nretry-after: 1\r\nretry-after: 2\r\n${SHORT}`,
    `${OK}constructor: 1\r\nconstructor: 2\r\n${SHORT}`,
    `${OK}connection: x, Close\r\n${SHORT}`,
    `${OK}connection: x\r\nconnection: close\r\n${SHORT}`,
    `${OK}connection: closer\r\n${SHORT}`,
    `${OK}connection: upgrade\r\nupgrade: h2c\r\n${SHORT}`,
    `HTTP/1.0 200 OK\r\n${SHORT}`,
    `HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n${SHORT}`,
    `HTTP/1.0 200 OK\r\n\r\nto the end`,
    `HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n${END}`,
    `${OK}\r\nto the end`,
    `${OK}\r\n`,
    `${CHUNKED}2\r\nok\r\n${END}`,
    `${OK}Transfer-Encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\na\r\n0123456789\r\n${END}`,
    `${CHUNKED}0002\r\nok\r\n0000\r\n\r\n`,
    `${CHUNKED}2;a=b;c="d"\r\nok\r\n0;x\r\n\r\n`,
    `${CHUNKED}2\r\nok\r\n0\r\nx: 1\r\ny: 2\r\n\r\n`,
    'HTTP/1.1 204 No Content\r\n\r\n',
    'HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n',
    `HTTP/1.1 205 Reset\r\n${SHORT}`,
    `HTTP/1.1 100 Continue\r\n\r\n${OK}${SHORT}`,
    `HTTP/1.1 103 Hints\r\nx: 1\r\nlink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${OK}x: 2\r\n${SHORT}`,
  ])('%j is read as by Node’s client, wherever it is split', async (text) => {
    const bytes = Buffer.from(text, 'latin1');
    const expected = await answerByNode(bytes);
    expect(expected).toBeDefined();
    for (const pieces of splits(bytes)) expect(asNodeTells(read(pieces))).toEqual(expected);
  });

  it.each([
    [true, `${OK}${SHORT}`],
    [true, `${CHUNKED}2\r\nok\r\n${END}`],
    [true, `HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n${SHORT}`],
    [false, `HTTP/1.0 200 OK\r\n${SHORT}`],
    // A version that does not know chunks: faulty framing (RFC 9112, section 6.1).
    [
      false,
      `HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n${END}`,
    ],
    [false, `${OK}connection: x, Close\r\n${SHORT}`],
    [false, `${OK}\r\nto the end`],
    [false, `${OK}${SHORT} and more`],
    [false, `${OK}${SHORT}${OK}${SHORT}`],
    [false, `${CHUNKED}2\r\nok\r\n${END}\r\n`],
    [false, 'HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok'],
  ])('leaves its connection to the next call: %s for %j', (isKept, text) => {
    expect(read([Buffer.from(text, 'latin1')])?.isKept).toBe(isKept);
  });
});

describe('bytes that are no answer', () => {
  it.each([
    '',
    '220 mail.example ESMTP\r\n\r\n',
    '<html></html>\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `ICY 200 OK\r\n${SHORT}`,
    `http/1.1 200 OK\r\n${SHORT}`,
    `HTTP/1.2 200 OK\r\n${SHORT}`,
    `HTTP/1.1 20 OK\r\n${SHORT}`,
    `HTTP/1.1 2000 OK\r\n${SHORT}`,
    `HTTP/1.1  200 OK\r\n${SHORT}`,
    `HTTP/1.1\t200 OK\r\n${SHORT}`,
    'HTTP/1.1 200 OK\ncontent-length: 2\n\nok',
    `${OK}content-length: 2\n\r\nok`,
    `${OK}content-length: 2\r\n\nok`,
    `${OK}x: a\rb\r\n${SHORT}`,
    `${OK}x: a\0b\r\n${SHORT}`,
    `${OK}x: a\x01b\r\n${SHORT}`,
    `${OK}x: a\x7fb\r\n${SHORT}`,
    `${OK}x: a\r\n folded\r\n${SHORT}`,
    `${OK}transfer-encoding:\r\n chunked\r\n\r\n${END}`,
    `${OK}content-length: 1\r\n 0\r\n\r\n0123456789`,
    `${OK}content-length : 2\r\n\r\nok`,
    `${OK} content-length: 2\r\n\r\nok`,
    `${OK}: x\r\n${SHORT}`,
    `${OK}no colon\r\n${SHORT}`,
    `${OK}content-length: 2\r\n${SHORT}`,
    `${OK}content-length: 3\r\n${SHORT}`,
    `${OK}content-length: 2, 2\r\n\r\nok`,
    `${OK}content-length: +2\r\n\r\nok`,
    `${OK}content-length: -2\r\n\r\nok`,
    `${OK}content-length: 0x2\r\n\r\nok`,
    `${OK}content-length: 1 2\r\n\r\nok`,
    `${OK}content-length:\r\n\r\n`,
    `${OK}content-length: 99999999999999999999\r\n\r\nok`,
    `${OK}transfer-encoding: chunked\r\n${SHORT}`,
    `${OK}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n${END}`,
    `${CHUNKED}2\nok\r\n${END}`,
    `${CHUNKED}2 \r\nok\r\n${END}`,
    `${CHUNKED} 2\r\nok\r\n${END}`,
    `${CHUNKED}0x2\r\nok\r\n${END}`,
    `${CHUNKED}-2\r\nok\r\n${END}`,
    `${CHUNKED}\r\nok\r\n${END}`,
    `${CHUNKED}2\r\nok\n${END}`,
    `${CHUNKED}2\r\nokay\r\n${END}`,
    `${CHUNKED}2;a\n\r\nok\r\n${END}`,
    `${CHUNKED}2;a\x01\r\nok\r\n${END}`,
    `${CHUNKED}10000000000000002\r\nok\r\n${END}`,
    `${CHUNKED}2\r\nok\r\n0\r\n\n`,
    `${CHUNKED}2\r\nok\r\n0\r\nx 1\r\n\r\n`,
    `${CHUNKED}2\r\nok\r\n0\r\nx: 1\r\n y\r\n\r\n`,
    `${CHUNKED}2\r\nok\r\n0\r\ncontent-length: 2\r\n\r\n`,
    `HTTP/1.0 100 Continue\r\n\r\n${OK}${SHORT}`,
    `HTTP/1.1 100 Continue\r\nconnection: close\r\n\r\n${OK}${SHORT}`,
    `HTTP/1.1 101 Switch\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n${OK}${SHORT}`,
    `${OK}content-length: 9\r\n\r\nok`,
    `${OK}content-len`,
    `${CHUNKED}2\r\nok\r\n0\r\n`,
  ])('%j are refused, as by Node’s client, wherever they are split', async (text) => {
    const bytes = Buffer.from(text, 'latin1');
    expect(await answerByNode(bytes)).toBeUndefined();
    for (const pieces of splits(bytes)) expect(read(pieces)).toBeUndefined();
  });

  it.each([
    `\r\n${OK}${SHORT}`,
    `HTTP/2.0 200 OK\r\n${SHORT}`,
    `HTTP/1.1 099 OK\r\n${SHORT}`,
    `HTTP/1.1 101 Switch\r\n\r\n`,
    `${OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n${END}`,
    `${OK}transfer-encoding: gzip, chunked\r\n\r\n${END}`,
    `${OK}transfer-encoding: chunked, identity\r\n\r\n${END}`,
    `${OK}transfer-encoding: xchunked\r\n\r\n${END}`,
    `${OK}transfer-encoding: chunked;x=1\r\n\r\n${END}`,
    `${OK}transfer-encoding: identity\r\n\r\nok`,
    `${OK}transfer-encoding: chunked\t\r\n\r\n${END}`,
    `${OK}content-length: \t2\r\n\r\nok`,
    `${OK}transfer-encoding:\r\n\r\nok`,
    `${CHUNKED}2\r\nok\r\n0\r\ntransfer-encoding: chunked\r\n\r\n`,
  ])('%j are refused, though Node’s client makes something of them', (text) => {
    for (const pieces of splits(Buffer.from(text, 'latin1'))) expect(read(pieces)).toBeUndefined();
  });

  it.each([
    ['a head', OK, 'x: y\r\n'],
    ['a line', OK, 'x'],
    ['an extension', `${CHUNKED}2;`, 'x'],
    ['extensions', CHUNKED, '1;xxxxxxxx\r\nx\r\n'],
    ['zeros', CHUNKED, '0'],
    ['trailers', `${CHUNKED}0\r\n`, 'x: y\r\n'],
  ])('without end as %s are given up in time', (_name, start, part) => {
    const reading = newReading();
    const begin = Buffer.from(start);
    readOn(reading, begin);
    const more = Buffer.from(part.repeat(100));
    const endless = () => {
      for (let bytes = 0; bytes < 1_000_000; bytes += more.length) readOn(reading, more);
    };
    expect(endless).toThrow('more than 32768 bytes');
  });
});

/** Answers with bytes changed, added or left out. Extensions of chunks are left aside: Node checks their grammar too. */
const damaged = fc
  .tuple(
    fc.constantFrom(
      `${OK}x: 1\r\n${SHORT}`,
      `${CHUNKED}2\r\nok\r\n3\r\nyes\r\n0\r\ny: 1\r\n\r\n`,
      `HTTP/1.1 100 Continue\r\n\r\n${OK}connection: close\r\n${SHORT}`,
    ),
    fc.array(
      fc.tuple(
        fc.nat(200),
        fc.nat(3),
        fc.constantFrom('', '\r', '\n', '\r\n', ' ', '\t', '0', 'f', ':', ',', '\0', '\xff'),
      ),
      { minLength: 1, maxLength: 3 },
    ),
    fc.array(fc.nat(200), { maxLength: 4 }),
  )
  .map(([text, wounds, cuts]) => {
    const hurt = wounds.reduce<string>((whole, [at, length, by]) => {
      const place = at % (whole.length + 1);
      return whole.slice(0, place) + by + whole.slice(place + length);
    }, text);
    const bytes = Buffer.from(hurt, 'latin1');
    const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
    places.sort((one, other) => one - other);
    const pieces = places.slice(1).map((place, index) => bytes.subarray(places[index], place));
    return { bytes, pieces };
  });

it('reads from damaged bytes what Node’s client reads, or nothing', async () => {
  let answers = 0;
  await fc.assert(
    fc.asyncProperty(damaged, async ({ bytes, pieces }) => {
      const ours = asNodeTells(read(pieces));
      expect(ours).toEqual(asNodeTells(read([bytes])));
      if (ours === undefined) return;
      answers += 1;
      expect(ours).toEqual(await answerByNode(bytes));
    }),
    { numRuns: 1_000 },
  );
  expect(answers).toBeGreaterThan(50);
});

it('ends with an answer or an error, whatever comes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (pieces) => {
      read([Buffer.from(OK), ...pieces.map((piece) => Buffer.from(piece))]);
      read([Buffer.from(CHUNKED), ...pieces.map((piece) => Buffer.from(piece))]);
      read(pieces.map((piece) => Buffer.from(piece)));
    }),
  );
});
