/**
 * A provider that misbehaves on the wire, over bare sockets, so that it can say what no HTTP library would.
 * The first segment of a request's path names what it does, so `origin/reset-mid` can be the base URL of a
 * provider; the query gives details (`/status?code=429`).
 */

import { once } from 'node:events';
import net from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';

export type WireFault = keyof typeof FAULTS;

export interface FaultProvider {
  readonly origin: string;
  url(fault: WireFault, details?: Readonly<Record<string, string>>): string;
  /** Connections that are open now, all that ever were, and requests that were read to their end. */
  readonly seen: { open: number; connections: number; requests: number; bytesSent: number };
  close(): Promise<void>;
}

/** What one request gets to do: its socket, the path's details, and where a redirect would lead. */
interface Play {
  readonly socket: net.Socket;
  readonly details: URLSearchParams;
  readonly count: (bytes: number) => void;
}

export const ANSWER = JSON.stringify({
  id: 'c1',
  choices: [{ message: { content: 'naïve 漢字' } }],
});
export const STREAM = 'data: {"a":"é"}\n\ndata: {"b":"漢"}\n\ndata: [DONE]\n\n';
export const HTML = '<!doctype html><title>Welcome to the airport</title>';

const CHUNKED = 'content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n';
const MEGABYTE = Buffer.alloc(1_000_000, 'a');
/** 10 MB of zeros; a hundred of them are a gigabyte in a megabyte. */
const BOMB_PART = gzipSync(Buffer.alloc(10_000_000));
const BOMB_PARTS = 100;

const FAULTS = {
  ok: ({ socket }) => socket.write(whole(ANSWER)),
  stream: ({ socket }) => {
    socket.write(head(CHUNKED));
    for (const byte of Buffer.from(STREAM)) socket.write(chunk(Buffer.of(byte)));
    socket.write('0\r\n\r\n');
  },
  status: ({ socket, details }) => {
    const retryAfter = details.get('retry-after');
    const headers = retryAfter === null ? '' : `retry-after: ${retryAfter}\r\n`;
    const body = details.get('body') ?? '{"error":{"message":"no","code":null}}';
    socket.write(whole(body, headers, `${details.get('code') ?? '500'} Whatever`));
  },
  redirect: ({ socket, details }) => {
    const to = details.get('to') ?? '';
    const headers = `location: ${to}\r\nrefresh: 0; url=${to}\r\nlink: <${to}>; rel=preload\r\nalt-svc: h2="${new URL(to).host}"\r\nproxy-authenticate: Basic realm="x"\r\nwww-authenticate: Basic realm="x"\r\n`;
    socket.write(whole('', headers, `${details.get('code') ?? '302'} Found`));
  },
  'early-hints': ({ socket, details }) => {
    socket.write(`HTTP/1.1 103 Early Hints\r\nlink: <${details.get('to')}>; rel=preload\r\n\r\n`);
    socket.write(whole(ANSWER));
  },
  'reset-before': ({ socket }) => socket.resetAndDestroy(),
  'hang-up-before': ({ socket }) => socket.end(),
  'reset-in-head': ({ socket }) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: te');
    setTimeout(() => socket.resetAndDestroy(), 20);
  },
  'reset-mid': ({ socket }) => {
    socket.write(head(CHUNKED) + chunk('data: {"a":1}\n\n'));
    setTimeout(() => socket.resetAndDestroy(), 30);
  },
  truncate: ({ socket }) => {
    socket.end(`${head(CHUNKED) + chunk('data: {"a":1}\n\n')}1f\r\ndata: {"b"`);
  },
  'too-short': ({ socket }) => socket.end(`${head('content-length: 1000\r\n')}{"id":`),
  'too-long': ({ socket }) => socket.write(`${whole(ANSWER)}and more than was announced`),
  'two-answers': ({ socket }) => socket.write(whole(ANSWER) + whole('{"poison":true}')),
  'late-second-answer': ({ socket }) => {
    socket.write(whole(ANSWER));
    setTimeout(() => socket.write(whole('{"poison":true}')), 30);
  },
  'stall-before': () => undefined,
  'dribble-head': ({ socket }) => dribble(socket, `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(10_000)}`),
  'continue-forever': ({ socket }) => repeat(socket, 'HTTP/1.1 100 Continue\r\n\r\n'),
  'stall-mid': ({ socket }) => socket.write(head(CHUNKED) + chunk('data: {"a":1}\n\n')),
  'drip-forever': ({ socket }) => {
    socket.write(head(CHUNKED));
    repeat(socket, chunk(': still here\n\n'));
  },
  flood: ({ socket, count }) => {
    socket.write(head(CHUNKED));
    void flood(socket, count);
  },
  'huge-event': ({ socket }) => {
    socket.write(`${head(CHUNKED)}${chunk('data: "')}`);
    for (let megabytes = 0; megabytes < 9; megabytes += 1) socket.write(chunk(MEGABYTE));
    socket.write(`${chunk('"\n\n')}0\r\n\r\n`);
  },
  html: ({ socket }) => socket.write(whole(HTML, 'content-type: text/html\r\n')),
  gzip: ({ socket }) => socket.write(packed('gzip', gzipSync(ANSWER))),
  'gzip-stream': ({ socket }) => {
    const bytes = gzipSync(STREAM);
    socket.write(head(`${CHUNKED}content-encoding: gzip\r\n`));
    for (const byte of bytes) socket.write(chunk(Buffer.of(byte)));
    socket.write('0\r\n\r\n');
  },
  'gzip-empty': ({ socket }) => socket.write(packed('gzip', Buffer.alloc(0))),
  'gzip-cut': ({ socket }) => socket.write(packed('gzip', gzipSync(ANSWER).subarray(0, 40))),
  'gzip-lie': ({ socket }) => socket.write(packed('gzip', Buffer.from(ANSWER))),
  'gzip-bomb': ({ socket }) => {
    socket.write(head(`${CHUNKED}content-encoding: gzip\r\n`));
    for (let part = 0; part < BOMB_PARTS; part += 1) socket.write(chunk(BOMB_PART));
    socket.write('0\r\n\r\n');
  },
  deflate: ({ socket }) => socket.write(packed('deflate', deflateSync(ANSWER))),
  br: ({ socket }) => socket.write(packed('br', brotliCompressSync(ANSWER))),
  'unknown-encoding': ({ socket }) => socket.write(packed('constructor', Buffer.from(ANSWER))),
  'bad-utf-8': ({ socket }) => socket.write(wholeBytes(Buffer.from([0x7b, 0xff, 0xc3, 0x7d]))),
  empty: ({ socket }) => socket.write(whole('')),
  'no-content': ({ socket }) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'),
  'http-1-0': ({ socket }) => socket.end(`HTTP/1.0 200 OK\r\n\r\n${ANSWER}`),
  trailers: ({ socket }) => {
    socket.write(`${head(`${CHUNKED}trailer: x-late\r\n`)}${chunk(ANSWER)}0\r\nx-late: 1\r\n\r\n`);
  },
  'bad-chunk': ({ socket }) => socket.write(`${head(CHUNKED)}zz\r\nnot a size\r\n`),
  'huge-headers': ({ socket }) => socket.write(whole(ANSWER, `x: ${'y'.repeat(100_000)}\r\n`)),
  'not-http': ({ socket }) => socket.write('220 mail.example ESMTP\r\n'),
  'switch-protocols': ({ socket }) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
  },
  'hang-up-after': ({ socket, details }) => {
    socket.write(whole(ANSWER));
    setTimeout(() => socket.end(), Number(details.get('ms') ?? 0));
  },
} as const satisfies Readonly<Record<string, (play: Play) => unknown>>;

export async function startFaultProvider(): Promise<FaultProvider> {
  const seen = { open: 0, connections: 0, requests: 0, bytesSent: 0 };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    seen.open += 1;
    seen.connections += 1;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      seen.open -= 1;
    });
    readRequests(socket, (target) => {
      seen.requests += 1;
      const { pathname, searchParams: details } = new URL(target, 'http://provider');
      const name = pathname.split('/')[1] ?? '';
      if (!isFault(name)) throw new Error(`no such fault: ${name}`);
      const count = (bytes: number) => {
        seen.bytesSent += bytes;
      };
      FAULTS[name]({ socket, details, count });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const origin = `http://127.0.0.1:${address.port}`;
  return {
    origin,
    seen,
    url: (fault, details = {}) => `${origin}/${fault}?${new URLSearchParams(details)}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function isFault(name: string): name is WireFault {
  return Object.hasOwn(FAULTS, name);
}

/** Calls back with the target of each request once its whole body has come. */
function readRequests(socket: net.Socket, onRequest: (target: string) => void): void {
  let bytes = Buffer.alloc(0);
  socket.on('data', (chunkOfRequest) => {
    bytes = Buffer.concat([bytes, Buffer.from(chunkOfRequest)]);
    for (;;) {
      const headEnd = bytes.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      const text = bytes.toString('latin1', 0, headEnd);
      const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0);
      const end = headEnd + 4 + length;
      if (bytes.length < end) return;
      bytes = bytes.subarray(end);
      onRequest(text.split(' ')[1] ?? '');
    }
  });
}

function head(headers: string, status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\n${headers}\r\n`;
}

function whole(body: string, headers = '', status = '200 OK'): string {
  return `${head(`${headers}content-length: ${Buffer.byteLength(body)}\r\n`, status)}${body}`;
}

function wholeBytes(body: Buffer, headers = ''): Buffer {
  return Buffer.concat([Buffer.from(head(`${headers}content-length: ${body.length}\r\n`)), body]);
}

function packed(encoding: string, body: Buffer): Buffer {
  return wholeBytes(body, `content-encoding: ${encoding}\r\n`);
}

function chunk(data: string | Buffer): Buffer {
  const bytes = Buffer.from(data);
  return Buffer.concat([
    Buffer.from(`${bytes.length.toString(16)}\r\n`),
    bytes,
    Buffer.from('\r\n'),
  ]);
}

function repeat(socket: net.Socket, text: string | Buffer): void {
  const timer = setInterval(() => socket.write(text), 10);
  socket.once('close', () => clearInterval(timer));
}

function dribble(socket: net.Socket, text: string): void {
  let sent = 0;
  const timer = setInterval(() => {
    socket.write(text[sent] ?? '');
    sent += 1;
  }, 10);
  socket.once('close', () => clearInterval(timer));
}

/** Events as fast as the connection takes them, without an end. */
async function flood(socket: net.Socket, count: (bytes: number) => void): Promise<void> {
  const events = chunk(`data: {"flood":"${'x'.repeat(16_000)}"}\n\n`);
  const stopped = new Promise((resolve) => socket.once('close', resolve));
  while (!socket.destroyed) {
    count(events.length);
    if (socket.write(events)) await new Promise(setImmediate);
    else await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), stopped]);
  }
}
