import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import { createHttpUpstream } from '../../../lambdas/adapters/http-upstream.ts';
import { originOf, outcomeOf, TIMES } from '../../support/upstream-calls.ts';

const connections: { received: string; isOver: boolean }[] = [];
let server: net.Server;
const upstream = createHttpUpstream({ clock: systemClock });

beforeAll(async () => {
  server = net.createServer((socket) => {
    const connection = { received: '', isOver: false };
    connections.push(connection);
    socket.on('error', () => {});
    socket.on('close', () => {
      connection.isOver = true;
    });
    socket.on('data', (bytes) => {
      connection.received += String(bytes);
      if (String(bytes).endsWith('}'))
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  upstream.close();
  server.close();
});
beforeEach(() => {
  connections.length = 0;
});

/** Longer than a connection may take, in which nothing has to time out. */
const WAIT_MS = TIMES.connectTimeoutMs + 30;

describe('a call that may not begin yet', () => {
  it('opens its connection and writes nothing, then all of it', async () => {
    const { promise: mayBegin, resolve } = Promise.withResolvers<void>();
    const outcome = outcomeOf(upstream, originOf(server), { mayBegin });
    await sleep(WAIT_MS);
    expect(connections).toEqual([{ received: '', isOver: false }]);
    resolve();
    expect(await outcome).toMatchObject({ status: 200, body: Buffer.from('ok') });
    expect(connections.length).toBe(1);
  });

  it('waits on a pooled connection as well', async () => {
    await outcomeOf(upstream, originOf(server));
    const before = connections.map(({ received }) => received.length);
    const { promise: mayBegin, resolve } = Promise.withResolvers<void>();
    const outcome = outcomeOf(upstream, originOf(server), { mayBegin });
    await sleep(WAIT_MS);
    expect(connections.map(({ received }) => received.length)).toEqual(before);
    resolve();
    expect((await outcome).status).toBe(200);
  });

  it('is unsent when it is given up', async () => {
    const { signal, ...giving } = abortable();
    const mayBegin = new Promise<void>(() => {});
    const outcome = outcomeOf(upstream, `${originOf(server)}/other`, { mayBegin, signal });
    await sleep(20);
    giving.up();
    expect((await outcome).fault).toMatchObject({ phase: 'unsent' });
    await sleep(20);
    expect(connections.every(({ received }) => !received.includes('/other'))).toBe(true);
  });
});

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, up: () => controller.abort() };
}
