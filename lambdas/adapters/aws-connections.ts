/**
 * Kept connections to one endpoint of an AWS service, and the exchanges over them: one at a time on each, no retry, one deadline.
 * HTTP/1.1 by hand, because Node's client takes three times the CPU of all else that a call needs (ADR 0030).
 */
import type { Socket } from 'node:net';
import type { Clock, EpochMs } from '../../core/clock.ts';
import { type AnswerReader, type AwsAnswer, createAnswerReader, isKept } from './aws-answer.ts';
import { AwsFault } from './aws-fault.ts';
import { type Dial, dialler } from './dial.ts';
import { noteLook, onceLooked } from './event-loop.ts';

export interface AwsConnections {
  /** Rejects with AwsFault `unsent` or `unanswered`. */
  exchange(request: AwsRequest): Promise<AwsAnswer>;
  close(): void;
}

interface AwsRequest {
  /** Head and body. */
  readonly text: string;
  readonly connectTimeoutMs: number;
  readonly deadlineMs: EpochMs;
}

interface ConnectionsOptions {
  readonly url: URL;
  /** Calls wait for their turn where so many are open. */
  readonly most: number;
  readonly clock: Clock;
}

/** Under the 60 s after which load balancers close an idle connection, and the wall clock counts on while a function is frozen. */
const MAX_IDLE_MS = 30_000;

interface Call {
  readonly request: AwsRequest;
  readonly done: PromiseWithResolvers<AwsAnswer>;
  timer?: NodeJS.Timeout;
  connection?: Connection;
  isSent: boolean;
  isOver: boolean;
}

interface Connection {
  readonly socket: Socket;
  readonly reader: AnswerReader;
  /** Absent while it is free. */
  call: Call | undefined;
  idleSinceMs: EpochMs;
}

interface Pool {
  readonly clock: Clock;
  readonly most: number;
  readonly open: Set<Connection>;
  /** The one used last is the last, and the most likely to be open still. */
  free: Connection[];
  readonly waiting: Call[];
  readonly dial: Dial;
}

export function createAwsConnections({ url, most, clock }: ConnectionsOptions): AwsConnections {
  const pool: Pool = { clock, most, open: new Set(), free: [], waiting: [], dial: dialler(url) };
  return {
    exchange(request) {
      const done = Promise.withResolvers<AwsAnswer>();
      const call: Call = { request, done, isSent: false, isOver: false };
      const waitMs = request.deadlineMs - clock.nowMs();
      if (waitMs <= 0) fail(call, 'no time is left');
      else {
        call.timer = setTimeout(giveUp, waitMs, pool, call);
        dispatch(pool, call);
      }
      return done.promise;
    },
    close() {
      for (const { socket } of pool.open) socket.destroy();
    },
  };
}

function dispatch(pool: Pool, call: Call): void {
  const known = pool.free.pop();
  if (known !== undefined) look(pool, known, call);
  else if (pool.open.size < pool.most) connect(pool, call);
  else pool.waiting.push(call);
}

/** What is written after a look can still cross a hang-up on its way, but not one of the past. */
function look(pool: Pool, connection: Connection, call: Call): void {
  const { socket, idleSinceMs } = connection;
  socket.ref();
  onceLooked(() => {
    if (call.isOver) {
      release(pool, connection);
      return;
    }
    if (socket.writable && pool.clock.nowMs() - idleSinceMs <= MAX_IDLE_MS) {
      send(connection, call);
      return;
    }
    // Those that have been idle for longer are no better.
    for (const each of [connection, ...pool.free]) each.socket.destroy();
    pool.free = [];
    dispatch(pool, call);
  });
}

function connect(pool: Pool, call: Call): void {
  let cause: unknown = 'closed before the end';
  const socket = pool.dial({
    opened: () => {
      clearTimeout(timer);
      send(connection, call);
    },
    read(bytes) {
      receive(pool, connection, bytes);
      return true;
    },
  });
  const connection = { socket, reader: createAnswerReader(), call, idleSinceMs: 0 };
  const late = () => socket.destroy(new Error('connect time-out'));
  const timer = setTimeout(late, call.request.connectTimeoutMs);
  call.connection = connection;
  pool.open.add(connection);
  socket.on('error', (error) => {
    cause = error;
  });
  socket.once('close', () => {
    clearTimeout(timer);
    forget(pool, connection, cause);
  });
}

function receive(pool: Pool, connection: Connection, chunk: Buffer): void {
  const { call, socket, reader } = connection;
  noteLook();
  try {
    // Nobody asked: whatever comes next on this connection is not to be trusted.
    if (call?.isSent !== true) throw new Error('bytes before a call');
    const answer = reader.take(chunk);
    if (answer === undefined) return;
    connection.call = undefined;
    if (isKept(answer)) release(pool, connection);
    else socket.destroy();
    end(call);
    call.done.resolve(answer);
  } catch (cause) {
    socket.destroy(cause instanceof Error ? cause : new Error(String(cause)));
  }
}

/** To the call that has waited longest, or to whoever comes next. */
function release(pool: Pool, connection: Connection): void {
  const { socket } = connection;
  const next = pool.waiting.shift();
  if (next !== undefined && socket.writable) {
    send(connection, next);
    return;
  }
  if (next !== undefined) dispatch(pool, next);
  if (!socket.writable) return;
  connection.idleSinceMs = pool.clock.nowMs();
  socket.unref();
  pool.free.push(connection);
}

function forget(pool: Pool, connection: Connection, cause: unknown): void {
  pool.open.delete(connection);
  pool.free = pool.free.filter((each) => each !== connection);
  if (connection.call !== undefined) fail(connection.call, cause);
  const next = pool.waiting.shift();
  if (next !== undefined) dispatch(pool, next);
}

function giveUp(pool: Pool, call: Call): void {
  const place = pool.waiting.indexOf(call);
  if (place >= 0) pool.waiting.splice(place, 1);
  fail(call, 'no whole answer in time');
  call.connection?.socket.destroy();
}

function send(connection: Connection, call: Call): void {
  connection.call = call;
  call.connection = connection;
  call.isSent = true;
  connection.socket.write(call.request.text);
}

function end(call: Call): void {
  call.isOver = true;
  clearTimeout(call.timer);
}

function fail(call: Call, cause: unknown): void {
  if (call.isOver) return;
  end(call);
  const kind = call.isSent ? 'unanswered' : 'unsent';
  call.done.reject(new AwsFault(kind, { message: `${kind}: ${String(cause)}`, cause }));
}
