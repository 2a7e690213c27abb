/**
 * The caller: streams over node:http with kept connections, and takes the time of the first byte of the
 * body and of the last. Every load is bounded in calls and in time; a call that is not answered as it
 * should be fails the run, because its figures would mean nothing.
 */
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventsOf, type Load } from './loads.ts';

/** Where calls go. */
export interface Endpoint {
  readonly url: string;
  /** Absent: the provider itself is called, by its own model names. */
  readonly key?: string;
}

interface CallTimes {
  readonly ttftMs: number;
  readonly totalMs: number;
}

export interface LoadClient {
  /** Open loop: calls start on time, whatever became of the earlier ones. */
  paced(load: Load, arrival: Arrival): Promise<readonly CallTimes[]>;
  /** Closed loop: so many calls are always under way. Calls per second. */
  saturated(load: Load, limit: Saturation): Promise<{ calls: number; callsPerSecond: number }>;
  close(): void;
}

interface Arrival {
  readonly perSecond: number;
  readonly calls: number;
}

interface Saturation {
  readonly concurrency: number;
  readonly durationMs: number;
}

const CALL_TIMEOUT_MS = 20_000;
const EVENT_END = Buffer.from('\n\n');
const PROMPT = 'Say in a few words what a gateway is good for.';

export function createLoadClient(endpoint: Endpoint): LoadClient {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 512 });
  const call = (load: Load) => stream({ endpoint, agent }, load);
  return {
    paced(load, { perSecond, calls }) {
      const startedAtMs = performance.now();
      return Promise.all(
        Array.from({ length: calls }, async (_, index) => {
          await sleep(Math.max(0, startedAtMs + (index * 1000) / perSecond - performance.now()));
          return call(load);
        }),
      );
    },
    async saturated(load, { concurrency, durationMs }) {
      const startedAtMs = performance.now();
      let calls = 0;
      const worker = async () => {
        while (performance.now() < startedAtMs + durationMs) {
          await call(load);
          calls += 1;
        }
      };
      await Promise.all(Array.from({ length: concurrency }, worker));
      return { calls, callsPerSecond: (calls * 1000) / (performance.now() - startedAtMs) };
    },
    close: () => agent.destroy(),
  };
}

interface Wire {
  readonly endpoint: Endpoint;
  readonly agent: http.Agent;
}

function stream({ endpoint, agent }: Wire, load: Load): Promise<CallTimes> {
  const { url, key } = endpoint;
  const body = JSON.stringify({
    model: key === undefined ? load.upstream : load.alias,
    messages: [{ role: 'user', content: PROMPT }],
    stream: true,
    stream_options: { include_usage: true },
  });
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  return new Promise((resolve, reject) => {
    const startedAtMs = performance.now();
    const request = http.request(
      `${url}/v1/chat/completions`,
      { method: 'POST', headers, agent, timeout: CALL_TIMEOUT_MS },
      (response) => {
        readStream(response, { load, startedAtMs }).then(resolve, reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error(`${url} fell silent`)));
    request.on('error', reject);
    request.setNoDelay(true);
    request.end(body);
  });
}

async function readStream(
  response: http.IncomingMessage,
  { load, startedAtMs }: { load: Load; startedAtMs: number },
): Promise<CallTimes> {
  const chunks: Buffer[] = [];
  let firstAtMs: number | undefined;
  response.on('data', (chunk: Buffer) => {
    firstAtMs ??= performance.now();
    chunks.push(chunk);
  });
  await new Promise<void>((resolve, reject) => {
    response.on('end', resolve);
    response.on('error', reject);
  });
  const endedAtMs = performance.now();
  const bytes = Buffer.concat(chunks);
  if (response.statusCode !== 200 || firstAtMs === undefined)
    throw new Error(`answered ${response.statusCode}: ${bytes.toString().slice(0, 500)}`);
  const events = countEvents(bytes);
  if (events !== eventsOf(load))
    throw new Error(`${load.alias}: ${events} events came instead of ${eventsOf(load)}`);
  return { ttftMs: firstAtMs - startedAtMs, totalMs: endedAtMs - startedAtMs };
}

function countEvents(bytes: Buffer): number {
  let events = 0;
  for (let at = bytes.indexOf(EVENT_END); at >= 0; at = bytes.indexOf(EVENT_END, at + 2))
    events += 1;
  return events;
}
