/** What Node's own HTTP client makes of an answer, as the judge of a reader of our own. */
import http from 'node:http';
import { Duplex } from 'node:stream';

export interface ReadAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Undefined where the client finds no whole answer in the bytes and the connection's end behind them. */
export function answerByNode(bytes: Buffer): Promise<ReadAnswer | undefined> {
  const { promise, resolve } = Promise.withResolvers<ReadAnswer | undefined>();
  const agent = new http.Agent({ maxSockets: 1 });
  agent.createConnection = () => connectionWith(bytes);
  const request = http.request({ agent, method: 'POST', maxHeaderSize: 32_768 });
  const fail = () => resolve(undefined);
  request.on('error', fail);
  request.on('close', fail);
  request.on('upgrade', (_response, socket) => {
    socket.destroy();
    fail();
  });
  request.on('response', (response) => {
    request
      .off('close', fail)
      .off('error', fail)
      .on('error', () => undefined);
    const parts: Buffer[] = [];
    response.on('data', (part: Buffer) => parts.push(part));
    response.on('error', fail);
    response.on('end', () => {
      const headers = Object.entries(response.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(', ') : value,
      ]);
      const body = Buffer.concat(parts).toString('latin1');
      resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(headers), body });
    });
  });
  request.end();
  return promise;
}

/** Answers whatever is written, and ends. */
function connectionWith(bytes: Buffer): Duplex {
  return new Duplex({
    read() {},
    write(_chunk, _encoding, written) {
      written();
      setImmediate(() => {
        this.push(bytes);
        this.push(null);
      });
    },
  });
}
