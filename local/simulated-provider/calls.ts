/** One call to a model: read it in its dialect, answer or misbehave, and book what was generated. */
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../core/clock.ts';
import { answerTo, type PromptCache, thinkingTokensOf } from './answer.ts';
import { writeAnswer } from './answer-writer.ts';
import { type Behaviour, behaviourOf, type Speed } from './behaviour.ts';
import { type Credentials, credentialOf, wrongCredential } from './credentials.ts';
import type { Ledger, LedgerRow } from './ledger.ts';
import {
  type Refusal,
  refusal,
  refusalOf,
  sendRefusal,
  unknownModel,
  wrongKey,
} from './refusals.ts';
import { stepsOf } from './steps.ts';
import type { Asked, Endpoint } from './wire.ts';

export interface Provider {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly speed: Speed;
  readonly credentials: Credentials;
  readonly models: readonly string[] | undefined;
  readonly cache: PromptCache;
}

const MAX_BODY_BYTES = 12_000_000;
const ID_BYTES = 15;
const OTHER_MODEL = 'another-model-2026-01-01';

export async function serveCall(
  provider: Provider,
  endpoint: Endpoint,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
): Promise<void> {
  const startedAtMs = provider.clock.nowMs();
  const body = await readBody(request);
  const read =
    body === undefined ? refusal(endpoint, 413) : checked(provider, endpoint, { request, body });
  if ('status' in read) return sendRefusal(response, read);
  const row = newRow(request, endpoint, { ...read, startedAtMs });
  const refused = refusalOf(read.behaviour, endpoint, request.url ?? '');
  if (refused === undefined) return answer(provider, response, { ...read, endpoint, row });
  provider.ledger.record({ ...row, status: typeof refused === 'string' ? 0 : refused.status });
  if (refused === 'reset') return void response.socket?.resetAndDestroy();
  if (refused !== 'hang') sendRefusal(response, refused);
}

interface Checked {
  readonly asked: Asked;
  /** As the caller named it, knobs included. */
  readonly model: string;
  readonly behaviour: Behaviour;
}

/** In the real services' order: the key, the body, the model. */
function checked(
  provider: Provider,
  endpoint: Endpoint,
  { request, body }: { readonly request: IncomingMessage; readonly body: string },
): Checked | Refusal {
  const { flavour, dialect } = endpoint;
  const facts = { request, flavour, body, nowMs: provider.clock.nowMs() };
  const wrong = wrongCredential(provider.credentials, facts);
  if (wrong !== undefined)
    return refusal(endpoint, flavour === 'bedrock' ? 403 : 401, wrongKey(wrong));
  if (flavour === 'anthropic' && request.headers['anthropic-version'] === undefined) {
    return badRequest(endpoint, 'anthropic-version: header is required', null);
  }
  const asked = dialect.read(body, endpoint);
  if (asked.kind === 'invalid') return badRequest(endpoint, asked.message, asked.param);
  const model = endpoint.model ?? asked.question.model;
  const behaviour = behaviourOf(model, provider.speed, asked.question.lastText);
  const served = provider.models?.includes(model.split('+', 1).join('')) ?? true;
  if (behaviour === undefined || !served) return unknownModel(endpoint, model);
  return { asked, model, behaviour };
}

function badRequest(endpoint: Endpoint, message: string, param: string | null): Refusal {
  return refusal(endpoint, 400, { message, param, type: 'invalid_request_error' });
}

async function answer(
  { ledger, clock, cache }: Provider,
  response: ServerResponse,
  {
    asked,
    model,
    behaviour,
    endpoint,
    row,
  }: Checked & { readonly endpoint: Endpoint; readonly row: LedgerRow },
): Promise<void> {
  const { cachesAlone, name } = endpoint.dialect;
  const given = answerTo(asked.question, { behaviour, cache, cachesAlone });
  const wire = asked.open(given, {
    id: row.id,
    model: behaviour.fault === 'wrong-model' ? OTHER_MODEL : model,
    flavour: endpoint.flavour,
    created: Math.floor(row.startedAtMs / 1000),
    behaviour,
  });
  response.statusCode = 200;
  response.setHeader('content-type', row.stream ? wire.contentType : 'application/json');
  response.setHeader('openai-processing-ms', String(clock.nowMs() - row.startedAtMs));
  const thinking = thinkingTokensOf(given);
  await writeAnswer(response, stepsOf(wire, given, { behaviour, stream: row.stream }), {
    behaviour,
    onEnd: ({ end, tokens, usageReported }) => {
      if (name === 'anthropic-count-tokens') return;
      ledger.record({
        ...row,
        end,
        promptTokens: given.promptTokens,
        cachedTokens: given.cachedTokens,
        cacheWriteTokens: given.cacheWrites['5m'] + given.cacheWrites['1h'],
        completionTokens: tokens,
        reasoningTokens: Math.min(thinking, tokens),
        usageReported,
      });
    },
  });
}

/** A row for a call that generated nothing yet. */
function newRow(
  request: IncomingMessage,
  { dialect }: Endpoint,
  { asked, model, behaviour, startedAtMs }: Checked & { readonly startedAtMs: number },
): LedgerRow {
  const requestId = request.headers['x-request-id'];
  const credential = credentialOf(request);
  return {
    startedAtMs,
    id: `${dialect.idPrefix}${randomBytes(ID_BYTES).toString('hex')}`,
    dialect: dialect.name,
    requestId: typeof requestId === 'string' ? requestId : null,
    authorizationHash: credential === undefined ? null : hash(credential),
    model,
    stream: asked.stream,
    status: 200,
    fault: behaviour.fault ?? null,
    end: 'refused',
    promptTokens: 0,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    completionTokens: 0,
    reasoningTokens: 0,
    usageReported: false,
  };
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

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
