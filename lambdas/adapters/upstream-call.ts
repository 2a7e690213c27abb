/**
 * One call over one connection: written in one go when it may begin, answered as the bytes come, broken off at any time. All but its
 * end may be written before (ADR 0041): then nobody has got a request, so what is said to that is not heard, and whatever
 * becomes of it the call begins anew over another connection.
 */
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

/** A body below this is with its provider as soon as its end alone would be (ADR 0041). */
const LONG_BYTES = 32_768;

const END = '}';

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
  #mayBegin = false;
  /** What of the body may be written before it may begin. */
  #lead: UpstreamRequest['body'] | undefined;
  /** Only the end of the call is not written yet. */
  #isLed = false;
  #isOver = false;
  #connectedByMs: EpochMs = 0;
  #answeredByMs: EpochMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(wire: Wire, { origin, lines }: Target, request: UpstreamRequest) {
    this.origin = origin;
    this.#wire = wire;
    this.#request = request;
    const bytes = sizeOf(request.body);
    this.#requestHead = lines + headerLines(request.headers, bytes);
    if (bytes >= LONG_BYTES && request.onlyEndWaits?.() === true) this.#lead = leadOf(request.body);
  }

  /** Once. Throws UpstreamFault when no head of an answer arrives. */
  send(): Promise<UpstreamResponse> {
    const { signal, deadlineMs, mayBegin } = this.#request;
    if (deadlineMs <= this.#wire.clock.nowMs()) this.#fail('upstream_timeout', 'no time is left');
    else if (signal?.aborted === true) this.#cancel();
    else {
      signal?.addEventListener('abort', this.#cancel, { once: true });
      this.#mayBegin = mayBegin === undefined;
      mayBegin?.then(() => {
        this.#mayBegin = true;
        if (this.connection?.isOpen === true) this.opened(this.connection);
      });
      this.#connect();
    }
    return this.#head.promise;
  }

  opened(connection: Connection): void {
    if (!this.#mayBegin && this.#lead === undefined) return;
    if (connection.isUsed) onceLooked(() => this.#writeAfterLook(connection));
    else this.#write(connection);
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
    // No request was written, so that another can take its place; a new one that fails unwritten will not do better.
    const isReplaceable = this.#isLed || this.connection?.isUsed === true;
    this.connection = undefined;
    if (this.#isOver) return;
    if (this.#phase === 'unsent' && isReplaceable) this.#connect();
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
    // Half a request is tried once.
    if (this.#isLed) this.#lead = undefined;
    this.#isLed = false;
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

  #writeAfterLook(connection: Connection): void {
    if (connection !== this.connection) return;
    if (this.#wire.pool.isTrusted(connection)) this.#write(connection);
    else {
      this.connection = undefined;
      this.#wire.pool.distrust(connection);
      this.#connect();
    }
  }

  /** All of it, what is left of it, or all but its end; nothing where two looks were waited for and the first was enough. */
  #write({ socket }: Connection): void {
    if (this.#phase !== 'unsent') return;
    const { body } = this.#request;
    if (this.#mayBegin) {
      this.#phase = 'sent';
      if (this.#isLed) socket.write(END);
      else writeAtOnce(socket, this.#requestHead, body);
    } else if (this.#lead !== undefined && !this.#isLed) {
      this.#isLed = true;
      writeAtOnce(socket, this.#requestHead, this.#lead);
    }
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
    else if (connection.isOpen && this.#phase === 'unsent' && !this.#isLed)
      pool.release(connection);
    else pool.drop(connection, CANCELLED);
  }

  #close(): void {
    this.#isOver = true;
    this.connection = undefined;
    clearTimeout(this.#timer);
    this.#request.signal?.removeEventListener('abort', this.#cancel);
  }
}

/** In one write of the kernel, whatever it is made of. */
function writeAtOnce(socket: Connection['socket'], head: string, body: UpstreamRequest['body']) {
  if (typeof body === 'string') {
    socket.write(head + body);
    return;
  }
  socket.cork();
  socket.write(head);
  for (const part of body) socket.write(part);
  socket.uncork();
}

/** All but the end, where that is what an object ends with: no JSON without it, even for whoever does not count what is still to come. */
function leadOf(body: UpstreamRequest['body']): UpstreamRequest['body'] | undefined {
  if (typeof body === 'string') return body.endsWith(END) ? body.slice(0, -1) : undefined;
  const last = body.at(-1);
  if (last?.at(-1) !== END.charCodeAt(0)) return undefined;
  return [...body.slice(0, -1), last.subarray(0, -1)];
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

function headerLines(headers: UpstreamRequest['headers'], bodyBytes: number): string {
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
  return `${lines}content-length: ${bodyBytes}\r\naccept-encoding: identity\r\nconnection: keep-alive\r\n\r\n`;
}

function sizeOf(body: UpstreamRequest['body']): number {
  return typeof body === 'string'
    ? Buffer.byteLength(body)
    : body.reduce((sum, { length }) => sum + length, 0);
}

/** As Node's servers tell it; undefined where nothing is promised. */
function promisedMs(head: AnswerHead | undefined): number | undefined {
  const seconds = /^timeout=(\d+)/.exec(head?.headers['keep-alive'] ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
