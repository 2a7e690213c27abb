/** A provider that answers as its test says, and remembers what it was sent. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

interface SentRequest {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: unknown;
}

interface Script {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  /** The connection is closed behind the body, in the middle of the answer. */
  readonly breaksOff?: boolean;
}

export interface ScriptedProvider {
  readonly url: string;
  readonly sent: SentRequest[];
  answer(script: Script): void;
  close(): Promise<void>;
}

export async function startScriptedProvider(): Promise<ScriptedProvider> {
  const sent: SentRequest[] = [];
  let script: Script = { body: '{}' };
  const server = http.createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const body: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
    sent.push({ path: request.url ?? '', headers: request.headers, body });
    response.writeHead(script.status ?? 200, script.headers);
    if (script.breaksOff !== true) response.end(script.body);
    else response.write(script.body, () => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (!isTcp(address)) throw new TypeError('the provider has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    sent,
    answer: (next) => {
      script = next;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function isTcp(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}
