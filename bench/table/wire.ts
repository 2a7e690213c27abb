/**
 * HTTP/1.1 for the table stub, by hand: what it takes stands in the time of every call that is measured, and Node's own server
 * takes more than the table does. For the clients of the bench alone, which tell the length and wait for each answer.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface WireRequest {
  readonly path: string;
  /** The operation of a service of AWS; empty where there is none. */
  readonly target: string;
  readonly body: string;
}

export interface WireAnswer {
  readonly status: number;
  readonly text: string;
}

export type Answer = (request: WireRequest) => WireAnswer | Promise<WireAnswer>;

const HEAD_END = '\r\n\r\n';

/** On any free port of 127.0.0.1. Resolves to its address. */
export async function listenWire(answer: Answer): Promise<string> {
  const server = createServer({ noDelay: true }, (socket) => {
    let rest: Buffer | undefined;
    socket.on('data', (chunk: Buffer) => {
      const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
      const request = readRequest(bytes);
      rest = request === undefined ? bytes : undefined;
      if (request !== undefined) reply(socket, request, answer);
    });
    // Whoever asked has gone.
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return `http://127.0.0.1:${address.port}`;
}

/** Undefined until it is whole. */
function readRequest(bytes: Buffer): WireRequest | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const begin = headEnd + HEAD_END.length;
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < begin + length) return undefined;
  return {
    path: head.split(' ', 2)[1] ?? '',
    target: /\r\nx-amz-target: *(\S+)/i.exec(head)?.[1] ?? '',
    body: bytes.toString('utf8', begin, begin + length),
  };
}

function reply(socket: Socket, request: WireRequest, answer: Answer): void {
  const send = ({ status, text }: WireAnswer) => {
    const length = Buffer.byteLength(text);
    const head = `HTTP/1.1 ${status} -\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: ${length}`;
    socket.write(`${head}${HEAD_END}${text}`);
  };
  const failed = (fault: unknown) => {
    process.stderr.write(`${String(fault)}\n`);
    socket.destroy();
  };
  try {
    const answered = answer(request);
    if (answered instanceof Promise) answered.then(send).catch(failed);
    else send(answered);
  } catch (fault) {
    failed(fault);
  }
}
