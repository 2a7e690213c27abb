/** Where each dialect is spoken. A server's kind may stand before its paths: `/vllm/v1/chat/completions`. */
import { countTokens, messages } from './anthropic/messages.ts';
import { converse } from './bedrock/converse.ts';
import { chat } from './openai/chat.ts';
import { embeddings } from './openai/embeddings.ts';
import { responses } from './openai/responses.ts';
import type { Dialect, Endpoint, Flavour } from './wire.ts';

/** OpenAI needs no name before its paths; and Azure's own begin with `/openai`. */
const NAMED: readonly Flavour[] = [
  'openai-compatible',
  'vllm',
  'azure-openai',
  'anthropic',
  'bedrock',
];

const OPENAI: Readonly<Record<string, Dialect>> = {
  '/chat/completions': chat,
  '/embeddings': embeddings,
  '/responses': responses,
};

/** Dialects of servers that are not OpenAI's own; a server speaks only its own. */
const SPOKEN: Readonly<Record<Flavour, readonly Dialect[]>> = {
  openai: [chat, embeddings, responses],
  'openai-compatible': [chat, embeddings],
  vllm: [chat, embeddings],
  'azure-openai': [chat, embeddings, responses],
  anthropic: [messages, countTokens],
  bedrock: [converse],
};

export interface Address {
  /** Without the server's kind. */
  readonly path: string;
  readonly flavour: Flavour | undefined;
}

export function addressOf(url: string): Address {
  const [path = ''] = url.split('?');
  const flavour = NAMED.find((kind) => path.startsWith(`/${kind}/`));
  return { flavour, path: flavour === undefined ? path : path.slice(flavour.length + 1) };
}

/** Undefined where nothing is spoken. */
export function endpointOf(url: string): Endpoint | undefined {
  const { path, flavour } = addressOf(url);
  const found =
    (flavour === 'openai-compatible' ? compatibleEndpoint(path) : undefined) ??
    openAiEndpoint(path) ??
    azureEndpoint(url, path) ??
    anthropicEndpoint(path) ??
    bedrockEndpoint(path);
  if (found === undefined) return undefined;
  const endpoint = { ...found, flavour: flavour ?? found.flavour };
  return SPOKEN[endpoint.flavour].includes(endpoint.dialect) ? endpoint : undefined;
}

function openAiEndpoint(path: string): Endpoint | undefined {
  const dialect = path.startsWith('/v1/') ? spoken(path.slice('/v1'.length)) : undefined;
  return dialect === undefined ? undefined : { dialect, flavour: 'openai' };
}

/** Compatible servers have the dialect's paths behind whatever their makers chose. */
function compatibleEndpoint(path: string): Endpoint | undefined {
  const found = Object.keys(OPENAI).find((end) => path.endsWith(end));
  const dialect = spoken(found ?? '');
  return dialect === undefined ? undefined : { dialect, flavour: 'openai-compatible' };
}

/** The newer form names the deployment as the model, the dated one in the path, and needs its version. */
function azureEndpoint(url: string, path: string): Endpoint | undefined {
  const flavour = 'azure-openai';
  const newer = /^\/openai\/v1(?<rest>\/.*)$/.exec(path)?.groups?.['rest'];
  if (newer !== undefined) {
    const dialect = spoken(newer);
    return dialect === undefined ? undefined : { dialect, flavour };
  }
  const dated = /^\/openai\/deployments\/(?<model>[^/]+)(?<rest>\/.*)$/.exec(path)?.groups;
  const dialect = spoken(dated?.['rest'] ?? '');
  const model = decoded(dated?.['model'] ?? '');
  const isDated = /[?&]api-version=\d{4}-\d\d-\d\d/.test(url);
  return dialect === undefined || model === undefined || !isDated
    ? undefined
    : { dialect, flavour, model };
}

function anthropicEndpoint(path: string): Endpoint | undefined {
  if (path === '/v1/messages') return { dialect: messages, flavour: 'anthropic' };
  if (path !== '/v1/messages/count_tokens') return undefined;
  return { dialect: countTokens, flavour: 'anthropic' };
}

function bedrockEndpoint(path: string): Endpoint | undefined {
  const found = /^\/model\/(?<model>[^/]+)\/converse(?<stream>-stream)?$/.exec(path)?.groups;
  const model = decoded(found?.['model'] ?? '');
  return found === undefined || model === undefined
    ? undefined
    : { dialect: converse, flavour: 'bedrock', model, stream: found['stream'] !== undefined };
}

function spoken(path: string): Dialect | undefined {
  return Object.hasOwn(OPENAI, path) ? OPENAI[path] : undefined;
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
