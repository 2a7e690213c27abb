/** One request to an AWS service over a kept connection, and its whole answer: no retry, one deadline, a bound on the size. */
import type http from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { UpstreamFault } from '../../core/providers/upstream.ts';
import { AwsFault } from './aws-fault.ts';
import { awaitHead } from './upstream-head.ts';
import type { UpstreamPool } from './upstream-pool.ts';

export interface AwsWire {
  readonly pool: UpstreamPool;
  readonly clock: Clock;
}

export interface AwsRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connectTimeoutMs: number;
  readonly deadlineMs: EpochMs;
}

export interface AwsAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** Larger than any answer of the services that are called; DynamoDB's largest item is 400 KB before its encoding. */
const MAX_ANSWER_BYTES = 4_194_304;

/** Throws AwsFault `unsent` or `unanswered`. */
export async function exchange(wire: AwsWire, request: AwsRequest): Promise<AwsAnswer> {
  const head = await headOf(wire, request);
  const text = await readText(head, request.deadlineMs - wire.clock.nowMs());
  return { status: head.statusCode ?? 0, headers: head.headers, text };
}

async function headOf(wire: AwsWire, request: AwsRequest): Promise<http.IncomingMessage> {
  const { url, headers, body, connectTimeoutMs, deadlineMs } = request;
  const waitMs = deadlineMs - wire.clock.nowMs();
  const call = { url, headers, body, connectTimeoutMs, firstByteTimeoutMs: waitMs, deadlineMs };
  try {
    const head = await awaitHead(wire, call);
    if (head !== 'stale') return head;
    // One turn, so that the connections just closed have left the pool.
    await nextTurn();
    const second = await awaitHead(wire, call);
    if (second !== 'stale') return second;
  } catch (cause) {
    const isUnsent = cause instanceof UpstreamFault && cause.phase === 'unsent';
    throw brokenOff(isUnsent ? 'unsent' : 'unanswered', cause);
  }
  throw brokenOff('unsent', 'pooled connections are dead');
}

function readText(head: http.IncomingMessage, withinMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const giveUp = (cause: unknown) => {
    reject(brokenOff('unanswered', cause));
    head.destroy();
  };
  const timer = setTimeout(giveUp, Math.max(0, withinMs), 'no whole answer in time');
  head.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes > MAX_ANSWER_BYTES) giveUp(`more than ${MAX_ANSWER_BYTES} bytes`);
  });
  head.once('end', () => {
    const [only] = chunks;
    const whole = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
    resolve(whole.toString('utf8'));
  });
  head.once('error', giveUp);
  head.once('close', () => {
    clearTimeout(timer);
    if (!head.readableEnded) giveUp('closed before the end');
  });
  return promise;
}

function brokenOff(kind: 'unsent' | 'unanswered', cause: unknown): AwsFault {
  const inner = cause instanceof UpstreamFault ? cause.cause : cause;
  return new AwsFault(kind, { message: `${kind}: ${String(inner)}`, cause: inner });
}
