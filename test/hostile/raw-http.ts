/** HTTP as no library would write it, over bare sockets. */
import net from 'node:net';

export interface RawAnswer {
  /** Undefined when the server hung up without one. */
  readonly status: number | undefined;
  readonly text: string;
  readonly ms: number;
}

export function connectTo(baseUrl: string): net.Socket {
  const socket = net.connect({ host: '127.0.0.1', port: Number(new URL(baseUrl).port) });
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  return socket;
}

/** Sends the bytes and reads until the server has answered once or hung up. */
export async function sendRaw(
  baseUrl: string,
  bytes: string | Buffer,
  { withinMs = 10_000, halfClose = false } = {},
): Promise<RawAnswer> {
  const startMs = performance.now();
  const socket = connectTo(baseUrl);
  let text = '';
  socket.on('data', (part) => {
    text += part.toString('latin1');
    if (isWhole(text)) socket.destroy();
  });
  socket.write(bytes);
  if (halfClose) socket.end();
  const timer = setTimeout(() => socket.destroy(), withinMs);
  await new Promise((resolve) => socket.once('close', resolve));
  clearTimeout(timer);
  const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
  return {
    status: status === undefined ? undefined : Number(status),
    text,
    ms: performance.now() - startMs,
  };
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1];
  if (length !== undefined) return text.length - end - 4 >= Number(length);
  return text.endsWith('0\r\n\r\n');
}

/** A good call's bytes, with other headers where they are given. */
export function chatBytes(key: string, body: object, headers: readonly string[] = []): string {
  const json = JSON.stringify(body);
  return [
    'POST /v1/chat/completions HTTP/1.1',
    'host: gateway.example',
    `authorization: Bearer ${key}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(json)}`,
    ...headers,
    '',
    json,
  ].join('\r\n');
}
