/**
 * An OpenAI chat completion request: strict about what Tollgate uses, and only fields on the list below
 * travel on. An unknown field is refused by name instead of being forwarded blindly or dropped silently.
 * Source: OpenAI API reference, "Create chat completion".
 */
import * as z from 'zod/mini';
import type { Target } from '../call.ts';
import { bodyReader, parseJsonBody, type SentBody } from '../request-body.ts';
import { writeBody } from '../written-body.ts';
import { CHAT_WITHHELD } from './chat-losses.ts';

const MAX_MESSAGES = 10_000;
const MAX_CHOICES = 128;
const MAX_TOKENS = 10_000_000;
const MAX_METADATA = 16;

const tokens = z.int().check(z.minimum(1), z.maximum(MAX_TOKENS));
const loose = z.optional(z.unknown());

const chatRequestSchema = z.strictObject({
  model: z.string().check(z.minLength(1), z.maxLength(256)),
  messages: z
    .array(
      z.looseObject({
        role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
      }),
    )
    .check(z.minLength(1), z.maxLength(MAX_MESSAGES)),
  stream: z.optional(z.nullable(z.boolean())),
  stream_options: z.optional(
    z.nullable(
      z.strictObject({
        include_usage: z.optional(z.nullable(z.boolean())),
        include_obfuscation: z.optional(z.nullable(z.boolean())),
      }),
    ),
  ),
  max_tokens: z.optional(z.nullable(tokens)),
  max_completion_tokens: z.optional(z.nullable(tokens)),
  n: z.optional(z.nullable(z.int().check(z.minimum(1), z.maximum(MAX_CHOICES)))),
  metadata: z.optional(
    z.nullable(
      z
        .record(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(512)))
        .check(
          z.refine(
            (tags) => Object.keys(tags).length <= MAX_METADATA,
            `at most ${MAX_METADATA} entries`,
          ),
        ),
    ),
  ),
  temperature: z.optional(z.nullable(z.number())),
  top_p: z.optional(z.nullable(z.number())),
  frequency_penalty: z.optional(z.nullable(z.number())),
  presence_penalty: z.optional(z.nullable(z.number())),
  seed: z.optional(z.nullable(z.int())),
  logprobs: z.optional(z.nullable(z.boolean())),
  top_logprobs: z.optional(z.nullable(z.int())),
  parallel_tool_calls: z.optional(z.nullable(z.boolean())),
  user: z.optional(z.nullable(z.string().check(z.maxLength(512)))),
  // Any other type is a tool that the provider runs itself: neither its cost nor its reach is bounded.
  tools: z.optional(
    z.nullable(
      z.array(z.looseObject({ type: z.enum(['function', 'custom']) })).check(z.maxLength(1_000)),
    ),
  ),
  stop: loose,
  logit_bias: loose,
  response_format: loose,
  tool_choice: loose,
  functions: loose,
  function_call: loose,
  reasoning_effort: loose,
  verbosity: loose,
  // Audio has prices of its own, and rejected predictions are billed beyond the maximum: neither is bounded yet.
  modalities: z.optional(z.nullable(z.array(z.literal('text')).check(z.maxLength(1)))),
  // Other tiers have other prices; none is priced yet, so none is sent.
  service_tier: z.optional(z.nullable(z.enum(['auto', 'default']))),
  safety_identifier: loose,
  prompt_cache_key: loose,
  prompt_cache_retention: loose,
  prompt_cache_options: loose,
  store: z.optional(z.nullable(z.boolean())),
});

const readRequest = bodyReader(chatRequestSchema);

export type ChatRequestBody = z.infer<typeof chatRequestSchema>;

interface ChatRequest {
  readonly body: ChatRequestBody;
  readonly sent: SentBody;
}

/** Understood here and never sent on: what Tollgate itself does with it is all that the caller asks for. */
const OWN: readonly (keyof ChatRequestBody)[] = ['metadata', 'user', 'service_tier'];

const WITHHELD = CHAT_WITHHELD.map(({ field }) => field);

/** What a provider does not get of the fields that the caller may miss. */
export function unforwarded(body: ChatRequestBody): string[] {
  return WITHHELD.filter((field) => body[field] != null && body[field] !== false);
}

/** Throws GatewayError `invalid_request` that names the field. */
export function parseChatRequest(bytes: Uint8Array): ChatRequest {
  const sent = parseJsonBody(bytes);
  return { body: readRequest(sent.json), sent };
}

/** The body for a provider of the same dialect: model and maximum replaced, usage always asked for. */
export function upstreamChatBody(
  { body, sent }: ChatRequest,
  { model, maxOutputTokens, maxTokensField, extra }: Target,
  leftOut: readonly string[],
): string | readonly Uint8Array[] {
  const forwarded: Record<string, unknown> = { ...body, model, ...extra };
  for (const field of [...OWN, ...WITHHELD, ...leftOut]) delete forwarded[field];
  delete forwarded['max_tokens'];
  delete forwarded['max_completion_tokens'];
  forwarded[maxTokensField ?? maximumField(body)] = maxOutputTokens;
  if (body.stream === true)
    forwarded['stream_options'] = { ...body.stream_options, include_usage: true };
  else delete forwarded['stream_options'];
  return writeBody(forwarded, sent);
}

/** The name that the caller chose: reasoning models refuse the old one, and old servers do not know the new one. */
function maximumField(body: ChatRequestBody): 'max_tokens' | 'max_completion_tokens' {
  const isOld = body.max_completion_tokens == null && body.max_tokens != null;
  return isOld ? 'max_tokens' : 'max_completion_tokens';
}
