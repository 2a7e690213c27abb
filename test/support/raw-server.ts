/** A server over bare sockets that keeps what it is sent, and answers as each test wants. */
import { once } from 'node:events';
import net from 'node:net';
import { originOf } from './upstream-calls.ts';

interface RawServer {
  readonly origin: string;
  readonly seen: { received: string; pieces: number; isOver: boolean }[];
  close(): Promise<void>;
}

export async function startRawServer(
  answer: (socket: net.Socket, received: string) => void,
  host = '127.0.0.1',
): Promise<RawServer> {
  const seen: RawServer['seen'] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    const connection = { received: '', pieces: 0, isOver: false };
    seen.push(connection);
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      connection.isOver = true;
      sockets.delete(socket);
    });
    socket.on('data', (bytes) => {
      connection.received += String(bytes);
      connection.pieces += 1;
      answer(socket, connection.received);
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    origin: originOf(server).replace('127.0.0.1', host.includes(':') ? `[${host}]` : host),
    seen,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
