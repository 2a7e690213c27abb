import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export interface SlowRelay {
  readonly url: string;
  /** Where it leads; nothing is relayed before. */
  target: string | undefined;
  /** Bytes that came through it to the server. */
  bytes: number;
  close(): void;
}

/** A port whose every byte takes `delayMs` to the server behind it, and none back. */
export async function startSlowRelay(delayMs: number): Promise<SlowRelay> {
  const relay: Pick<SlowRelay, 'target' | 'bytes'> = { target: undefined, bytes: 0 };
  const server = createServer((client) => {
    const { hostname, port } = new URL(relay.target ?? 'http://127.0.0.1:1');
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      socket.on('error', () => undefined);
      socket.on('close', () => (socket === client ? upstream : client).destroy());
    }
    client.on('data', (bytes) => {
      relay.bytes += bytes.length;
      setTimeout(() => upstream.write(bytes), delayMs);
    });
    upstream.pipe(client);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return Object.assign(relay, {
    url: `http://127.0.0.1:${address.port}`,
    close: () => void server.close(),
  });
}
