import {
  createServer as createHttpServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http';
import { createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** A refusal in the words of an AWS service; `code` is what SDK clients throw as the error's name. */
export class AwsError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface WireRequest {
  readonly method: string;
  /** Not decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | Readable;
}

export interface WireServer {
  readonly url: string;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
/** The first bytes that a client with HTTP/2 prior knowledge sends; no HTTP/1 method begins so. */
const HTTP2_PREFACE = 'PRI';
const MAX_BODY_BYTES = 67_108_864;

/** Listens on one loopback port for HTTP/1.1 and, because the Kinesis client insists, for HTTP/2 without TLS. */
export async function listenOnLoopback(
  port: number,
  answer: (request: WireRequest) => Promise<WireResponse>,
): Promise<WireServer> {
  const onRequest = (request: AnyRequest, response: AnyResponse): void => {
    exchange(request, response, answer).catch(() => response.destroy());
  };
  const http = createHttpServer(onRequest);
  const http2 = createHttp2Server(onRequest);
  // A peer that resets its session is no event for us; without a listener it would end the process.
  http2.on('sessionError', () => undefined);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('readable', () => {
      const first: Buffer | null = socket.read();
      if (first === null) return;
      socket.unshift(first);
      const isHttp2 = first.toString('latin1', 0, HTTP2_PREFACE.length) === HTTP2_PREFACE;
      (isHttp2 ? http2 : http).emit('connection', socket);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, resolve);
  });
  return {
    url: `http://${HOST}:${portOf(server.address())}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

type AnyRequest = IncomingMessage | Http2ServerRequest;
/** What HTTP/1.1's and HTTP/2's response objects share. */
interface AnyResponse extends NodeJS.WritableStream {
  writeHead(status: number, headers?: OutgoingHttpHeaders): unknown;
  destroy(error?: Error): unknown;
}

async function exchange(
  request: AnyRequest,
  response: AnyResponse,
  answer: (request: WireRequest) => Promise<WireResponse>,
): Promise<void> {
  const body = isFromBrowser(request) ? 403 : await readBody(request);
  if (typeof body === 'number') {
    response.writeHead(body);
    response.end();
    return;
  }
  const url = new URL(request.url ?? '/', 'http://local');
  const {
    status,
    headers,
    body: content,
  } = await answer({
    method: request.method ?? 'GET',
    // URL would fold the `..` of an S3 key away.
    path: (request.url ?? '/').split('?', 1)[0] ?? '/',
    query: url.searchParams,
    headers: singleValues(request.headers),
    body,
  });
  response.writeHead(status, headers);
  if (typeof content === 'string' || content instanceof Uint8Array) response.end(content);
  else await pipeline(content, response);
}

/**
 * Nobody signs in here, and secrets are read here: a web page that the developer has open must not
 * reach it, neither directly (`Origin`) nor by a name that it lets point to this machine (`Host`).
 */
function isFromBrowser({ headers }: AnyRequest): boolean {
  const { hostname } = new URL(`http://${headers[':authority'] ?? headers.host ?? ''}`);
  return headers.origin !== undefined || (hostname !== HOST && hostname !== 'localhost');
}

/** Or the status of the refusal, when the body is larger than any of our services takes. */
async function readBody(request: AnyRequest): Promise<Buffer | 413> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return 413;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function singleValues(headers: NodeJS.Dict<string | string[]>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : value,
    ]),
  );
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}
