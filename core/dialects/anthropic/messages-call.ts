/** Calls in Anthropic's dialect: a message, and the count of its tokens beforehand. */
import type { Headers } from '../../tenancy/authenticate.ts';
import { createTokenEstimate } from '../../usage/tokens.ts';
import type { Call } from '../call.ts';
import { type Betas, readBetas } from './betas.ts';
import { toConversation } from './conversation.ts';
import { readCount, readMessage } from './messages-answer.ts';
import {
  cacheWritesOf,
  type ParsedRequest,
  parseCountRequest,
  parseMessagesRequest,
  tokensBesideText,
  upstreamCountBody,
  upstreamMessagesBody,
} from './messages-request.ts';
import type { CountRequest } from './messages-schema.ts';
import { createMessagesStream } from './messages-stream.ts';
import { createMessagesEncoder, renderMessage } from './render.ts';
import { anthropicVoice } from './voice.ts';

/** Throws GatewayError `invalid_request` that names the field. */
export function messagesCall(bytes: Uint8Array, headers: Headers): Call {
  const parsed = parseMessagesRequest(bytes);
  const { body } = parsed;
  const betas = readBetas(headers['anthropic-beta']);
  const estimatedInputTokens = () => estimateTokens(body);
  return {
    ...factsOf(parsed, betas),
    stream: body.stream === true,
    maxOutputTokens: body.max_tokens,
    endUser: body.metadata?.user_id ?? undefined,
    estimatedInputTokens,
    pass: (target) => ({
      body: upstreamMessagesBody(parsed, target),
      dropped: betas.dropped,
      stream: createMessagesStream,
      whole: (answer) => ({ ...readMessage(answer), body: answer }),
    }),
    translation: {
      conversation: () => toConversation(body),
      encoder: (context) => createMessagesEncoder({ ...context, estimatedInputTokens }),
      render: (events, context) => renderMessage(events, { ...context, estimatedInputTokens }),
    },
  };
}

/**
 * Counts the tokens of a prompt. Anthropic does that for nothing, so it takes no budget and no tokens of
 * a limit; it is a request like any other, and only requests are limited. Where no route speaks the
 * dialect, the gateway answers with an estimate that is rather too high than too low.
 */
export function countTokensCall(bytes: Uint8Array, headers: Headers): Call {
  const parsed = parseCountRequest(bytes);
  const { body } = parsed;
  const betas = readBetas(headers['anthropic-beta']);
  return {
    ...factsOf(parsed, betas),
    task: 'count-tokens',
    stream: false,
    maxOutputTokens: 0,
    endUser: undefined,
    estimatedInputTokens: () => 0,
    pass: (target) => ({
      body: upstreamCountBody(parsed, target),
      dropped: betas.dropped,
      stream: createMessagesStream,
      whole: (answer) => ({ ...readCount(answer), body: answer }),
    }),
    ownAnswer: () => JSON.stringify({ input_tokens: upperEstimate(body) }),
  };
}

function factsOf(parsed: ParsedRequest<CountRequest>, betas: Betas) {
  const { body } = parsed;
  return {
    dialect: 'anthropic-messages',
    voice: anthropicVoice,
    alias: body.model,
    choices: 1,
    tokensBesideText: tokensBesideText(body),
    cacheWrites: cacheWritesOf(parsed),
    tags: {},
    headers: betas.headers,
  } as const;
}

/** Role and delimiters around each message. */
const TOKENS_AROUND_A_MESSAGE = 4;

/** The newest Claude models cut text into up to 1.35 times as many tokens as others (migration guide to 4.7, 2026). */
const UPPER_FACTOR = 1.4;

/** What a provider that counts nothing has read, as well as text alone tells. */
function estimateTokens({ system, messages, tools }: CountRequest): number {
  const estimate = createTokenEstimate();
  forEachText([system, messages, tools], estimate.add);
  return estimate.tokens() + messages.length * TOKENS_AROUND_A_MESSAGE;
}

function upperEstimate(body: CountRequest): number {
  return Math.ceil(estimateTokens(body) * UPPER_FACTOR) + tokensBesideText(body);
}

/** Fields that name things, or whose text no model reads as such. */
const NAMES: ReadonlySet<string> = new Set([
  'role',
  'type',
  'id',
  'tool_use_id',
  'signature',
  'cache_control',
  'media_type',
  'url',
]);

function forEachText(value: unknown, visit: (text: string) => void): void {
  if (typeof value === 'string') visit(value);
  else if (Array.isArray(value)) for (const item of value) forEachText(item, visit);
  else if (typeof value === 'object' && value !== null) {
    const isImage = 'type' in value && value.type === 'base64';
    for (const [name, item] of Object.entries(value))
      if (!NAMES.has(name) && !(isImage && name === 'data')) forEachText(item, visit);
  }
}
