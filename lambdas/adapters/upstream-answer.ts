/**
 * An answer of a provider in HTTP/1.x, read from the bytes of its connection as they come (RFC 9112). Strict: what two readers could
 * take for different answers is none. Which bytes are the body's is told by their places in what was read, so nothing is
 * copied here and nothing of a body is kept.
 */

export interface AnswerHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Reading {
  /** Of the final answer; interim ones are skipped. */
  head: AnswerHead | undefined;
  /** Begin and end of each part of the body in the bytes that were taken last. */
  readonly spans: number[];
  isOver: boolean;
  /** The connection may carry another call. */
  isKept: boolean;

  phase: 'status' | 'headers' | 'body' | ChunkPhase;
  status: number;
  isOldVersion: boolean;
  headers: Record<string, string>;
  /** What has come of a line without its end. */
  line: string;
  /** Of the head, or of the extensions and trailers of a body, so far. */
  lineBytes: number;
  /** Of the body, or of its present chunk; without an end where the connection's end is the body's. */
  remaining: number;
}

type ChunkPhase =
  | 'size'
  | 'extension'
  | 'size-end'
  | 'chunk'
  | 'chunk-cr'
  | 'chunk-lf'
  | 'trailers';

const MAX_LINE_BYTES = 32_768;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/;
const NOT_IN_NAME = /[^!#$%&'*+\-.^_`|~0-9a-z]/;
const NOT_IN_LINE = /[^\t\x20-\x7e\x80-\xff]/;
const LENGTH = /^\d{1,15}$/;
/** 256 GB: sums of this stay exact. */
const MAX_CHUNK_BYTES = 2 ** 38;
const [CR, LF, SEMICOLON] = [13, 10, 59];

const FRAMING = new Set(['content-length', 'transfer-encoding']);

/** Of these the first alone counts, as with Node's client; others that are repeated are one list. */
const SINGLE = new Set(
  'age authorization content-type etag expires from host if-modified-since if-unmodified-since last-modified location max-forwards proxy-authorization referer retry-after server user-agent'.split(
    ' ',
  ),
);

export function newReading(): Reading {
  return {
    head: undefined,
    spans: [],
    isOver: false,
    isKept: false,
    phase: 'status',
    status: 0,
    isOldVersion: false,
    headers: {},
    line: '',
    lineBytes: 0,
    remaining: 0,
  };
}

/** Throws where they are no answer. A connection with bytes behind the answer is not kept. */
export function readOn(reading: Reading, bytes: Buffer): void {
  reading.spans.length = 0;
  let at = 0;
  while (at < bytes.length && !reading.isOver) at = step(reading, bytes, at);
  if (at < bytes.length) reading.isKept = false;
}

/** The connection has ended, and with it the answer whose end nothing else tells. */
export function readEnd(reading: Reading): void {
  if (reading.remaining === Number.POSITIVE_INFINITY) reading.isOver = true;
}

/** Returns where the next step begins. */
function step(reading: Reading, bytes: Buffer, at: number): number {
  switch (reading.phase) {
    case 'status':
    case 'headers':
    case 'trailers':
      return takeLine(reading, bytes, at);
    case 'body':
    case 'chunk':
      return takeBody(reading, at, bytes.length);
    default:
      takeFraming(reading, bytes[at] ?? 0);
      return at + 1;
  }
}

function takeBody(reading: Reading, at: number, end: number): number {
  const to = Math.min(end, at + reading.remaining);
  reading.spans.push(at, to);
  reading.remaining -= to - at;
  if (reading.remaining > 0) return to;
  if (reading.phase === 'chunk') reading.phase = 'chunk-cr';
  else reading.isOver = true;
  return to;
}

/** One byte of what stands between chunks: `<size in hex>[;extension]CRLF<chunk>CRLF`. */
function takeFraming(reading: Reading, byte: number): void {
  switch (reading.phase) {
    case 'chunk-cr':
      expect(byte, CR);
      reading.phase = 'chunk-lf';
      return;
    case 'chunk-lf':
      expect(byte, LF);
      awaitChunk(reading);
      return;
    case 'size-end':
      expect(byte, LF);
      reading.phase = reading.remaining === 0 ? 'trailers' : 'chunk';
      return;
    case 'extension':
      countOfLine(reading, 1);
      if (byte === CR) reading.phase = 'size-end';
      else if (NOT_IN_LINE.test(String.fromCharCode(byte))) throw malformed('a chunk extension');
      return;
    default:
      takeSize(reading, byte);
  }
}

function awaitChunk(reading: Reading): void {
  reading.phase = 'size';
  // No digit has come.
  reading.remaining = -1;
}

function takeSize(reading: Reading, byte: number): void {
  const digit = hexDigit(byte);
  if (digit >= 0) {
    reading.remaining = Math.max(0, reading.remaining) * 16 + digit;
    if (reading.remaining > MAX_CHUNK_BYTES) throw malformed('a chunk that is too large');
    // Zeros in front would go on for ever.
    countOfLine(reading, Number(reading.remaining === 0));
  } else if (reading.remaining < 0) throw malformed('a chunk without a size');
  else if (byte === CR) reading.phase = 'size-end';
  else if (byte === SEMICOLON) reading.phase = 'extension';
  else throw malformed('a chunk size');
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

function takeLine(reading: Reading, bytes: Buffer, at: number): number {
  const end = bytes.length;
  let lineEnd = at;
  while (lineEnd < end && bytes[lineEnd] !== LF) lineEnd += 1;
  countOfLine(reading, lineEnd - at + 1);
  const line = reading.line + bytes.toString('latin1', at, lineEnd);
  if (lineEnd === end) {
    reading.line = line;
    return end;
  }
  reading.line = '';
  if (!line.endsWith('\r')) throw malformed('a line without a carriage return');
  heardLine(reading, line.slice(0, -1));
  return lineEnd + 1;
}

function heardLine(reading: Reading, line: string): void {
  if (NOT_IN_LINE.test(line)) throw malformed('a control character');
  if (reading.phase === 'status') heardStatus(reading, line);
  else if (line !== '') heardHeader(reading, line);
  else if (reading.phase === 'trailers') reading.isOver = true;
  else heardHead(reading);
}

function heardStatus(reading: Reading, line: string): void {
  const [, version, status] = STATUS_LINE.exec(line) ?? [];
  if (status === undefined) throw malformed('no status line');
  reading.status = Number(status);
  reading.isOldVersion = version === '0';
  reading.phase = 'headers';
  reading.headers = Object.create(null);
}

/** Trailers too: they are checked and not kept. */
function heardHeader({ phase, headers }: Reading, line: string): void {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon).toLowerCase();
  if (colon < 1 || NOT_IN_NAME.test(name)) throw malformed('a header without a name');
  // In a trailer it comes too late, and a tab beside `chunked` makes another coding of it for some.
  if (FRAMING.has(name) && (phase === 'trailers' || line.includes('\t')))
    throw malformed(`${name} that can be misread`);
  if (phase === 'trailers') return;
  const value = line.slice(colon + 1).trim();
  const before = headers[name];
  if (before === undefined) headers[name] = value;
  else if (name === 'content-length') throw malformed('two lengths');
  else if (!SINGLE.has(name)) headers[name] = `${before}, ${value}`;
}

function heardHead(reading: Reading): void {
  const { status, headers } = reading;
  reading.lineBytes = 0;
  if (status === 101) {
    // Nobody asked for another protocol, and what follows is in it.
    reading.isOver = true;
  } else if (status < 200) {
    if (!mayBeKept(reading)) throw malformed('an interim answer that is the last');
    reading.phase = 'status';
  } else {
    reading.head = { status, headers };
    reading.isKept = mayBeKept(reading);
    frameBody(reading);
  }
}

/** RFC 9112, section 6.3; but a length beside chunks, or any other encoding, is refused. */
function frameBody(reading: Reading): void {
  const { status, headers, isOldVersion } = reading;
  const { 'transfer-encoding': encoding, 'content-length': length } = headers;
  if (encoding !== undefined) {
    if (encoding.toLowerCase() !== 'chunked' || length !== undefined)
      throw malformed('a transfer encoding that was not asked for');
    if (isOldVersion) reading.isKept = false;
  } else if (length !== undefined && !LENGTH.test(length)) throw malformed('a length');
  if (status === 204 || status === 304) reading.isOver = true;
  else if (encoding !== undefined) awaitChunk(reading);
  else {
    reading.phase = 'body';
    reading.remaining = length === undefined ? Number.POSITIVE_INFINITY : Number(length);
    reading.isOver = reading.remaining === 0;
    if (length === undefined) reading.isKept = false;
  }
}

function mayBeKept({ headers, isOldVersion }: Reading): boolean {
  const wishes = (headers['connection'] ?? '').toLowerCase().split(/\s*,\s*/);
  return isOldVersion ? wishes.includes('keep-alive') : !wishes.includes('close');
}

function countOfLine(reading: Reading, bytes: number): void {
  reading.lineBytes += bytes;
  if (reading.lineBytes > MAX_LINE_BYTES) throw malformed(`more than ${MAX_LINE_BYTES} bytes`);
}

function expect(byte: number, expected: number): void {
  if (byte !== expected) throw malformed('a chunk without its end');
}

function malformed(what: string): Error {
  return new Error(`malformed answer: ${what}`);
}
