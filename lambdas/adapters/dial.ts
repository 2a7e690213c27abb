/** New connections to one origin, plain or encrypted. */
import type { Socket } from 'node:net';
import { net, tls } from './builtin-net.ts';

interface DialEvents {
  /** The connection, encrypted where it is to be, can be written to. */
  opened(): void;
  /** What came, in memory that the next read writes over. False: no more until the socket is resumed. */
  read(bytes: Buffer): boolean;
}

export type Dial = (on: DialEvents) => Socket;

/** Below the 350 s after which a NAT gateway forgets a silent connection: a model may think for longer. */
const KEEP_ALIVE_MS = 30_000;
/** All reads of the process, one after the other: memory of its own for each read would be most of what a call allocates. */
const READ_BYTES = 65_536;
let buffer: Buffer | undefined;

export function dialler(url: URL): Dial {
  // An address of IPv6 stands in brackets.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol !== 'https:') {
    const place = { host, port: Number(url.port || 80) };
    return ({ opened, read }) => tuned(net.connect({ ...place, onread: onread(read) }, opened));
  }
  const servername = net.isIP(host) === 0 ? host : '';
  const place = { host, port: Number(url.port || 443), servername, ALPNProtocols: ['http/1.1'] };
  /** Of the last handshake: it saves a round trip and the certificate's verification. */
  let session: Buffer | undefined;
  return ({ opened, read }) => {
    const known = session === undefined ? {} : { session };
    const options = { ...place, ...known, onread: onread(read) };
    const socket = tls.connect(options, opened);
    socket.on('session', (next) => {
      session = next;
    });
    // One that was refused is not offered again.
    socket.once('error', () => {
      session = undefined;
    });
    return tuned(socket);
  };
}

function onread(read: DialEvents['read']) {
  buffer ??= Buffer.allocUnsafeSlow(READ_BYTES);
  const shared = buffer;
  return { buffer: shared, callback: (length: number) => read(shared.subarray(0, length)) };
}

function tuned(socket: Socket): Socket {
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
}
