/** The second half of a call to a provider: its body, decompressed, in the reader's own time, within bounds. */
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Clock } from '../../core/clock.ts';
import {
  UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../../core/providers/upstream.ts';
import type { AnswerHead } from './upstream-answer.ts';

export interface BodyLimits {
  readonly clock: Clock;
  readonly quietMs: number;
  /** After decompression. */
  readonly maxBodyBytes: number;
}

/** Where the bytes come from. */
interface Source {
  /** There is room for more. */
  resume(): void;
  /** Nobody wants the rest. Harmless when all has come. */
  abort(): void;
}

type Times = Pick<UpstreamRequest, 'idleTimeoutMs' | 'deadlineMs'>;
type Part = Uint8Array | 'quiet';

/** When so many bytes wait for the reader the provider has to wait too. */
const HIGH_WATER_BYTES = 65_536;

/** Bytes on their way from a connection to one reader, who asks for the next part when it has had the last. */
export class UpstreamBody implements AsyncIterator<Part> {
  readonly #limits: BodyLimits;
  readonly #times: Times;
  readonly #source: Source;
  #parts: Buffer[] = [];
  #waitingBytes = 0;
  #readBytes = 0;
  #isOver = false;
  /** The provider's end of it, or what broke it. */
  #end: 'whole' | UpstreamFault | undefined;
  #reader: Omit<PromiseWithResolvers<IteratorResult<Part>>, 'promise'> | undefined;
  #askedAtMs = 0;
  /** Time that the reader took is not the provider's silence. */
  #silentSinceMs = 0;
  #wasQuiet = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: BodyLimits, times: Times, source: Source) {
    this.#limits = limits;
    this.#times = times;
    this.#source = source;
  }

  /** False when the reader is behind; the source is resumed when it is not. */
  push(bytes: Buffer): boolean {
    this.#parts.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#serve();
    return this.#waitingBytes < HIGH_WATER_BYTES;
  }

  /** What is told first counts. */
  end(how: 'whole' | UpstreamFault): void {
    this.#end ??= how;
    clearTimeout(this.#timer);
    this.#serve();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Part>> {
    const nowMs = this.#limits.clock.nowMs();
    this.#askedAtMs = nowMs;
    if (!this.#wasQuiet) this.#silentSinceMs = nowMs;
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      if (nowMs >= this.#times.deadlineMs && !this.#isOver) this.#break(late('the deadline'));
      else this.#serve();
      if (this.#reader !== undefined) this.#timer ??= this.#wakeUp(nowMs);
    });
  }

  async return(): Promise<IteratorResult<Part>> {
    this.#isOver = true;
    this.#source.abort();
    return { done: true, value: undefined };
  }

  /** Whatever there is for a reader who waits. */
  #serve(): void {
    if (this.#reader === undefined) return;
    if (this.#isOver) this.#tell({ done: true, value: undefined });
    else if (this.#parts.length > 0) this.#tellBytes();
    else if (this.#end === 'whole') {
      this.#isOver = true;
      this.#tell({ done: true, value: undefined });
    } else if (this.#end !== undefined) this.#break(this.#end);
  }

  #tell(result: IteratorResult<Part>): void {
    this.#wasQuiet = result.value === 'quiet';
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(result);
  }

  #tellBytes(): void {
    const [first, ...more] = this.#parts;
    const value = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#parts);
    const wasFull = this.#waitingBytes >= HIGH_WATER_BYTES;
    this.#parts = [];
    this.#waitingBytes = 0;
    this.#readBytes += value.length;
    const { maxBodyBytes } = this.#limits;
    if (this.#readBytes > maxBodyBytes) this.#break(broken(`more than ${maxBodyBytes} bytes`));
    else this.#tell({ done: false, value });
    if (wasFull) this.#source.resume();
  }

  #break(fault: UpstreamFault): void {
    this.#isOver = true;
    this.#parts = [];
    const reader = this.#reader;
    this.#reader = undefined;
    this.#source.abort();
    reader?.reject(fault);
  }

  /** One timer serves many waits: none of them ends before the one that it was made for. */
  #wakeUp(nowMs: number): NodeJS.Timeout {
    const silentAtMs = this.#silentSinceMs + this.#times.idleTimeoutMs;
    const quietAtMs = this.#askedAtMs + this.#limits.quietMs;
    const atMs = Math.min(quietAtMs, silentAtMs, this.#times.deadlineMs);
    return setTimeout(() => this.#look(), Math.max(1, atMs - nowMs));
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#reader === undefined) return;
    const nowMs = this.#limits.clock.nowMs();
    const { deadlineMs, idleTimeoutMs } = this.#times;
    if (nowMs >= deadlineMs) this.#break(late('the deadline has passed'));
    else if (nowMs >= this.#silentSinceMs + idleTimeoutMs) this.#break(late('silence in the body'));
    else if (nowMs >= this.#askedAtMs + this.#limits.quietMs)
      this.#tell({ done: false, value: 'quiet' });
    else this.#timer = this.#wakeUp(nowMs);
  }
}

/** Nothing is compressed at our wish; some servers and proxies do it all the same. */
const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** The body's bytes as they were before compression, and the headers that are still true of them. Throws UpstreamFault. */
export function decoded(
  { headers }: AnswerHead,
  body: UpstreamBody,
  { maxBodyBytes }: BodyLimits,
): Pick<UpstreamResponse, 'headers' | 'body'> {
  const { 'content-encoding': encoding = 'identity', ...rest } = headers;
  const isEmpty = rest['content-length'] === '0';
  if (encoding === 'identity' || isEmpty) return { body, headers: rest };
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding]?.() : undefined;
  if (decoder === undefined) throw broken(`content-encoding ${encoding}`);
  const { 'content-length': _ofCompressed, ...stillTrue } = rest;
  return { body: decompressed(body, decoder, maxBodyBytes), headers: stillTrue };
}

async function* decompressed(
  input: UpstreamBody,
  decoder: Transform,
  maxBodyBytes: number,
): AsyncGenerator<Part> {
  const bell = createBell(decoder);
  let bytes = 0;
  /** It has yet to make something of what it was given. */
  let isBusy = false;
  try {
    while (true) {
      const chunk: Buffer | null = decoder.read();
      if (chunk !== null) {
        bytes += chunk.length;
        if (bytes > maxBodyBytes) throw broken(`more than ${maxBodyBytes} bytes`);
        yield chunk;
      } else if (decoder.errored !== null) throw broken(decoder.errored);
      else if (decoder.readableEnded) return;
      else if (isBusy) await bell.rings();
      else {
        const { done, value } = await input.next();
        if (value === 'quiet') yield value;
        else if (done === true) decoder.end();
        else
          decoder.write(value, () => {
            isBusy = false;
            bell.ring();
          });
        isBusy = value !== 'quiet';
      }
    }
  } finally {
    decoder.destroy();
    await input.return();
  }
}

/** Rings when there is something to see at the stream: bytes, its end, or its failure. */
function createBell(stream: Transform): { ring(): void; rings(): Promise<void> } {
  let heard: () => void = () => undefined;
  for (const event of ['readable', 'end', 'error', 'close']) stream.on(event, () => heard());
  return {
    ring: () => heard(),
    rings: () =>
      new Promise((resolve) => {
        heard = resolve;
      }),
  };
}

function late(cause: string): UpstreamFault {
  return new UpstreamFault('upstream_timeout', 'answering', cause);
}

function broken(cause: unknown): UpstreamFault {
  return new UpstreamFault('upstream_error', 'answering', cause);
}
