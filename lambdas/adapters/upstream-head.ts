/** The first half of a call to a provider: from nothing to the head of its answer. */
import type http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import {
  type BrokenPhase,
  UpstreamFault,
  type UpstreamFaultCode,
  type UpstreamRequest,
} from '../../core/providers/upstream.ts';
import { onceLooked } from './event-loop.ts';
import type { UpstreamPool } from './upstream-pool.ts';

/** Under the 60 s after which load balancers close an idle connection, and the wall clock counts on while a function is frozen. */
const MAX_IDLE_MS = 30_000;

const CANCELLED = 'the answer is not wanted any more';

type HeadRequest = Omit<UpstreamRequest, 'url' | 'idleTimeoutMs'> & {
  readonly url: string | URL;
};

/** `'stale'` when the pooled connection had died before the call was written to it. Throws UpstreamFault. */
export async function awaitHead(
  { pool, clock }: { readonly pool: UpstreamPool; readonly clock: Clock },
  request: HeadRequest,
): Promise<http.IncomingMessage | 'stale'> {
  const remainingMs = request.deadlineMs - clock.nowMs();
  if (remainingMs <= 0) throw new UpstreamFault('upstream_timeout', 'unsent', 'no time is left');
  if (request.signal?.aborted === true)
    throw new UpstreamFault('upstream_unreachable', 'unsent', CANCELLED);
  // A string leaves in one write with the head; a buffer would need two.
  const { body } = request;
  const url = typeof request.url === 'string' ? new URL(request.url) : request.url;
  const call = pool.open(url, {
    ...request.headers,
    'content-length': String(Buffer.byteLength(body)),
    'accept-encoding': 'identity',
  });

  const head = Promise.withResolvers<http.IncomingMessage | 'stale'>();
  let phase: BrokenPhase = 'unsent';
  const fail = (code: UpstreamFaultCode, cause: unknown) =>
    head.reject(new UpstreamFault(code, phase, cause));
  const giveUp = (code: UpstreamFaultCode, cause: string) => {
    fail(code, cause);
    call.destroy();
  };
  const connectTimer = setTimeout(
    () => giveUp('upstream_unreachable', 'connect time-out'),
    request.connectTimeoutMs,
  );
  const firstByteTimer = setTimeout(
    () => giveUp('upstream_timeout', 'no response head'),
    Math.min(request.firstByteTimeoutMs, remainingMs),
  );
  const cancel = () => giveUp('upstream_unreachable', CANCELLED);
  request.signal?.addEventListener('abort', cancel, { once: true });
  const connected = () => {
    phase = 'sent';
    clearTimeout(connectTimer);
  };
  const write = () => {
    connected();
    call.end(body);
  };
  const { mayBegin } = request;
  const whenItMay = (begin: () => void) => {
    clearTimeout(connectTimer);
    mayBegin?.then(begin, cancel);
  };
  call.once('socket', (socket) => {
    if (call.reusedSocket) {
      const discard = () => head.resolve('stale');
      const look = () => writeIfAlive(pool, socket, { write, discard });
      if (mayBegin === undefined) look();
      else whenItMay(look);
    } else if (mayBegin !== undefined) {
      if (isOpen(socket)) whenItMay(write);
      else onceOpen(socket, () => whenItMay(write));
    } else if (isOpen(socket)) {
      // Handed over by a call that has just ended, to this one that waited for its turn.
      write();
    } else {
      // Node writes this only once the connection is there.
      call.end(body);
      onceOpen(socket, connected);
    }
  });
  // A server that switches protocols is hung up on without an error.
  const closed = () => fail('upstream_error', 'closed without an answer');
  call.once('close', closed);
  call.once('response', (response) => {
    call.off('close', closed);
    head.resolve(response);
  });
  call.on('error', (cause) => {
    if (phase === 'unsent' && call.reusedSocket) head.resolve('stale');
    else if (isMalformed(cause))
      head.reject(new UpstreamFault('upstream_error', 'answering', cause));
    else fail('upstream_unreachable', cause);
  });
  try {
    return await head.promise;
  } finally {
    request.signal?.removeEventListener('abort', cancel);
    clearTimeout(connectTimer);
    clearTimeout(firstByteTimer);
  }
}

/** What is written after a look can still cross a hang-up on its way, but not one of the past. */
function writeIfAlive(
  pool: UpstreamPool,
  socket: Duplex,
  then: { readonly write: () => void; readonly discard: () => void },
): void {
  const discard = () => {
    then.discard();
    pool.discard(socket);
  };
  if (pool.idleMs(socket) > MAX_IDLE_MS) discard();
  else onceLooked(() => (socket.writable ? then.write() : discard()));
}

function isOpen(socket: Socket): boolean {
  return !socket.connecting && !('secureConnecting' in socket && socket.secureConnecting === true);
}

function onceOpen(socket: Socket, then: () => void): void {
  socket.once('encrypted' in socket ? 'secureConnect' : 'connect', then);
}

function isMalformed(cause: Error): boolean {
  return 'code' in cause && String(cause.code).startsWith('HPE_');
}
