/**
 * An OpenAI chat completion request: strict about what Tollgate uses, and only fields on the list below
 * travel on. An unknown field is refused by name instead of being forwarded blindly or dropped silently.
 * Source: OpenAI API reference, "Create chat completion".
 */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';

const MAX_MESSAGES = 10_000;
const MAX_CHOICES = 128;
const MAX_TOKENS = 10_000_000;
const MAX_METADATA = 16;
/** Schemas of tools are the deepest that callers send; providers stop at far fewer. */
const MAX_DEPTH = 100;

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
        include_usage: z.optional(z.boolean()),
        include_obfuscation: z.optional(z.boolean()),
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
  tools: z.optional(z.nullable(z.array(loose).check(z.maxLength(1_000)))),
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
  store: loose,
});

export type ChatRequestBody = z.infer<typeof chatRequestSchema>;

/** Fields that are understood here and never sent on: Tollgate's own, or harmful to a tenant's isolation. */
const NOT_FORWARDED: readonly (keyof ChatRequestBody)[] = [
  'metadata',
  'store',
  'safety_identifier',
  'prompt_cache_key',
  'user',
  'service_tier',
];

export interface ChatCall {
  readonly alias: string;
  readonly stream: boolean;
  /** The caller wants the usage chunk; upstream is always asked for it. */
  readonly wantsUsage: boolean;
  readonly maxOutputTokens: number | undefined;
  readonly choices: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly endUser: string | undefined;
  readonly body: ChatRequestBody;
}

/** Throws GatewayError `invalid_request` that names the field. */
export function parseChatRequest(body: Uint8Array): ChatCall {
  const parsed = chatRequestSchema.safeParse(parseJson(body));
  if (!parsed.success) throw invalidField(parsed.error.issues[0]);
  const request = parsed.data;
  return {
    alias: request.model,
    stream: request.stream === true,
    wantsUsage: request.stream_options?.include_usage === true,
    maxOutputTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    choices: request.n ?? 1,
    tags: request.metadata ?? {},
    endUser: request.user ?? undefined,
    body: request,
  };
}

export interface Upstream {
  readonly model: string;
  readonly maxOutputTokens: number;
}

/** The body for an OpenAI-compatible provider: model and maximum replaced, usage always asked for. */
export function upstreamChatBody(
  { body, stream }: ChatCall,
  { model, maxOutputTokens }: Upstream,
  extra: Readonly<Record<string, string>>,
): string {
  const forwarded: Record<string, unknown> = { ...body, model, ...extra };
  for (const field of NOT_FORWARDED) delete forwarded[field];
  delete forwarded['max_tokens'];
  delete forwarded['max_completion_tokens'];
  forwarded[
    body.max_completion_tokens == null && body.max_tokens != null
      ? 'max_tokens'
      : 'max_completion_tokens'
  ] = maxOutputTokens;
  if (stream) forwarded['stream_options'] = { ...body.stream_options, include_usage: true };
  else delete forwarded['stream_options'];
  return JSON.stringify(forwarded);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function parseJson(body: Uint8Array): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(body));
  } catch {
    // The parser's own message quotes the body, and prompts stay out of logs.
    throw new GatewayError('invalid_request', 'The body is not valid JSON in UTF-8.');
  }
  if (isDeeperThan(parsed, MAX_DEPTH)) {
    throw new GatewayError(
      'invalid_request',
      `The body is nested deeper than ${MAX_DEPTH} levels.`,
    );
  }
  return parsed;
}

/** Looks no deeper than the bound itself: what is deeper would overflow whoever walks or writes it. */
function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((each) => isDeeperThan(each, levels - 1));
}

function invalidField(issue: z.core.$ZodIssue | undefined): GatewayError {
  const param =
    issue === undefined
      ? undefined
      : issue.path
          .concat(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])
          .join('.')
          .slice(0, 200);
  const name = param === undefined || param === '' ? 'body' : param;
  const what =
    issue?.code === 'unrecognized_keys'
      ? 'is not a field that this gateway forwards'
      : (issue?.message ?? 'is not valid').slice(0, 200);
  return new GatewayError('invalid_request', `Invalid value for '${name}': ${what}.`, {
    param: name,
  });
}
