/** Connections to providers and AWS services that are kept open: how many, for how long, and which of them may still be trusted. */
import type { Agent, ClientRequest, RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../core/clock.ts';
import { http, https } from './builtin-http.ts';

export interface UpstreamPool {
  /** A call that has yet to be written, on a connection of its origin. */
  open(url: URL, headers: Readonly<Record<string, string>>): ClientRequest;
  /** For how long a pooled connection was not used. */
  idleMs(socket: Duplex): number;
  /** Closes this pooled connection and those that have been idle for longer. */
  discard(socket: Duplex): void;
  close(): void;
}

export interface PoolBounds {
  readonly total: number;
  readonly perOrigin: number;
  readonly freePerOrigin: number;
}

/** Below the 350 s after which a NAT gateway forgets a silent connection: a model may think for longer. */
const KEEP_ALIVE_MS = 30_000;
const MAX_HEADER_BYTES = 32_768;

export function createUpstreamPool(clock: Clock, bounds: PoolBounds): UpstreamPool {
  const idleSinceMs = new WeakMap<Duplex, number>();
  const options = {
    keepAlive: true,
    keepAliveMsecs: KEEP_ALIVE_MS,
    // From the first call of a connection on, not only once it has been idle.
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    noDelay: true,
    maxTotalSockets: bounds.total,
    maxSockets: bounds.perOrigin,
    maxFreeSockets: bounds.freePerOrigin,
    // The connection used last is the one most likely to be open still.
    scheduling: 'lifo',
  } as const;
  const plain = new http.Agent(options);
  const encrypted = new https.Agent(options);
  for (const agent of [plain, encrypted]) {
    const keep = agent.keepSocketAlive.bind(agent);
    agent.keepSocketAlive = (socket) => {
      idleSinceMs.set(socket, clock.nowMs());
      return keep(socket);
    };
  }

  return {
    open(url, headers) {
      return url.protocol === 'https:'
        ? https.request(url, callOptions(headers, encrypted))
        : http.request(url, callOptions(headers, plain));
    },
    idleMs: (socket) => clock.nowMs() - (idleSinceMs.get(socket) ?? 0),
    discard(socket) {
      const sinceMs = idleSinceMs.get(socket) ?? 0;
      for (const { freeSockets } of [plain, encrypted])
        for (const free of Object.values(freeSockets).flatMap((sockets) => sockets ?? []))
          if ((idleSinceMs.get(free) ?? 0) <= sinceMs) free.destroy();
      socket.destroy();
    },
    close() {
      plain.destroy();
      encrypted.destroy();
    },
  };
}

function callOptions(headers: Readonly<Record<string, string>>, agent: Agent): RequestOptions {
  return { method: 'POST', headers: { ...headers }, agent, maxHeaderSize: MAX_HEADER_BYTES };
}
