/** A provider that says back the mark of each call, a few pieces with pauses between them, and ends as the mark's number says. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** `left`: its client leaves. `cancelled`: goes on until its connection is closed. */
export type CallKind = 'whole' | 'left' | 'cancelled' | 'refused' | 'broken';

const PIECES = 8;
/** Reported for whole calls. Input differs from call to call. */
export const TOKENS = { inputOf: (index: number) => 1_000 + index, output: PIECES };

export interface EchoProvider {
  readonly url: string;
  close(): void;
}

export function kindOf(index: number): CallKind {
  if (index % 40 === 7) return 'cancelled';
  if (index % 12 === 5) return 'left';
  if (index % 12 === 8) return 'refused';
  return index % 12 === 11 ? 'broken' : 'whole';
}

export async function startEchoProvider(): Promise<EchoProvider> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const index = Number(/<(\d+)>/.exec(Buffer.concat(parts).toString())?.[1]);
    await answer(response, index);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function answer(response: ServerResponse, index: number): Promise<void> {
  const kind = kindOf(index);
  if (kind === 'refused') {
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: `no`, type: 'invalid_request_error' } }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const say = (event: object) => response.write(`data: ${JSON.stringify(event)}\n\n`);
  const chunk = { id: `c${index}`, object: 'chat.completion.chunk', created: 1, model: 'chat' };
  const isEndless = kind === 'cancelled';
  for (let piece = 0; (isEndless || piece < PIECES) && !response.destroyed; piece += 1) {
    say({ ...chunk, choices: [{ index: 0, delta: { content: `<${index}> ` } }] });
    // Calls have different paces, so that their pieces mix.
    await sleep(isEndless ? 100 : 4 + (index % 7) * 3);
    if (kind === 'broken' && piece === PIECES / 2) return void response.destroy();
  }
  say({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  const usage = { prompt_tokens: TOKENS.inputOf(index), completion_tokens: TOKENS.output };
  say({ ...chunk, choices: [], usage: { ...usage, total_tokens: usage.prompt_tokens + PIECES } });
  response.end('data: [DONE]\n\n');
}
