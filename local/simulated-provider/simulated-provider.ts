/**
 * The providers, for one machine: OpenAI, Azure OpenAI, vLLM, Anthropic and Bedrock in their own dialects, one
 * model behind them all, with deterministic answers, adjustable speed, every fault that a test needs
 * (behaviour.ts), and its own books (ledger.ts). It listens on 127.0.0.1 only.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Clock, systemClock } from '../../core/clock.ts';
import type { PromptCache } from './answer.ts';
import { PROFILES, type Speed } from './behaviour.ts';
import { type Provider, serveCall } from './calls.ts';
import { wrongCredential } from './credentials.ts';
import { addressOf, endpointOf } from './endpoints.ts';
import { type LedgerTotals, openLedger } from './ledger.ts';
import { errorText } from './openai/errors.ts';
import { type Refusal, sendRefusal, wrongKey } from './refusals.ts';
import type { WireError } from './wire.ts';

export interface SimulatedProviderOptions {
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** Where the ledger is kept; absent: in memory. */
  readonly dataDir?: string;
  /** Speed of models that bring none of their own. */
  readonly speed?: Speed;
  /** Provider keys accepted; absent: any, also none. */
  readonly keys?: readonly string[];
  /** Secrets of AWS access keys, by their id, to check signatures with; others are believed. */
  readonly awsSecrets?: Readonly<Record<string, string>>;
  /** Names served, knobs aside; absent: every name. */
  readonly models?: readonly string[];
  readonly clock?: Clock;
}

export interface SimulatedProvider {
  readonly url: string;
  ledger(): LedgerTotals;
  /** Ends open connections too, and books what they were told. Closing again changes nothing. */
  close(): Promise<void>;
}

const DEFAULT_SPEED: Speed = { ttftMs: 50, tokensPerSecond: 200 };
const ID_BYTES = 15;
const MAX_CACHED_PREFIXES = 1_000;
/** As long as real providers keep idle connections, so that callers' pools are worth having. */
const KEEP_ALIVE_MS = 65_000;

export async function startSimulatedProvider({
  port = 0,
  dataDir,
  speed = DEFAULT_SPEED,
  keys,
  awsSecrets = {},
  models,
  clock = systemClock,
}: SimulatedProviderOptions = {}): Promise<SimulatedProvider> {
  const ledger = openLedger(dataDir);
  const credentials = { keys, awsSecrets };
  const provider = { ledger, clock, speed, credentials, models, cache: createPromptCache() };
  const inFlight = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const work = handle(provider, request, response)
      .catch((error: unknown) => fail(response, error))
      .finally(() => inFlight.delete(work));
    inFlight.add(work);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const stop = async () => {
    await closeServer(server);
    await Promise.all(inFlight);
    ledger.close();
  };
  let stopped: Promise<void> | undefined;
  return {
    url: await listen(server, port),
    ledger: () => ledger.totals(),
    close: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function handle(provider: Provider, request: IncomingMessage, response: ServerResponse) {
  const id = `req_${randomBytes(ID_BYTES).toString('hex')}`;
  for (const name of ['x-request-id', 'request-id', 'x-amzn-requestid'])
    response.setHeader(name, id);
  const endpoint = request.method === 'POST' ? endpointOf(request.url ?? '') : undefined;
  if (endpoint !== undefined) return serveCall(provider, endpoint, { request, response });
  request.resume();
  if (request.method !== 'GET') return sendRefusal(response, unknownUrl(request));
  const { path, flavour = 'openai' } = addressOf(request.url ?? '');
  if (path === '/health') return sendJson(response, { status: 'ok' });
  if (path === '/_simulated/ledger') {
    const { ledger } = provider;
    return sendJson(response, { totals: ledger.totals(), rows: ledger.rows() });
  }
  const facts = { request, flavour, body: '', nowMs: provider.clock.nowMs() };
  if (wrongCredential(provider.credentials, facts) !== undefined) {
    return sendRefusal(response, openAiRefusal(401, wrongKey()));
  }
  const models = provider.models ?? Object.keys(PROFILES);
  if (path === '/v1/models')
    return sendJson(response, { object: 'list', data: models.map(modelObject) });
  const model = models.find((name) => path === `/v1/models/${encodeURIComponent(name)}`);
  if (model !== undefined) return sendJson(response, modelObject(model));
  sendRefusal(response, unknownUrl(request));
}

/** Remembers so many prefixes, and then begins anew. */
function createPromptCache(): PromptCache {
  const prefixes = new Set<string>();
  return {
    has: (prefix) => prefixes.has(prefix),
    add: (prefix) => {
      if (prefixes.size >= MAX_CACHED_PREFIXES) prefixes.clear();
      prefixes.add(prefix);
    },
  };
}

function modelObject(id: string) {
  return { id, object: 'model', created: 1_767_225_600, owned_by: 'simulated' };
}

function unknownUrl({ method, url }: IncomingMessage): Refusal {
  const message = `Unknown request URL: ${method} ${url}.`;
  return openAiRefusal(404, { message, type: 'invalid_request_error', code: 'unknown_url' });
}

function openAiRefusal(status: number, error: WireError): Refusal {
  return { status, body: errorText(error, error.code) };
}

function sendJson(response: ServerResponse, body: object): void {
  sendRefusal(response, { status: 200, body: JSON.stringify(body) });
}

/** A caller that left during its upload ends here too; anything else is a fault of this simulator. */
function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.closed) return void response.destroy();
  sendRefusal(response, openAiRefusal(500, { message: String(error), type: 'simulator_error' }));
}

function listen(server: Server, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string')
        return reject(new Error('no TCP address'));
      resolve(`http://127.0.0.1:${address.port}`);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
    server.closeAllConnections();
  });
}
