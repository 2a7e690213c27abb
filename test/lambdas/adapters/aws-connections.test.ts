import { once } from 'node:events';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type AwsConnections,
  createAwsConnections,
} from '../../../lambdas/adapters/aws-connections.ts';
import { certificate } from '../../support/certificate.ts';
import {
  ANSWER,
  type FaultProvider,
  startFaultProvider,
  type WireFault,
} from '../../support/fault-provider.ts';
import { freeze, startLeavingServer } from '../../support/leaving-server.ts';

let service: FaultProvider;
let opened: AwsConnections[];
let aheadMs: number;
const clock = { nowMs: () => Date.now() + aheadMs };

beforeEach(async () => {
  service = await startFaultProvider();
  opened = [];
  aheadMs = 0;
});
afterEach(async () => {
  for (const connections of opened) connections.close();
  await service.close();
});

function connectTo(origin: string, most = 4): AwsConnections {
  const connections = createAwsConnections({ url: new URL(origin), most, clock });
  opened.push(connections);
  return connections;
}

function requestOf(path: string, withinMs = 2_000) {
  const text = `POST ${path} HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\n{}`;
  return { text, connectTimeoutMs: withinMs, deadlineMs: clock.nowMs() + withinMs };
}

function pathOf(fault: WireFault, details = {}): string {
  const { pathname, search } = new URL(service.url(fault, details));
  return pathname + search;
}

async function untilOpen(count: number): Promise<void> {
  await expect.poll(() => service.seen.open).toBe(count);
}

describe('an exchange', () => {
  it('brings the answer, over the connection of the one before', async () => {
    const connections = connectTo(service.origin);
    for (let count = 0; count < 20; count += 1) {
      const answer = await connections.exchange(requestOf(pathOf('ok')));
      expect(answer).toMatchObject({ status: 200, text: ANSWER });
    }
    expect(service.seen).toMatchObject({ connections: 1, requests: 20 });
  });

  it.each([
    'reset-before',
    'hang-up-before',
    'reset-in-head',
    'reset-mid',
    'truncate',
    'too-short',
    'too-long',
    'two-answers',
    'not-http',
    'bad-chunk',
    'huge-headers',
    'switch-protocols',
    'early-hints',
  ] satisfies WireFault[])(
    'that meets %s is in doubt, was sent once, and leaves no connection',
    async (fault) => {
      const connections = connectTo(service.origin);
      await expect(connections.exchange(requestOf(pathOf(fault)))).rejects.toMatchObject({
        kind: 'unanswered',
      });
      expect(service.seen.requests).toBe(1);
      await untilOpen(0);
    },
  );

  it('that is not answered ends in time', async () => {
    const connections = connectTo(service.origin);
    await expect(connections.exchange(requestOf(pathOf('stall-mid'), 100))).rejects.toMatchObject({
      kind: 'unanswered',
    });
    await untilOpen(0);
  });

  it('ends in its own time, whatever time those beside it have', async () => {
    const connections = connectTo(service.origin);
    const ended: number[] = [];
    const exchanges = [300, 60, 180].map(async (withinMs) => {
      const exchange = connections.exchange(requestOf(pathOf('stall-mid'), withinMs));
      await expect(exchange).rejects.toMatchObject({ kind: 'unanswered' });
      ended.push(withinMs);
    });
    await sleep(120);
    ended.push(120);
    await Promise.all(exchanges);
    expect(ended).toEqual([60, 120, 180, 300]);
  });

  it('that has no time left is not sent', async () => {
    const connections = connectTo(service.origin);
    await connections.exchange(requestOf(pathOf('ok')));
    await expect(connections.exchange(requestOf(pathOf('ok'), 0))).rejects.toMatchObject({
      kind: 'unsent',
    });
    expect(service.seen.requests).toBe(1);
  });

  it('that waits for its turn in vain was not sent', async () => {
    const connections = connectTo(service.origin, 1);
    const first = connections.exchange(requestOf(pathOf('stall-mid'), 400));
    const second = connections.exchange(requestOf(pathOf('ok'), 100));
    await expect(second).rejects.toMatchObject({ kind: 'unsent' });
    await expect(first).rejects.toMatchObject({ kind: 'unanswered' });
    expect(await connections.exchange(requestOf(pathOf('ok')))).toMatchObject({ status: 200 });
    expect(service.seen.requests).toBe(2);
  });

  it('that waited has its turn where the one before it broke off', async () => {
    const connections = connectTo(service.origin, 1);
    const first = connections.exchange(requestOf(pathOf('reset-before')));
    const second = connections.exchange(requestOf(pathOf('ok')));
    await expect(first).rejects.toMatchObject({ kind: 'unanswered' });
    expect(await second).toMatchObject({ status: 200 });
  });

  it('over no connection was not sent', async () => {
    await expect(connectTo('http://127.0.0.1:9').exchange(requestOf('/'))).rejects.toMatchObject({
      kind: 'unsent',
    });
  });
});

describe('a kept connection', () => {
  it.each([0, 20])('is hung up on %i ms after its answer: each call is sent once', async (ms) => {
    const connections = connectTo(service.origin);
    for (let count = 0; count < 5; count += 1) {
      const path = pathOf('hang-up-after', { ms: String(ms) });
      expect(await connections.exchange(requestOf(path))).toMatchObject({ status: 200 });
      await untilOpen(0);
    }
    expect(service.seen).toMatchObject({ connections: 5, requests: 5 });
  });

  it('is hung up on while the process is frozen, which is seen before it is written to', async () => {
    const leaving = await startLeavingServer();
    const connections = connectTo(leaving.origin);
    for (let round = 1; round <= 5; round += 1) {
      expect(await connections.exchange(requestOf('/'))).toMatchObject({ text: 'ok' });
      expect(leaving.requests()).toBe(round);
      freeze(30);
      aheadMs += 2_000;
    }
    await leaving.close();
  });

  it('is not trusted when it was idle for too long by the wall clock', async () => {
    const connections = connectTo(service.origin);
    await connections.exchange(requestOf(pathOf('ok')));
    aheadMs += 29_000;
    await connections.exchange(requestOf(pathOf('ok')));
    expect(service.seen.connections).toBe(1);
    aheadMs += 31_000;
    await connections.exchange(requestOf(pathOf('ok')));
    expect(service.seen).toMatchObject({ connections: 2, requests: 3 });
  });

  it('never gives an answer that nobody asked for to the next call', async () => {
    const connections = connectTo(service.origin);
    for (let round = 0; round < 3; round += 1) {
      const first = await connections.exchange(requestOf(pathOf('late-second-answer')));
      expect(first.text).toBe(ANSWER);
      await sleep(60);
      expect((await connections.exchange(requestOf(pathOf('ok')))).text).toBe(ANSWER);
    }
    expect(service.seen.requests).toBe(6);
  });
});

describe('an encrypted connection', () => {
  it('is made where the certificate is trusted, and made again with less', async () => {
    const { key, cert } = certificate();
    const reused: boolean[] = [];
    const server = https.createServer({ key, cert }, (request, response) => {
      request.resume();
      if (request.socket instanceof tls.TLSSocket) reused.push(request.socket.isSessionReused());
      const { url = '/' } = request;
      response.setHeader('connection', 'close').end(url === '/' ? 'ok' : url.repeat(30));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const origin = `https://127.0.0.1:${address.port}`;

    await expect(connectTo(origin).exchange(requestOf('/'))).rejects.toMatchObject({
      kind: 'unsent',
    });
    const trusted = tls.getCACertificates();
    tls.setDefaultCACertificates([cert]);
    const connections = connectTo(origin);
    for (let count = 0; count < 2; count += 1)
      expect(await connections.exchange(requestOf('/'))).toMatchObject({ text: 'ok' });
    const long = ['a', 'b'].map((letter) => `/${letter.repeat(9_000)}`);
    const both = await Promise.all(long.map((path) => connections.exchange(requestOf(path))));
    expect(both.map(({ text }) => text)).toEqual(long.map((path) => path.repeat(30)));
    tls.setDefaultCACertificates(trusted);
    expect(reused.slice(0, 2)).toEqual([false, true]);
    server.close();
  });
});
