/**
 * One attempt at one route: sends the call, waits for the first meaningful event, then relays. Until
 * that event a failure is thrown and another route may be tried; after it an error can only be an event
 * of the stream. The books are closed behind the last byte, whether the caller is still there or not.
 */

import type { Clock, EpochMs } from './clock.ts';
import type { AnswerStream, Exchange, WholeAnswer } from './dialects/call.ts';
import { joined } from './dialects/joined.ts';
import { asGatewayError, type ErrorCode, GatewayError } from './errors.ts';
import { isRunaway } from './limits/bound.ts';
import { formatUsd } from './money.ts';
import type { Prepared } from './prepare.ts';
import {
  type Destination,
  UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
  upstreamRefusal,
} from './providers/upstream.ts';
import { type GatewayResponse, streamResponse } from './response.ts';
import type { Ports } from './serve.ts';
import type { CallBooks } from './usage/books.ts';

export interface Attempt {
  facts: CallBooks['facts'];
  /** Fields of the caller's body that the provider does not get. */
  readonly dropped: readonly string[];
  answer(context: {
    readonly headers: Readonly<Record<string, string>>;
    readonly deadlineMs: EpochMs;
  }): GatewayResponse;
}

interface AttemptRequest extends Prepared {
  /** Aborted when the caller does not want the answer any more. */
  readonly cancelled: AbortSignal;
  readonly books: CallBooks;
}

/** Bounds of what is kept in memory of one answer. */
const MAX_ANSWER_BYTES = 32_000_000;
const MAX_ERROR_BYTES = 64_000;
/** What may come before the first word, kept until the status is committed: openings, signs of life. */
const MAX_OPENING_BYTES = 1_000_000;

/** How long a provider is read on after the caller has left, to learn the final usage. */
const DRAIN_MS = 20_000;

/**
 * After so long without a byte to the caller, anything from the provider that gives it none (a comment, half
 * an event) is answered by a sign of life. With the adapter's ten quiet seconds no gap is longer than 15.
 */
const SILENCE_MS = 5_000;

/** `begun` is the provider's answer where the call was made ready before. Throws GatewayError while another route may still be tried. */
export async function openAttempt(
  ports: Ports,
  request: AttemptRequest,
  begun?: Promise<UpstreamResponse>,
): Promise<Attempt> {
  const { cancelled, books, exchange } = request;
  const response = await (begun ?? sendAttempt(ports, request, { signal: cancelled }));
  cancelled.addEventListener('abort', () => response.abort(), { once: true });
  if (response.status !== 200) {
    const body = await readAll(response, MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
    throw statusError(response, body, ports.clock.nowMs());
  }
  return request.call.stream
    ? streamedAttempt(ports, request, response)
    : wholeAttempt({ books, exchange, response });
}

/** Resolves with the head of the answer. */
export function sendAttempt(
  { upstream }: Pick<Ports, 'upstream'>,
  prepared: Prepared,
  when: Pick<UpstreamRequest, 'signal' | 'mayBegin' | 'onlyEndWaits'>,
): Promise<UpstreamResponse> {
  const { connectTimeoutMs, firstByteTimeoutMs, idleTimeoutMs } = prepared.provider;
  return upstream.send({
    ...prepared.upstream,
    ...when,
    destination: destinationOf(prepared),
    body: prepared.exchange.body,
    connectTimeoutMs,
    firstByteTimeoutMs,
    idleTimeoutMs,
    deadlineMs: prepared.deadlineMs,
  });
}

/** A server of our own may know our trace; to a third party its ids would tie together whose calls are whose. */
function destinationOf({ provider, call: { dialect }, route: { model } }: Prepared): Destination {
  const continuesTrace = provider.continuesTrace ?? provider.kind === 'vllm';
  return { provider: provider.id, model, dialect, continuesTrace };
}

function statusError(response: UpstreamResponse, body: Buffer, nowMs: EpochMs): GatewayError {
  if (response.status >= 200 && response.status < 400) {
    return new GatewayError(
      'upstream_error',
      'The provider answered with something that is no answer to this request.',
      { cause: `provider status ${response.status}` },
    );
  }
  return upstreamRefusal({ status: response.status, headers: response.headers, body }, nowMs);
}

async function wholeAttempt({
  books,
  exchange,
  response,
}: {
  books: CallBooks;
  exchange: Exchange;
  response: UpstreamResponse;
}): Promise<Attempt> {
  const bytes = await readAll(response, MAX_ANSWER_BYTES);
  const { body, usage, ...said } = readWhole(exchange, bytes);
  books.answered();
  return {
    facts: books.facts,
    dropped: exchange.dropped,
    answer: ({ headers }) => ({
      status: 200,
      headers: {
        ...headers,
        'content-type': 'application/json',
        ...(usage === undefined ? {} : { 'x-tollgate-cost-usd': formatUsd(books.costOf(usage)) }),
      },
      body,
      closed: books.finished({ outcome: 'ok', usage, ...said }),
    }),
  };
}

/** An answer that was cut where HTTP does not show it was made in part, and may be billed like any that broke off. */
function readWhole(exchange: Exchange, bytes: Buffer): WholeAnswer {
  try {
    return exchange.whole(bytes);
  } catch (fault) {
    if (!isCutJson(bytes.toString('utf8'))) throw fault;
    throw new UpstreamFault('upstream_error', 'answering', fault);
  }
}

function isCutJson(text: string): boolean {
  if (!text.trimStart().startsWith('{')) return false;
  try {
    JSON.parse(text);
    return false;
  } catch {
    return true;
  }
}

async function readAll(response: UpstreamResponse, maxBytes: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    if (chunk === 'quiet') continue;
    size += chunk.byteLength;
    if (size > maxBytes) {
      response.abort();
      throw new GatewayError(
        'upstream_error',
        `The provider answered with more than ${maxBytes} bytes.`,
      );
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

type Chunks = AsyncIterator<Uint8Array | 'quiet'>;

interface Relay {
  readonly request: AttemptRequest;
  readonly response: UpstreamResponse;
  readonly chunks: Chunks;
  readonly stream: AnswerStream;
  /** What the first event was made of; sent as soon as the status is committed. */
  readonly first: Buffer;
}

/** Waits until the provider has said something, however long it takes. */
async function streamedAttempt(
  ports: Ports,
  request: AttemptRequest,
  response: UpstreamResponse,
): Promise<Attempt> {
  const chunks = response.body[Symbol.asyncIterator]();
  const stream = request.exchange.stream();
  const parts: Buffer[] = [];
  let bytes = 0;
  while (!stream.hasBegun()) {
    const next = await chunks.next();
    if (next.done !== true && next.value !== 'quiet') {
      const said = stream.push(next.value);
      bytes += said.length;
      parts.push(said);
    }
    // What has begun was generated and may be billed, so it is this call's answer even if it broke at once.
    if (stream.hasBegun()) break;
    const isOver = next.done === true || stream.hasFailed() || stream.isComplete();
    if (isOver || bytes > MAX_OPENING_BYTES) {
      response.abort();
      throw new GatewayError('upstream_error', 'The provider failed before it said anything.', {
        cause: 'no event of an answer in the stream',
      });
    }
  }
  request.books.answered();
  return {
    facts: request.books.facts,
    dropped: request.exchange.dropped,
    answer: ({ headers, deadlineMs }) => {
      const closed = Promise.withResolvers<void>();
      const body = relay(
        ports,
        { request, response, chunks, stream, first: joined(parts) },
        { deadlineMs, close: closed.resolve },
      );
      return streamResponse(headers, body, closed.promise);
    },
  };
}

interface RelayEnd {
  readonly deadlineMs: EpochMs;
  readonly close: (books: Promise<void>) => void;
}

/** The bytes to the caller. When the caller leaves, the generator is returned early and its `finally` drains. */
async function* relay(ports: Ports, call: Relay, end: RelayEnd): AsyncGenerator<Uint8Array> {
  let errorCode: ErrorCode | undefined;
  let left = true;
  const { cancelled } = call.request;
  try {
    if (call.first.length > 0) yield call.first;
    try {
      const read = createReader(ports.clock, call);
      for (let out = await read(); out !== undefined; out = await read()) yield out;
      errorCode = call.stream.isComplete() ? undefined : 'upstream_error';
    } catch (fault) {
      errorCode = asGatewayError(fault).code;
      if (!cancelled.aborted) ports.report('stream broke', fault);
    }
    if (errorCode !== undefined && cancelled.aborted) errorCode = 'request_cancelled';
    left = false;
    if (errorCode !== undefined) yield errorEvent(errorCode, call);
  } finally {
    end.close(finish(ports, call, { left, errorCode, deadlineMs: end.deadlineMs }));
  }
}

/** Reads what the caller gets next; undefined when the provider has ended or failed. */
function createReader(
  clock: Clock,
  { request, response, chunks, stream }: Relay,
): () => Promise<Uint8Array | undefined> {
  const allowed = request.maxOutputTokens * request.call.choices;
  const { keepAlive } = request.call.voice;
  let toldAtMs = clock.nowMs();

  function assertWithin(nowMs: EpochMs): void {
    if (nowMs < request.deadlineMs) return;
    response.abort();
    throw new UpstreamFault('upstream_timeout', 'answering', 'deadline');
  }

  function assertNoRunaway(): void {
    if (!isRunaway(stream.estimatedOutputTokens(), allowed)) return;
    response.abort();
    throw new GatewayError('upstream_error', 'The provider ignored the maximum of output tokens.', {
      cause: 'runaway stream',
    });
  }

  return async () => {
    assertNoRunaway();
    while (!stream.hasFailed() && !stream.isComplete()) {
      const next = await chunks.next();
      if (next.done === true) return undefined;
      const nowMs = clock.nowMs();
      assertWithin(nowMs);
      const said = next.value === 'quiet' ? keepAlive : stream.push(next.value);
      const out = said.length === 0 && nowMs >= toldAtMs + SILENCE_MS ? keepAlive : said;
      if (out.length > 0) {
        toldAtMs = nowMs;
        return out;
      }
      assertNoRunaway();
    }
    return undefined;
  };
}

function errorEvent(code: ErrorCode, { request, stream }: Relay): Buffer {
  const { requestId, call } = request;
  const facts = { code, message: reasonOf(code), gateway: { request_id: requestId } };
  return Buffer.from((stream.errorEvent ?? call.voice.errorEvent)(facts));
}

function reasonOf(code: ErrorCode): string {
  if (code === 'request_cancelled') return 'The request was cancelled by its caller.';
  return code === 'upstream_timeout'
    ? 'The provider did not finish its answer in time.'
    : 'The provider failed in the middle of the answer.';
}

async function finish(
  ports: Ports,
  { request, response, chunks, stream }: Relay,
  end: { left: boolean; errorCode: ErrorCode | undefined; deadlineMs: EpochMs },
): Promise<void> {
  const wasCut = end.left && !stream.isComplete();
  if (wasCut)
    await drain(
      ports,
      { chunks, stream },
      Math.min(end.deadlineMs, ports.clock.nowMs() + DRAIN_MS),
    );
  const isCancelled = wasCut || end.errorCode === 'request_cancelled';
  const outcome = isCancelled ? 'cancelled' : end.errorCode === undefined ? 'ok' : 'error';
  const closed = request.books.finished({
    outcome,
    ...(end.errorCode === undefined ? {} : { errorCode: end.errorCode }),
    usage: stream.usage(),
    estimatedOutputTokens: stream.estimatedOutputTokens(),
    stopReason: stream.stopReason(),
  });
  if (stream.isComplete()) await readToEnd(ports, chunks);
  response.abort();
  await closed;
}

/** After `[DONE]` only the end of the HTTP body is left; having read it, the connection can be used again. */
async function readToEnd(ports: Ports, chunks: Chunks): Promise<void> {
  try {
    for (
      let next = await chunks.next();
      next.done !== true && next.value !== 'quiet';
      next = await chunks.next()
    );
  } catch (fault) {
    ports.report('connection not reusable', fault);
  }
}

/** Reads on without a reader, to the provider's final usage or the deadline. */
async function drain(
  ports: Ports,
  { chunks, stream }: Pick<Relay, 'chunks' | 'stream'>,
  untilMs: EpochMs,
): Promise<void> {
  try {
    while (!stream.isComplete() && !stream.hasFailed() && ports.clock.nowMs() < untilMs) {
      const next = await chunks.next();
      if (next.done === true) return;
      if (next.value !== 'quiet') stream.push(next.value);
    }
  } catch (fault) {
    ports.report('drain broke', fault);
  }
}
