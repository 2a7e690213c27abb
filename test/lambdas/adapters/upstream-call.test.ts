import { once } from 'node:events';
import https from 'node:https';
import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import type { UpstreamPort, UpstreamRequest } from '../../../core/providers/upstream.ts';
import { createHttpUpstream } from '../../../lambdas/adapters/http-upstream.ts';
import { certificate } from '../../support/certificate.ts';
import { OK, startRawServer } from '../../support/raw-server.ts';
import { originOf, outcomeOf, requestTo } from '../../support/upstream-calls.ts';

let upstream: ReturnType<typeof createHttpUpstream>;
const closing: (() => unknown)[] = [];

beforeEach(() => {
  upstream = createHttpUpstream({ clock: systemClock });
});
afterEach(async () => {
  upstream.close();
  for (const close of closing.splice(0)) await close();
});

async function serverOf(answer: (socket: net.Socket, received: string) => void, host?: string) {
  const server = await startRawServer(answer, host);
  closing.push(server.close);
  return server;
}

/** For calls that nothing has to time out, on however busy a machine. */
const PATIENCE = { connectTimeoutMs: 5_000, firstByteTimeoutMs: 5_000, idleTimeoutMs: 5_000 };

function patientRequest(url: string, extra: Partial<UpstreamRequest> = {}) {
  return requestTo(url, { ...PATIENCE, deadlineMs: Date.now() + 20_000, ...extra });
}

function patientOutcome(port: UpstreamPort, url: string, extra: Partial<UpstreamRequest> = {}) {
  return outcomeOf(port, url, patientRequest(url, extra));
}

const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
const answering = (text: string) => (socket: net.Socket) => socket.write(text);

describe('a request', () => {
  it('leaves in one piece, with a length and a host of ours', async () => {
    const server = await serverOf(answering(OK));
    const headers = {
      authorization: 'Bearer k',
      Host: 'elsewhere',
      'Transfer-Encoding': 'chunked',
    };
    await patientOutcome(upstream, `${server.origin}/v1/a%20b?c=d`, { headers, body: '"é漢"' });
    const host = server.origin.slice('http://'.length);
    expect(server.seen).toMatchObject([
      {
        pieces: 1,
        received: `POST /v1/a%20b?c=d HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer k\r\ncontent-length: 7\r\naccept-encoding: identity\r\nconnection: keep-alive\r\n\r\n"é漢"`,
      },
    ]);
  });

  it('of bytes leaves as they are', async () => {
    const server = await serverOf((socket, received) => received.endsWith('"') && socket.write(OK));
    const body = Buffer.from(`"${'e'.repeat(1_000_000)}"`);
    const parts = [body.subarray(0, 9), body.subarray(9)];
    const request = { ...patientRequest(server.origin), body: parts };
    const { status } = await upstream.send(request);
    expect(status).toBe(200);
    expect(server.seen[0]?.received).toContain('content-length: 1000002\r\n');
    expect(server.seen[0]?.received.split('\r\n\r\n')[1]).toBe(body.toString());
  });

  it.each([
    ['a line', { 'x-a': 'b\r\nx-c: d' }],
    ['a letter', { 'x-a': '漢' }],
    ['a name', { 'x a': 'b' }],
    ['no name', { '': 'b' }],
  ])('is not sent with %s that no header may have', async (_name, headers) => {
    const server = await serverOf(answering(OK));
    await expect(upstream.send(patientRequest(server.origin, { headers }))).rejects.toMatchObject({
      code: 'upstream_misconfigured',
    });
    expect(server.seen).toEqual([]);
  });

  it.each(['::1', 'localhost'])('goes to %s', async (host) => {
    const server = await serverOf(answering(OK), host);
    expect((await patientOutcome(upstream, server.origin)).body?.toString()).toBe('ok');
  });
});

describe('an answer', () => {
  it('that comes before the request was read is the answer, and its connection is not used again', async () => {
    const server = await serverOf((socket) => {
      socket.pause();
      socket.write('HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno');
    });
    const body = 'x'.repeat(20_000_000);
    for (const calls of [1, 2]) {
      const { status, body: said } = await patientOutcome(upstream, server.origin, { body });
      expect({ status, said: said?.toString() }).toEqual({ status: 413, said: 'no' });
      expect(server.seen.length).toBe(calls);
    }
  });

  it('that comes in one read is one part, whatever its chunks are', async () => {
    const chunks = 'data: 1\n\n,data: 2\n\n,data: 3\n\n'
      .split(',')
      .map((text) => `9\r\n${text}\r\n`);
    const server = await serverOf(answering(`${CHUNKED}${chunks.join('')}0\r\n\r\n`));
    const { body } = await upstream.send(patientRequest(server.origin));
    const parts: string[] = [];
    for await (const part of body) parts.push(part.toString());
    expect(parts).toEqual(['data: 1\n\ndata: 2\n\ndata: 3\n\n']);
  });

  it('that breaks off in the read it began in is told up to there', async () => {
    const server = await serverOf(answering(`${CHUNKED}2\r\nok\r\nno size\r\n`));
    const { status, body } = await upstream.send(patientRequest(server.origin));
    expect(status).toBe(200);
    const parts: string[] = [];
    const reading = (async () => {
      for await (const part of body) parts.push(part.toString());
    })();
    await expect(reading).rejects.toMatchObject({ code: 'upstream_error', phase: 'answering' });
    expect(parts).toEqual(['ok']);
  });

  it('keeps its bytes while others are read', async () => {
    const text = (letter: string) => letter.repeat(1_000);
    const server = await serverOf((socket, received) => {
      const letter = received.split(' ')[1]?.slice(1) ?? '';
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n${text(letter)}`);
      for (const turn of [10, 20]) setTimeout(() => socket.write(text(letter)), turn);
    });
    const letters = [...'abcdefghij'];
    const bodies = await Promise.all(
      letters.map(
        async (letter) => (await patientOutcome(upstream, `${server.origin}/${letter}`)).body,
      ),
    );
    expect(bodies.map(String)).toEqual(letters.map((letter) => letter.repeat(3_000)));
  });

  it.each([
    ['keep-alive: timeout=1', 2],
    ['keep-alive: timeout=5', 1],
    ['connection: close', 2],
  ])('with %s and one more need connections: %i', async (header, connections) => {
    const server = await serverOf(
      answering(`HTTP/1.1 200 OK\r\n${header}\r\ncontent-length: 2\r\n\r\nok`),
    );
    for (let calls = 0; calls < 2; calls += 1) await patientOutcome(upstream, server.origin);
    expect(server.seen.length).toBe(connections);
  });

  it('is over with its last byte: to abort it then harms nobody', async () => {
    const server = await serverOf(answering(OK));
    const first = await upstream.send(patientRequest(server.origin));
    const second = await upstream.send(patientRequest(server.origin));
    first.abort();
    for (const { body } of [first, second]) {
      const parts: string[] = [];
      for await (const part of body) parts.push(part.toString());
      expect(parts).toEqual(['ok']);
    }
    expect(server.seen).toMatchObject([{ isOver: false }]);
  });
});

describe('bytes that nobody asked for', () => {
  it('end a free connection', async () => {
    const server = await serverOf((socket) => {
      socket.write(OK);
      setTimeout(() => socket.write(OK), 10);
    });
    await patientOutcome(upstream, server.origin);
    await expect.poll(() => server.seen[0]?.isOver).toBe(true);
    expect((await patientOutcome(upstream, server.origin)).body?.toString()).toBe('ok');
    expect(server.seen.length).toBe(2);
  });

  it('end one whose call has yet to begin, which goes over another', async () => {
    const server = await serverOf((socket) => {
      socket.write(OK);
      setTimeout(() => socket.write(OK), 30);
    });
    await patientOutcome(upstream, server.origin);
    const mayBegin = sleep(60);
    expect((await patientOutcome(upstream, server.origin, { mayBegin })).status).toBe(200);
    expect(server.seen).toMatchObject([{ pieces: 1, isOver: true }, { pieces: 1 }]);
  });

  it('are a fault or an answer, whatever they are, and hold up no call behind them', async () => {
    let answer = Buffer.alloc(0);
    const server = await serverOf((socket) => socket.end(answer));
    const samples = fc.sample(fc.uint8Array({ maxLength: 60 }), 100);
    for (const head of ['', 'HTTP/1.1 200 OK\r\n', CHUNKED])
      for (const bytes of samples) {
        answer = Buffer.concat([Buffer.from(head), bytes]);
        const { status, fault } = await patientOutcome(upstream, server.origin);
        expect(fault === undefined || status === undefined).toBe(true);
      }
  });
});

describe('a call that may not begin', () => {
  it('leaves its connection, unwritten, to the next', async () => {
    const server = await serverOf(answering(OK));
    const controller = new AbortController();
    const mayBegin = new Promise<void>(() => {});
    const outcome = patientOutcome(upstream, server.origin, {
      mayBegin,
      signal: controller.signal,
    });
    await sleep(30);
    controller.abort();
    expect((await outcome).fault).toMatchObject({ phase: 'unsent' });
    expect((await patientOutcome(upstream, server.origin)).status).toBe(200);
    expect(server.seen).toMatchObject([{ pieces: 1 }]);
  });

  it('goes over another connection when the kept one is hung up on meanwhile', async () => {
    const server = await serverOf((socket) => {
      socket.write(OK);
      setTimeout(() => socket.end(), 20);
    });
    await patientOutcome(upstream, server.origin);
    const mayBegin = sleep(60);
    expect((await patientOutcome(upstream, server.origin, { mayBegin })).status).toBe(200);
    expect(server.seen).toMatchObject([{ pieces: 1 }, { pieces: 1 }]);
  });
});

describe('an encrypted connection', () => {
  it('is made where the certificate is trusted, and made again with less', async () => {
    const { key, cert } = certificate();
    const seen: { reused: boolean; name: unknown; protocol: unknown }[] = [];
    const whole = 'é'.repeat(2_000_000);
    const server = https.createServer({ key, cert }, (request, response) => {
      request.resume();
      const { socket } = request;
      if (socket instanceof tls.TLSSocket)
        seen.push({
          reused: socket.isSessionReused(),
          name: socket.servername,
          protocol: socket.alpnProtocol,
        });
      response.setHeader('connection', 'close').end(whole);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closing.push(() => server.close());
    const byAddress = originOf(server).replace('http:', 'https:');
    const byName = byAddress.replace('127.0.0.1', 'localhost');

    expect((await patientOutcome(upstream, byName)).fault).toEqual({
      code: 'upstream_unreachable',
      phase: 'unsent',
    });
    const trusted = tls.getCACertificates();
    tls.setDefaultCACertificates([cert]);
    for (const origin of [byName, byName, byAddress])
      expect((await patientOutcome(upstream, origin)).body?.toString()).toBe(whole);
    tls.setDefaultCACertificates(trusted);
    expect(seen).toEqual([
      { reused: false, name: 'localhost', protocol: 'http/1.1' },
      { reused: true, name: 'localhost', protocol: 'http/1.1' },
      { reused: false, name: false, protocol: 'http/1.1' },
    ]);
  });
});

describe('connections', () => {
  it('are at most so many to one provider: who comes later waits for its turn', async () => {
    const few = createHttpUpstream({
      clock: systemClock,
      sockets: { total: 9, perOrigin: 2, freePerOrigin: 1 },
    });
    closing.push(few.close);
    const server = await serverOf((socket) => setTimeout(() => socket.write(OK), 20));
    const calls = Array.from({ length: 6 }, () => patientOutcome(few, server.origin));
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(server.seen.length).toBe(2);
    await expect.poll(() => server.seen.filter(({ isOver }) => isOver).length).toBe(1);
  });

  it('that wait for their turn for too long were not sent', async () => {
    const few = createHttpUpstream({
      clock: systemClock,
      sockets: { total: 1, perOrigin: 1, freePerOrigin: 1 },
    });
    closing.push(few.close);
    const server = await serverOf(() => undefined);
    const first = outcomeOf(few, server.origin);
    const second = outcomeOf(few, server.origin);
    expect((await second).fault).toEqual({ code: 'upstream_unreachable', phase: 'unsent' });
    expect((await first).fault).toEqual({ code: 'upstream_timeout', phase: 'sent' });
    expect(server.seen.length).toBe(1);
  });

  it('that are free make room for another provider', async () => {
    const few = createHttpUpstream({
      clock: systemClock,
      sockets: { total: 1, perOrigin: 1, freePerOrigin: 1 },
    });
    closing.push(few.close);
    const slow = await serverOf((socket) => setTimeout(() => socket.write(OK), 30));
    const other = await serverOf(answering(OK));
    for (let round = 1; round <= 2; round += 1) {
      const calls = [slow, other].map(({ origin }) => patientOutcome(few, origin));
      expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200]);
      expect([slow.seen.length, other.seen.length]).toEqual([round, round]);
    }
  });

  it('leave neither sockets nor timers behind 10,000 calls', async () => {
    const server = await serverOf(answering(OK));
    const resources = () =>
      process.getActiveResourcesInfo().filter((kind) => /Timeout|TCPSocketWrap/.test(kind)).length;
    const before = resources();
    let calls = 0;
    const caller = async () => {
      while (calls < 10_000) {
        calls += 1;
        const { status } = await patientOutcome(upstream, server.origin);
        expect(status).toBe(200);
      }
    };
    await Promise.all(Array.from({ length: 20 }, caller));
    expect(server.seen.length).toBeLessThanOrEqual(20);
    upstream.close();
    await expect.poll(() => server.seen.every(({ isOver }) => isOver)).toBe(true);
    expect(resources()).toBeLessThanOrEqual(before);
  });
});
