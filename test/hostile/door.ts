/** The request path behind a plain HTTP server, so that real clients can call it without Lambda's protocol. */
import { once } from 'node:events';
import http from 'node:http';
import { pipeline } from 'node:stream/promises';
import { newRequestId } from '../../core/ids.ts';
import { type Ports, serve } from '../../core/serve.ts';
import { originOf } from '../support/upstream-calls.ts';

export interface Door {
  readonly url: string;
  /** Requests that came in, whatever became of them. */
  readonly seen: { requests: number };
  /** Resolves when the books of every call so far are closed. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const LONGEST_CALL_MS = 60_000;

export async function openDoor(ports: Ports): Promise<Door> {
  const open = new Set<Promise<void>>();
  const seen = { requests: 0 };
  const server = http.createServer((request, response) => {
    seen.requests += 1;
    // A client that leaves breaks its own answer and nothing else.
    const work = answer(ports, request, response)
      .catch(() => void response.destroy())
      .finally(() => open.delete(work));
    open.add(work);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settled = async () => void (await Promise.all(open));
  return {
    url: originOf(server),
    seen,
    settled,
    async close() {
      server.closeAllConnections();
      server.close();
      await settled();
    },
  };
}

async function answer(
  ports: Ports,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const nowMs = ports.clock.nowMs();
  const { status, headers, body, closed } = await serve(ports, {
    method: request.method ?? 'GET',
    path: new URL(request.url ?? '/', 'http://door').pathname,
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, value?.toString()]),
    ),
    body: Buffer.concat(parts),
    requestId: newRequestId(),
    receivedAtMs: nowMs,
    deadlineMs: nowMs + LONGEST_CALL_MS,
  });
  try {
    response.writeHead(status, headers);
    if (typeof body === 'string' || Buffer.isBuffer(body)) response.end(body);
    else await pipeline(body, response);
  } finally {
    await closed;
  }
}
