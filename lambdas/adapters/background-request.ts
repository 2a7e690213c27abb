/**
 * One small HTTP request behind the last byte of a call: to a trace collector, to the trace store. It is bounded in
 * time as a whole, follows no redirect, and reads no more of the answer than its status.
 */
import http from 'node:http';
import https from 'node:https';

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

/** Rejects unless the answer's status is 2xx. */
export function createBackgroundRequests(): { send: SendInBackground; close(): void } {
  const agents = { http: new http.Agent(options), https: new https.Agent(options) };
  return {
    send: (request) => send(request, agents),
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

function send(
  { method, url, headers, body, timeoutMs }: BackgroundRequest,
  agents: { readonly http: http.Agent; readonly https: https.Agent },
): Promise<void> {
  const isPlain = url.protocol === 'http:';
  const bytes = Buffer.from(body);
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const call = (isPlain ? http : https).request(url, {
      method,
      headers: { ...headers, 'content-length': String(bytes.length) },
      agent: isPlain ? agents.http : agents.https,
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
