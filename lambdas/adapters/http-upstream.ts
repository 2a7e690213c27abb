/**
 * Providers over node:http(s): keep-alive pools, no delay on sockets, buffers and not web streams, a
 * time-out for every phase, no redirect ever followed.
 */
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import {
  UpstreamFault,
  type UpstreamPort,
  type UpstreamRequest,
  type UpstreamResponse,
} from '../../core/providers/upstream.ts';

/** After so long without a byte the body yields `'quiet'`, so that a keep-alive can go to the caller. */
const QUIET_MS = 15_000;

const AGENT_OPTIONS = {
  keepAlive: true,
  keepAliveMsecs: 30_000,
  maxSockets: 512,
  maxFreeSockets: 64,
  scheduling: 'lifo',
} as const;

export function createHttpUpstream({
  clock,
  quietMs = QUIET_MS,
}: {
  clock: Clock;
  quietMs?: number;
}): UpstreamPort & { close(): void } {
  const agents = {
    'http:': new http.Agent(AGENT_OPTIONS),
    'https:': new https.Agent(AGENT_OPTIONS),
  };
  return {
    send: (request) => send({ agents, clock, quietMs }, request),
    close: () => {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

interface Wire {
  readonly agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent };
  readonly clock: Clock;
  readonly quietMs: number;
}

function send(wire: Wire, request: UpstreamRequest): Promise<UpstreamResponse> {
  const url = new URL(request.url);
  const body = Buffer.from(request.body);
  const remainingMs = request.deadlineMs - wire.clock.nowMs();
  if (remainingMs <= 0) throw new UpstreamFault('upstream_timeout', 'unsent');
  const options = {
    method: 'POST',
    headers: { ...request.headers, 'content-length': body.length, 'accept-encoding': 'identity' },
  };
  const call =
    url.protocol === 'https:'
      ? https.request(url, { ...options, agent: wire.agents['https:'] })
      : http.request(url, { ...options, agent: wire.agents['http:'] });
  call.setNoDelay(true);

  return new Promise((resolve, reject) => {
    let connected = false;
    const fail = (code: 'upstream_unreachable' | 'upstream_timeout', cause?: unknown) => {
      clearTimeout(connectTimer);
      clearTimeout(firstByteTimer);
      call.destroy();
      reject(new UpstreamFault(code, connected ? 'sent' : 'unsent', cause));
    };
    const connectTimer = setTimeout(
      () => connected || fail('upstream_unreachable', 'connect time-out'),
      request.connectTimeoutMs,
    );
    const firstByteTimer = setTimeout(
      () => fail('upstream_timeout', 'no response head'),
      Math.min(request.firstByteTimeoutMs, remainingMs),
    );
    onConnect(call, () => {
      connected = true;
      clearTimeout(connectTimer);
    });
    call.on('error', (cause) => fail('upstream_unreachable', cause));
    call.on('response', (response) => {
      clearTimeout(connectTimer);
      clearTimeout(firstByteTimer);
      resolve(toResponse(wire, request, response));
    });
    call.end(body);
  });
}

/** Calls back once the socket can carry the request: at once for a pooled one. */
function onConnect(call: http.ClientRequest, ready: () => void): void {
  call.once('socket', (socket: Socket) => {
    if (!socket.connecting) ready();
    else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', ready);
  });
}

function toResponse(
  wire: Wire,
  request: UpstreamRequest,
  response: http.IncomingMessage,
): UpstreamResponse {
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
  return {
    status: response.statusCode ?? 0,
    headers,
    body: bodyOf(wire, request, response),
    abort: () => response.destroy(),
  };
}

async function* bodyOf(
  { clock, quietMs }: Wire,
  { idleTimeoutMs, deadlineMs }: UpstreamRequest,
  response: http.IncomingMessage,
): AsyncGenerator<Uint8Array | 'quiet'> {
  const iterator: AsyncIterator<Buffer> = response[Symbol.asyncIterator]();
  let lastByteMs = clock.nowMs();
  let pending = iterator.next();
  // A rejection while nobody waits (between two pulls) is seen at the next pull.
  pending.catch(() => undefined);
  try {
    while (true) {
      const waitMs = Math.min(
        quietMs,
        lastByteMs + idleTimeoutMs - clock.nowMs(),
        deadlineMs - clock.nowMs(),
      );
      const next = await within(pending, waitMs);
      if (next === 'late') {
        const nowMs = clock.nowMs();
        if (nowMs >= deadlineMs || nowMs >= lastByteMs + idleTimeoutMs)
          throw new UpstreamFault('upstream_timeout', 'answering', 'silence in the body');
        yield 'quiet';
        continue;
      }
      if (next.done === true) return;
      lastByteMs = clock.nowMs();
      pending = iterator.next();
      pending.catch(() => undefined);
      yield next.value;
      // Time that the reader took is not the provider's silence.
      lastByteMs = clock.nowMs();
    }
  } catch (cause) {
    throw cause instanceof UpstreamFault
      ? cause
      : new UpstreamFault('upstream_error', 'answering', cause);
  } finally {
    response.destroy();
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), Math.max(1, ms));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
