/**
 * An answer of an AWS service in HTTP/1.1, read from the bytes of its connection. Node's own reader makes a message, a stream and an
 * object of headers for each answer; here two headers are of interest, and only when something went wrong (ADR 0030).
 */

export interface AwsAnswer {
  readonly status: number;
  /** Status line and headers as they came. */
  readonly head: string;
  readonly text: string;
}

export interface AnswerReader {
  /**
   * Undefined until the answer is whole. Throws when it is none, too large, or followed by more than was asked for. The chunk is the
   * caller's again afterwards.
   */
  take(chunk: Buffer): AwsAnswer | undefined;
}

const MAX_HEAD_BYTES = 32_768;
/** Larger than any answer of the services that are called; DynamoDB's largest item is 400 KB before its encoding. */
const MAX_ANSWER_BYTES = 4_194_304;
const HEAD_END = '\r\n\r\n';
const STATUS_LINE = /^HTTP\/1\.1 ([2-5]\d\d)(?: |\r)/;

/** Of one connection: answers one after the other. */
export function createAnswerReader(): AnswerReader {
  let chunks: Buffer[] = [];
  let bytes = 0;
  /** Of a longer answer: it is looked at again when so many bytes are there. */
  let wanted = 0;
  return {
    take(chunk) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) throw new Error(`more than ${MAX_ANSWER_BYTES} bytes`);
      const isFirst = chunks.length === 0;
      if (bytes >= wanted) {
        const whole = isFirst ? chunk : Buffer.concat([...chunks, chunk]);
        const answer = readAnswer(whole);
        if (typeof answer !== 'number') {
          chunks = [];
          bytes = 0;
          wanted = 0;
          return answer;
        }
        wanted = answer;
      }
      chunks.push(Buffer.from(chunk));
      return undefined;
    },
  };
}

/** Undefined where the answer has no such header. */
export function headerOf({ head }: AwsAnswer, name: string): string | undefined {
  return valueIn(head, head.toLowerCase(), name);
}

/** A connection is kept unless the service wants it closed. */
export function isKept(answer: AwsAnswer): boolean {
  return headerOf(answer, 'connection')?.toLowerCase() !== 'close';
}

/** How many bytes it takes at least, where there are not enough. */
function readAnswer(whole: Buffer): AwsAnswer | number {
  const headEnd = whole.indexOf(HEAD_END);
  if (headEnd > MAX_HEAD_BYTES || (headEnd < 0 && whole.length > MAX_HEAD_BYTES))
    throw new Error(`a head of more than ${MAX_HEAD_BYTES} bytes`);
  if (headEnd < 0) return whole.length + 1;
  const head = whole.toString('latin1', 0, headEnd);
  const status = Number(STATUS_LINE.exec(head)?.[1]);
  if (Number.isNaN(status)) throw new Error('no HTTP/1.1 status');
  const text = readBody(whole, headEnd + HEAD_END.length, head);
  return typeof text === 'number' ? text : { status, head, text };
}

function readBody(whole: Buffer, from: number, head: string): string | number {
  const names = head.toLowerCase();
  const encoding = valueIn(head, names, 'transfer-encoding');
  const length = valueIn(head, names, 'content-length');
  if (encoding !== undefined) {
    if (encoding.toLowerCase() !== 'chunked' || length !== undefined)
      throw new Error('a transfer encoding that is not asked for');
    return readChunks(whole, from);
  }
  if (length === undefined || !/^\d{1,9}$/.test(length)) throw new Error('no length');
  return bodyTo(whole, from, from + Number(length));
}

function bodyTo(whole: Buffer, from: number, to: number): string | number {
  if (whole.length < to) return to;
  if (whole.length > to) throw new Error('bytes after the answer');
  return whole.toString('utf8', from, to);
}

/** AWS's services tell the length; some that stand in for them do not. */
function readChunks(whole: Buffer, from: number): string | number {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = whole.indexOf('\r\n', at);
    if (lineEnd < 0) return whole.length + 1;
    const size = /^[0-9a-f]{1,6}(?=;|$)/i.exec(whole.toString('latin1', at, lineEnd))?.[0];
    if (size === undefined) throw new Error('a chunk without a size');
    const begin = lineEnd + 2;
    const end = begin + Number.parseInt(size, 16);
    if (whole.length < end + 2) return end + 2;
    if (whole.toString('latin1', end, end + 2) !== '\r\n')
      throw new Error('a chunk without an end');
    if (end === begin) {
      if (whole.length > end + 2) throw new Error('bytes after the answer');
      return Buffer.concat(parts).toString('utf8');
    }
    parts.push(whole.subarray(begin, end));
    at = end + 2;
  }
}

function valueIn(head: string, lowerCased: string, name: string): string | undefined {
  const at = lowerCased.indexOf(`\r\n${name}:`);
  if (at < 0) return undefined;
  const from = at + name.length + 3;
  const to = head.indexOf('\r\n', from);
  return head.slice(from, to < 0 ? undefined : to).trim();
}
