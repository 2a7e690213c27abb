/**
 * Plays API Gateway REST for one deployed API: routes, transfer modes, time-outs and refusals are the template's. It
 * knows functions only by name and never looks into a body.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import type { ApiDefinition, Route } from './front/api-definition.ts';
import {
  type RelayOptions,
  type RelayOutcome,
  relayBuffered,
  relayStreamed,
} from './front/function-response.ts';
import { type Refusal, sendRefusal } from './front/gateway-response.ts';
import { matchRoute } from './front/match-route.ts';
import { proxyEvent } from './front/proxy-event.ts';
import { createThrottle, type Throttle } from './front/throttle.ts';
import type { PoolResult } from './runtime/function-pool.ts';

const MAX_BODY_BYTES = 10 * 1024 * 1024;
/** API Gateway's limit of silence on a Regional API's stream. */
const STREAM_IDLE_TIMEOUT_MS = 5 * 60_000;

/** Answers that are under way when the system stops get so long to end. */
const CLOSE_GRACE_MS = 3_000;

export interface FrontOptions {
  readonly api: ApiDefinition;
  readonly invoke: (functionName: string, event: unknown) => Promise<PoolResult>;
  readonly clock: Clock;
  /** 0: any free port of 127.0.0.1. */
  readonly port: number;
  readonly streamIdleTimeoutMs?: number;
}

export interface Front {
  readonly url: string;
  close(): Promise<void>;
}

export async function startFront(options: FrontOptions): Promise<Front> {
  const throttle = createThrottle(options.api.throttle, options.clock);
  const server = createServer(
    // A client that dribbles its head or its body holds a socket for so long and no longer.
    {
      headersTimeout: 10_000,
      requestTimeout: 60_000,
      keepAliveTimeout: 60_000,
      connectionsCheckingInterval: 5_000,
    },
    (request, response) => {
      // Whatever goes wrong here is this file's fault and concerns one connection only.
      serve({ ...options, request, response, throttle }).catch(() => response.destroy());
    },
  );
  server.maxHeadersCount = 200;
  await listen(server, options.port);
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : options.port;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

interface Exchange extends FrontOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly throttle: Throttle;
}

async function serve(exchange: Exchange): Promise<void> {
  const { api, request, response } = exchange;
  const target = request.url ?? '/';
  const url = new URL(`http://localhost${target.startsWith('/') ? target : '/'}`);
  const method = request.method ?? 'GET';
  const requestId = randomUUID();
  const refuse = (refusal: Refusal): void =>
    sendRefusal(response, api, refusal, {
      requestId,
      path: url.pathname,
      method,
      stage: api.stage,
    });
  response.on('error', () => response.destroy());
  const match = matchRoute(api.routes, method, url.pathname);
  if (match === undefined) return refuse('MISSING_AUTHENTICATION_TOKEN');
  if (!exchange.throttle.take()) return refuse('THROTTLED');
  const body = await readBody(request);
  if (body === undefined) return refuse('REQUEST_TOO_LARGE');
  const event = proxyEvent({
    api,
    match,
    request,
    url,
    body,
    requestId,
    nowMs: exchange.clock.nowMs(),
  });
  const { route } = match;
  const timer = setTimeout(() => timeOut(response, refuse), route.timeoutMs);
  response.once('close', () => clearTimeout(timer));
  const result = await exchange.invoke(route.functionName, event);
  const relay = {
    response,
    requestId,
    idleTimeoutMs: exchange.streamIdleTimeoutMs ?? STREAM_IDLE_TIMEOUT_MS,
  };
  const outcome = await answer(result, route, relay);
  if (outcome !== 'sent' && outcome !== 'truncated') refuse(outcome);
}

/** The function is not told and may go on; its output is read and dropped. */
function timeOut(response: ServerResponse, refuse: (refusal: Refusal) => void): void {
  if (response.headersSent) response.destroy();
  else refuse('INTEGRATION_TIMEOUT');
}

async function answer(
  result: PoolResult,
  route: Route,
  relay: RelayOptions,
): Promise<Refusal | 'sent' | 'truncated'> {
  switch (result.kind) {
    case 'throttled':
      return 'THROTTLED';
    case 'too-large':
      return 'REQUEST_TOO_LARGE';
    case 'failed':
      return 'MALFORMED_RESPONSE';
    case 'response': {
      const outcome = await relayResponse(result, route, relay);
      return outcome === 'malformed' ? 'MALFORMED_RESPONSE' : outcome;
    }
  }
}

/** A streaming function behind a buffered route, or the reverse, is as broken here as it is there. */
function relayResponse(
  result: Extract<PoolResult, { kind: 'response' }>,
  route: Route,
  relay: RelayOptions,
): Promise<RelayOutcome> {
  if (route.streaming) return relayStreamed(result.contentType, result.body, relay);
  return relayBuffered(result.body, relay);
}

/** Undefined: too large. The rest of it is then read and dropped, so that the client gets to read the refusal. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      request.resume();
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}
