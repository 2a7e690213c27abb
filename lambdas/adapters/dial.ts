/** New connections to one origin, plain or encrypted. */
import type { OnReadOpts, Socket } from 'node:net';
import { net, tls } from './builtin-net.ts';

/** Below the 350 s after which a NAT gateway forgets a silent connection. */
const KEEP_ALIVE_MS = 30_000;

/** `opened` is called when the connection, encrypted where it is to be, can be written to; bytes go to `onread` instead of the stream, where given. */
export type Dial = (opened: () => void, onread?: OnReadOpts) => Socket;

export function dialler(url: URL): Dial {
  // An address of IPv6 stands in brackets.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol !== 'https:') {
    const port = Number(url.port || 80);
    return (opened, onread) => tuned(net.connect({ host, port, ...reading(onread) }, opened));
  }
  const port = Number(url.port || 443);
  const servername = net.isIP(host) === 0 ? host : '';
  const fixed = { host, port, servername, ALPNProtocols: ['http/1.1'] };
  /** Of the last handshake: it saves a round trip and the certificate's verification. */
  let session: Buffer | undefined;
  return (opened, onread) => {
    const known = session === undefined ? {} : { session };
    const socket = tls.connect({ ...fixed, ...known, ...reading(onread) }, opened);
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

function reading(onread: OnReadOpts | undefined): { onread?: OnReadOpts } {
  return onread === undefined ? {} : { onread };
}

function tuned(socket: Socket): Socket {
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
}
