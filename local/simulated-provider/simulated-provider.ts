/**
 * A provider of the OpenAI dialect for one machine: deterministic answers, adjustable speed, every fault
 * that a test needs (behaviour.ts), and its own books (ledger.ts). It listens on 127.0.0.1 only.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Clock, systemClock } from '../../core/clock.ts';
import { answerTo } from './answer.ts';
import { writeAnswer } from './answer-writer.ts';
import { type Behaviour, behaviourOf, PROFILES, type Speed } from './behaviour.ts';
import { type ChatRequest, readChatRequest } from './chat-request.ts';
import { type Ledger, type LedgerRow, type LedgerTotals, openLedger } from './ledger.ts';
import {
  type Refusal,
  refusal,
  refusalOf,
  sendRefusal,
  TOO_LARGE,
  unknownModel,
  unknownUrl,
  WRONG_KEY,
} from './refusals.ts';
import { stepsOf } from './steps.ts';
import type { Call } from './wire.ts';

export interface SimulatedProviderOptions {
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** Where the ledger is kept; absent: in memory. */
  readonly dataDir?: string;
  /** Speed of models that bring none of their own. */
  readonly speed?: Speed;
  /** Provider keys accepted; absent: any, also none. */
  readonly keys?: readonly string[];
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
const MAX_BODY_BYTES = 12_000_000;
const ID_BYTES = 15;
/** As long as real providers keep idle connections, so that callers' pools are worth having. */
const KEEP_ALIVE_MS = 65_000;

interface Provider {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly speed: Speed;
  readonly keys: readonly string[] | undefined;
  readonly models: readonly string[] | undefined;
}

export async function startSimulatedProvider({
  port = 0,
  dataDir,
  speed = DEFAULT_SPEED,
  keys,
  models,
  clock = systemClock,
}: SimulatedProviderOptions = {}): Promise<SimulatedProvider> {
  const ledger = openLedger(dataDir);
  const provider = { ledger, clock, speed, keys, models };
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
  const [path] = (request.url ?? '').split('?');
  response.setHeader('x-request-id', `req_${randomBytes(ID_BYTES).toString('hex')}`);
  if (request.method === 'POST' && path === '/v1/chat/completions') {
    return chatCompletion(provider, request, response);
  }
  request.resume();
  if (request.method !== 'GET') return sendRefusal(response, unknownUrl(request));
  if (path === '/health') return sendJson(response, { status: 'ok' });
  if (path === '/_simulated/ledger') {
    const { ledger } = provider;
    return sendJson(response, { totals: ledger.totals(), rows: ledger.rows() });
  }
  if (!knowsKey(provider, request)) return sendRefusal(response, WRONG_KEY);
  const models = provider.models ?? Object.keys(PROFILES);
  if (path === '/v1/models')
    return sendJson(response, { object: 'list', data: models.map(modelObject) });
  const model = models.find((name) => path === `/v1/models/${encodeURIComponent(name)}`);
  if (model !== undefined) return sendJson(response, modelObject(model));
  sendRefusal(response, unknownUrl(request));
}

async function chatCompletion(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedAtMs = provider.clock.nowMs();
  const body = await readBody(request);
  const read = body === undefined ? TOO_LARGE : checkedRequest(provider, request, body);
  if ('status' in read) return sendRefusal(response, read);
  const { chat, behaviour } = read;
  const row = newRow(request, chat, { behaviour, startedAtMs });
  const refused = refusalOf(behaviour);
  if (refused === undefined) return answer(provider, response, { ...read, row });
  provider.ledger.record({ ...row, status: typeof refused === 'string' ? 0 : refused.status });
  if (refused === 'reset') return void response.socket?.resetAndDestroy();
  if (refused !== 'hang') sendRefusal(response, refused);
}

interface CheckedRequest {
  readonly chat: ChatRequest;
  readonly behaviour: Behaviour;
}

/** In OpenAI's order: the key, the body, the model. */
function checkedRequest(
  provider: Provider,
  request: IncomingMessage,
  body: string,
): CheckedRequest | Refusal {
  if (!knowsKey(provider, request)) return WRONG_KEY;
  const read = readChatRequest(body);
  if (read.kind === 'invalid') {
    const { message, param } = read;
    return refusal(400, { message, param, type: 'invalid_request_error' });
  }
  const { model } = read.request;
  const behaviour = behaviourOf(model, provider.speed);
  const served = provider.models?.includes(model.split('+', 1).join('')) ?? true;
  return behaviour === undefined || !served
    ? unknownModel(model)
    : { chat: read.request, behaviour };
}

async function answer(
  { ledger, clock }: Provider,
  response: ServerResponse,
  { chat, behaviour, row }: CheckedRequest & { readonly row: LedgerRow },
): Promise<void> {
  const given = answerTo(chat, behaviour);
  const call: Call = {
    id: row.id,
    model: chat.model,
    created: Math.floor(row.startedAtMs / 1000),
    stream: row.stream,
    includeUsage: chat.stream_options?.include_usage ?? false,
  };
  response.statusCode = 200;
  response.setHeader(
    'content-type',
    row.stream ? 'text/event-stream; charset=utf-8' : 'application/json',
  );
  response.setHeader('openai-processing-ms', String(clock.nowMs() - row.startedAtMs));
  const reasoning = given.choices.reduce((sum, choice) => sum + choice.reasoningTokens, 0);
  await writeAnswer(response, stepsOf(call, given, behaviour), {
    behaviour,
    onEnd: ({ end, tokens, usageReported }) =>
      ledger.record({
        ...row,
        status: 200,
        end,
        promptTokens: given.promptTokens,
        cachedTokens: given.cachedTokens,
        completionTokens: tokens,
        reasoningTokens: Math.min(reasoning, tokens),
        usageReported,
      }),
  });
}

/** A row for a call that generated nothing yet. */
function newRow(
  { headers }: IncomingMessage,
  chat: ChatRequest,
  { behaviour, startedAtMs }: { behaviour: Behaviour; startedAtMs: number },
): LedgerRow {
  const requestId = headers['x-request-id'];
  return {
    startedAtMs,
    id: `chatcmpl-${randomBytes(ID_BYTES).toString('hex')}`,
    requestId: typeof requestId === 'string' ? requestId : null,
    authorizationHash: headers.authorization === undefined ? null : hash(headers.authorization),
    model: chat.model,
    stream: chat.stream ?? false,
    status: 200,
    fault: behaviour.fault ?? null,
    end: 'refused',
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    reasoningTokens: 0,
    usageReported: false,
  };
}

function knowsKey({ keys }: Provider, { headers }: IncomingMessage): boolean {
  return keys === undefined || keys.some((key) => headers.authorization === `Bearer ${key}`);
}

/** Undefined when the body is larger than any that is read. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString();
}

function modelObject(id: string) {
  return { id, object: 'model', created: 1_767_225_600, owned_by: 'simulated' };
}

function sendJson(response: ServerResponse, body: object): void {
  sendRefusal(response, { status: 200, body: JSON.stringify(body) });
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** A caller that left during its upload ends here too; anything else is a fault of this simulator. */
function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.closed) return void response.destroy();
  sendRefusal(response, refusal(500, { message: String(error), type: 'simulator_error' }));
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
