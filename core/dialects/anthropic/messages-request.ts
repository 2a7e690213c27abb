/** A messages request from a caller's bytes, and the body for a provider that speaks the same dialect. */
import { GatewayError } from '../../errors.ts';
import { TOKENS_FOR_TOOLS, TOKENS_PER_IMAGE } from '../allowances.ts';
import type { Target } from '../call.ts';
import { asRecord } from '../json-record.ts';
import { bodyReader, parseJsonBody, type SentBody } from '../request-body.ts';
import { writeBody } from '../written-body.ts';
import {
  type BlockParam,
  type CountRequest,
  countRequestSchema,
  type MessagesRequest,
  messagesRequestSchema,
} from './messages-schema.ts';
import { isObject } from './stream-watch.ts';
import { assertSupported } from './unsupported.ts';

export interface ParsedRequest<Body> {
  readonly body: Body;
  /** The same as sent, its fields in the caller's order: a provider's cache compares prompts byte by byte. */
  readonly sent: SentBody;
}

const readMessages = bodyReader(messagesRequestSchema);
const readCount = bodyReader(countRequestSchema);

/** Throws GatewayError `invalid_request` that names the field. */
export function parseMessagesRequest(bytes: Uint8Array): ParsedRequest<MessagesRequest> {
  const sent = parseJsonBody(bytes);
  assertSupported(sent.json);
  return { body: readMessages(sent.json), sent };
}

/** Throws GatewayError `invalid_request` that names the field. */
export function parseCountRequest(bytes: Uint8Array): ParsedRequest<CountRequest> {
  const sent = parseJsonBody(bytes);
  assertSupported(sent.json);
  return { body: readCount(sent.json), sent };
}

/** Fields that are understood here and never sent on. A user's id is the caller's business, and the ledger's. */
const NOT_FORWARDED = ['metadata', 'speed'];

export function upstreamMessagesBody(
  { body, sent }: ParsedRequest<MessagesRequest>,
  { model, maxOutputTokens, extra }: Target,
): string | readonly Uint8Array[] {
  const maximum =
    body.max_tokens === maxOutputTokens
      ? {}
      : { max_tokens: maxOutputTokens, ...thinkingWithin(body, maxOutputTokens) };
  return upstreamBody(sent, { model, ...maximum, ...extra });
}

/** Thinking is part of the output, so a smaller maximum leaves less room for it; the provider wants at least this much. */
const MIN_BUDGET_TOKENS = 1_024;

function thinkingWithin({ thinking }: MessagesRequest, maxOutputTokens: number): object {
  if (thinking?.type !== 'enabled' || thinking.budget_tokens < maxOutputTokens) return {};
  const budget = Math.max(MIN_BUDGET_TOKENS, maxOutputTokens - 1);
  return { thinking: { ...thinking, budget_tokens: budget } };
}

export function upstreamCountBody(
  { sent }: ParsedRequest<CountRequest>,
  target: Target,
): string | readonly Uint8Array[] {
  return upstreamBody(sent, { model: target.model, ...target.extra });
}

function upstreamBody(
  sent: SentBody,
  own: Readonly<Record<string, unknown>>,
): string | readonly Uint8Array[] {
  const forwarded: Record<string, unknown> = { ...asRecord(sent.json), ...own };
  for (const field of NOT_FORWARDED) delete forwarded[field];
  const { messages } = forwarded;
  if (Array.isArray(messages) && messages.some(hasUnsignedThinking))
    forwarded['messages'] = messages.map(withoutUnsignedThinking);
  return writeBody(forwarded, sent);
}

/** Thinking that a model of another dialect did for an earlier turn has no signature, and is refused as forged. */
function hasUnsignedThinking({ content }: { readonly content: unknown }): boolean {
  return Array.isArray(content) && content.some(isUnsigned);
}

function withoutUnsignedThinking(message: { readonly content: unknown }): unknown {
  const { content } = message;
  if (!Array.isArray(content)) return message;
  return { ...message, content: content.filter((block) => !isUnsigned(block)) };
}

function isUnsigned(block: { readonly type?: unknown; readonly signature?: unknown }): boolean {
  return block.type === 'thinking' && block.signature === '';
}

/** Upper bound of what the bytes of the request do not bound. */
export function tokensBesideText(body: CountRequest): number {
  const hasSchema = (body.tools?.length ?? 0) > 0 || formatOf(body) != null;
  const given = body.tools?.filter(({ type }) => type != null && type !== 'custom').length ?? 0;
  return (
    (hasSchema ? TOKENS_FOR_TOOLS : 0) +
    // Anthropic writes their definitions: up to 700 tokens each ("Text editor tool", 2026).
    given * TOKENS_FOR_TOOLS +
    body.messages.reduce((sum, { content }) => sum + imagesIn(content), 0) * TOKENS_PER_IMAGE
  );
}

/** The longest write to the provider's cache that the caller's marks can cause. */
export function cacheWritesOf({ sent }: ParsedRequest<CountRequest>): 'none' | '5m' | '1h' {
  const { cache_control, system, tools, messages } = asRecord(sent.json) ?? {};
  const marks = [...marksIn([{ cache_control }, system, tools, messages])];
  if (marks.length === 0) return 'none';
  return marks.includes('1h') ? '1h' : '5m';
}

/** The durations of the marks on blocks, which may hold blocks of their own. */
function* marksIn(value: unknown): Generator<string> {
  if (Array.isArray(value)) for (const item of value) yield* marksIn(item);
  else if (isObject(value)) {
    const { cache_control: mark, content, source } = value;
    if (isObject(mark)) yield mark['ttl'] === '1h' ? '1h' : '5m';
    yield* marksIn([content, source]);
  }
}

export function formatOf({ output_config, output_format }: CountRequest) {
  if (output_config?.format != null && output_format != null)
    throw new GatewayError(
      'invalid_request',
      "Give 'output_config.format' or 'output_format', not both.",
      { param: 'output_format' },
    );
  return output_config?.format ?? output_format;
}

function imagesIn(content: string | readonly BlockParam[]): number {
  if (typeof content === 'string') return 0;
  return content.reduce((sum, block) => sum + imagesOf(block), 0);
}

function imagesOf(block: BlockParam): number {
  switch (block.type) {
    case 'image':
      return 1;
    case 'tool_result':
      return imagesIn(block.content ?? '');
    case 'document':
      return block.source.type === 'content' ? imagesIn(block.source.content) : 0;
    default:
      return 0;
  }
}
