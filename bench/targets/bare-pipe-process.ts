/** The floor for anything written in Node: passes bytes on, both ways, and does nothing else. */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import * as z from 'zod';
import { listen, runChildServer } from '../child-server.ts';

runChildServer(z.object({ providerUrl: z.string() }), ({ providerUrl }) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 512 });
  return listen((request, response) => pass({ agent, providerUrl }, request, response));
});

interface Pipe {
  readonly agent: http.Agent;
  readonly providerUrl: string;
}

function pass(
  { agent, providerUrl }: Pipe,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { method, headers, url } = request;
  const upstream = http.request(`${providerUrl}${url}`, { method, headers, agent });
  upstream.setNoDelay(true);
  upstream.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    // A failed pipe has destroyed both ends already; whoever counts events sees it.
    pipeline(answer, response, () => undefined);
  });
  pipeline(request, upstream, (fault) => {
    if (fault) response.destroy();
  });
}
