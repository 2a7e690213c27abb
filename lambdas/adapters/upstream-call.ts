/** One call over one connection: written in one go when it may begin, answered as the bytes come, broken off at any time. */
import type { EpochMs } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import {
  type BrokenPhase,
  UpstreamFault,
  type UpstreamFaultCode,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../../core/providers/upstream.ts';
import { onceLooked } from './event-loop.ts';
import { type AnswerHead, newReading, readEnd, readOn } from './upstream-answer.ts';
import { type BodyLimits, decoded, UpstreamBody } from './upstream-body.ts';
import type { Connection, Origin, UpstreamPool, User } from './upstream-pool.ts';

export interface Wire extends BodyLimits {
  readonly pool: UpstreamPool;
}

/** Where the call goes. */
export interface Target {
  readonly origin: Origin;
  /** The request's first lines. */
  readonly lines: string;
}

const CANCELLED = 'the answer is not wanted any more';

export class UpstreamCall implements User {
  readonly origin: Origin;
  connection: Connection | undefined;
  readonly #wire: Wire;
  readonly #request: UpstreamRequest;
  /** All of the request that is not its body. */
  readonly #requestHead: string;
  readonly #head = Promise.withResolvers<UpstreamResponse>();
  readonly #reading = newReading();
  #body: UpstreamBody | undefined;
  #phase: BrokenPhase = 'unsent';
  #isOver = false;
  #connectedByMs: EpochMs = 0;
  #answeredByMs: EpochMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(wire: Wire, { origin, lines }: Target, request: UpstreamRequest) {
    this.origin = origin;
    this.#wire = wire;
    this.#request = request;
    this.#requestHead = lines + headerLines(request);
  }

  /** Once. Throws UpstreamFault when no head of an answer arrives. */
  send(): Promise<UpstreamResponse> {
    const { signal, deadlineMs } = this.#request;
    if (deadlineMs <= this.#wire.clock.nowMs()) this.#fail('upstream_timeout', 'no time is left');
    else if (signal?.aborted === true) this.#cancel();
    else {
      signal?.addEventListener('abort', this.#cancel, { once: true });
      this.#connect();
    }
    return this.#head.promise;
  }

  opened(connection: Connection): void {
    const { mayBegin } = this.#request;
    if (mayBegin === undefined) this.#begin(connection);
    else mayBegin.then(() => this.#begin(connection));
  }

  received(bytes: Buffer): boolean {
    if (this.#phase === 'unsent') {
      if (this.connection !== undefined)
        this.#wire.pool.drop(this.connection, 'bytes before a call');
      return true;
    }
    const reading = this.#reading;
    const malformed = this.#readOn(bytes);
    if (reading.head !== undefined && this.#body === undefined) this.#answered(reading.head);
    const isRoom = reading.spans.length === 0 || this.#body?.push(copied(bytes, reading.spans));
    if (malformed !== undefined) {
      this.#phase = 'answering';
      this.#fail('upstream_error', malformed);
    } else if (reading.isOver) this.#finish();
    return reading.isOver || isRoom !== false;
  }

  ended(): void {
    readEnd(this.#reading);
    if (this.#reading.isOver) this.#finish();
  }

  closed(cause: unknown): void {
    // Nothing was written, so that another can take its place; a new one that fails will not do better.
    const isStale = this.#phase === 'unsent' && this.connection?.isUsed === true;
    this.connection = undefined;
    if (isStale) this.#connect();
    else this.#fail(this.#body === undefined ? 'upstream_unreachable' : 'upstream_error', cause);
  }

  resume(): void {
    this.connection?.socket.resume();
  }

  abort(): void {
    this.#fail(this.#body === undefined ? 'upstream_unreachable' : 'upstream_error', CANCELLED);
  }

  readonly #cancel = () => this.abort();

  #connect(): void {
    const { connectTimeoutMs, firstByteTimeoutMs, deadlineMs } = this.#request;
    const nowMs = this.#wire.clock.nowMs();
    this.#connectedByMs = nowMs + connectTimeoutMs;
    this.#answeredByMs = Math.min(nowMs + firstByteTimeoutMs, deadlineMs);
    clearTimeout(this.#timer);
    this.#wire.pool.request(this);
    if (!this.#isOver) this.#timer = this.#wakeUp(nowMs);
  }

  #wakeUp(nowMs: EpochMs): NodeJS.Timeout {
    const isOpen = this.connection?.isOpen === true;
    const atMs = isOpen ? this.#answeredByMs : Math.min(this.#connectedByMs, this.#answeredByMs);
    return setTimeout(() => this.#look(), Math.max(1, atMs - nowMs));
  }

  #look(): void {
    const nowMs = this.#wire.clock.nowMs();
    if (nowMs >= this.#answeredByMs) this.#fail('upstream_timeout', 'no response head');
    else if (this.connection?.isOpen !== true && nowMs >= this.#connectedByMs)
      this.#fail('upstream_unreachable', 'connect time-out');
    else this.#timer = this.#wakeUp(nowMs);
  }

  #begin(connection: Connection): void {
    if (connection !== this.connection) return;
    if (connection.isUsed) onceLooked(() => this.#beginAgain(connection));
    else this.#write(connection);
  }

  #beginAgain(connection: Connection): void {
    if (connection !== this.connection) return;
    if (this.#wire.pool.isTrusted(connection)) this.#write(connection);
    else {
      this.connection = undefined;
      this.#wire.pool.distrust(connection);
      this.#connect();
    }
  }

  /** In one write of the kernel, whatever it is made of. */
  #write({ socket }: Connection): void {
    const { body } = this.#request;
    this.#phase = 'sent';
    if (typeof body === 'string') {
      socket.write(this.#requestHead + body);
      return;
    }
    socket.cork();
    socket.write(this.#requestHead);
    for (const part of body) socket.write(part);
    socket.uncork();
  }

  /** What came before the bytes that are no answer is the caller's all the same. */
  #readOn(bytes: Buffer): unknown {
    try {
      readOn(this.#reading, bytes);
      return undefined;
    } catch (cause) {
      return cause;
    }
  }

  #answered(head: AnswerHead): void {
    const { status } = head;
    this.#phase = 'answering';
    clearTimeout(this.#timer);
    this.#body = new UpstreamBody(this.#wire, this.#request, this);
    try {
      const abort = () => this.abort();
      this.#head.resolve({ status, abort, ...decoded(head, this.#body, this.#wire) });
    } catch (fault) {
      this.#head.reject(fault);
      this.abort();
    }
  }

  #finish(): void {
    if (this.#body === undefined) {
      this.#fail('upstream_error', 'closed without an answer');
      return;
    }
    const { connection } = this;
    this.#close();
    this.#body.end('whole');
    if (connection === undefined) return;
    // A provider that answers before it has read all may never read the rest.
    if (this.#reading.isKept && connection.socket.writableLength === 0)
      this.#wire.pool.release(connection, promisedMs(this.#reading.head));
    else this.#wire.pool.drop(connection, 'it cannot be used again');
  }

  #fail(code: UpstreamFaultCode, cause: unknown): void {
    if (this.#isOver) return;
    const { connection } = this;
    this.#close();
    const fault = new UpstreamFault(code, this.#phase, cause);
    if (this.#body === undefined) this.#head.reject(fault);
    else this.#body.end(fault);
    const { pool } = this.#wire;
    if (connection === undefined) pool.withdraw(this);
    else if (connection.isOpen && this.#phase === 'unsent') pool.release(connection);
    else pool.drop(connection, CANCELLED);
  }

  #close(): void {
    this.#isOver = true;
    this.connection = undefined;
    clearTimeout(this.#timer);
    this.#request.signal?.removeEventListener('abort', this.#cancel);
  }
}

/** The body's bytes, in one piece of their own. */
function copied(bytes: Buffer, spans: readonly number[]): Buffer {
  let size = 0;
  for (let index = 0; index < spans.length; index += 2)
    size += (spans[index + 1] ?? 0) - (spans[index] ?? 0);
  const copy = Buffer.allocUnsafe(size);
  let at = 0;
  for (let index = 0; index < spans.length; index += 2)
    at += bytes.copy(copy, at, spans[index], spans[index + 1]);
  return copy;
}

/** What frames the message or the connection is ours alone to say. */
const OURS = new Set(
  'accept-encoding connection content-length expect host keep-alive te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
);
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

function headerLines({ headers, body }: UpstreamRequest): string {
  let lines = '';
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name) || NOT_IN_VALUE.test(value))
      throw new GatewayError(
        'upstream_misconfigured',
        'The gateway is not set up correctly for this model. Its operators can see why.',
        { cause: `a header that cannot be sent: ${name}` },
      );
    if (!OURS.has(name.toLowerCase())) lines += `${name}: ${value}\r\n`;
  }
  const bytes =
    typeof body === 'string'
      ? Buffer.byteLength(body)
      : body.reduce((sum, { length }) => sum + length, 0);
  return `${lines}content-length: ${bytes}\r\naccept-encoding: identity\r\nconnection: keep-alive\r\n\r\n`;
}

/** As Node's servers tell it; undefined where nothing is promised. */
function promisedMs(head: AnswerHead | undefined): number | undefined {
  const seconds = /^timeout=(\d+)/.exec(head?.headers['keep-alive'] ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
