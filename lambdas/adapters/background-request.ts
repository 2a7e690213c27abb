/**
 * One small HTTP request behind the last byte of a call: to a trace collector, to the trace store. It is bounded in
 * time as a whole, follows no redirect, and reads no more of the answer than its status.
 */
import type http from 'node:http';
import type https from 'node:https';

export interface BackgroundRequest {
  readonly method: 'POST' | 'PUT';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** From here to the answer's status. */
  readonly timeoutMs: number;
}

/** Connections are kept: an environment makes such a request for every call that is traced. */
const options = { keepAlive: true, maxSockets: 16, maxFreeSockets: 2 } as const;

export type SendInBackground = (request: BackgroundRequest) => Promise<void>;

interface Wire {
  readonly client: typeof http | typeof https;
  readonly agent: http.Agent;
}

/** Rejects unless the answer's status is 2xx. Node's clients are loaded here: most environments never need them for this. */
export function createBackgroundRequests(): { send: SendInBackground; close(): void } {
  const clients = {
    plain: process.getBuiltinModule('node:http'),
    encrypted: process.getBuiltinModule('node:https'),
  };
  const plain = { client: clients.plain, agent: new clients.plain.Agent(options) };
  const encrypted = { client: clients.encrypted, agent: new clients.encrypted.Agent(options) };
  return {
    send: (request) => send(request, request.url.protocol === 'http:' ? plain : encrypted),
    close() {
      plain.agent.destroy();
      encrypted.agent.destroy();
    },
  };
}

function send(
  { method, url, headers, body, timeoutMs }: BackgroundRequest,
  { client, agent }: Wire,
): Promise<void> {
  const bytes = Buffer.from(body);
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const call = client.request(url, {
      method,
      headers: { ...headers, 'content-length': String(bytes.length) },
      agent,
      signal,
    });
    call.on('error', reject);
    call.on('response', (response) => {
      const { statusCode = 0 } = response;
      response.on('error', reject);
      response.resume();
      if (statusCode >= 200 && statusCode < 300) response.on('end', resolve);
      else reject(new Error(`${url.host} answered ${statusCode}`));
    });
    call.end(bytes);
  });
}
