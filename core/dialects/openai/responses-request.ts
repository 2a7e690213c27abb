/**
 * An OpenAI Responses request, stateless: the caller brings the whole conversation with every call. Strict
 * about what travels on; what refers to something stored at the provider is refused, because all tenants
 * share the provider's account. Source: OpenAI API reference, "Create a model response".
 */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import type { Target } from '../call.ts';
import { bodyReader, invalidField, parseJsonBody, type SentBody } from '../request-body.ts';
import { writeBody } from '../written-body.ts';
import { refusedFields } from './responses-fields.ts';
import { isOwnReasoning } from './responses-reasoning.ts';

const MAX_ITEMS = 10_000;
const MAX_PARTS = 10_000;
const MAX_TOKENS = 10_000_000;
const MAX_METADATA = 16;

const loose = z.optional(z.unknown());
const nothing = z.optional(z.null());
const nullish = <T extends z.ZodMiniType>(schema: T) => z.optional(z.nullable(schema));
const name = z.string().check(z.minLength(1), z.maxLength(256));
const schemaObject = z.record(z.string(), z.unknown());

const inputText = z.strictObject({ type: z.literal('input_text'), text: z.string() });
const inputImage = z.strictObject({
  type: z.literal('input_image'),
  image_url: z.string(),
  detail: nullish(z.string()),
  // A file at the provider may be another tenant's.
  file_id: nothing,
});
const outputText = z.strictObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: loose,
  logprobs: loose,
});
const refusal = z.strictObject({ type: z.literal('refusal'), refusal: z.string() });
const unbounded = { error: 'is of a type whose cost cannot be bounded' };

const message = z.strictObject({
  type: z.literal('message'),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: z.union([
    z.string(),
    z
      .array(z.discriminatedUnion('type', [inputText, inputImage, outputText, refusal], unbounded))
      .check(z.maxLength(MAX_PARTS)),
  ]),
  id: loose,
  status: loose,
  phase: loose,
});
const calledBefore = {
  call_id: name,
  id: loose,
  status: loose,
  caller: nothing,
  namespace: nothing,
};
const outcome = z.union([
  z.string(),
  z
    .array(z.discriminatedUnion('type', [inputText, inputImage], unbounded))
    .check(z.maxLength(MAX_PARTS)),
]);
const summaryText = z.strictObject({ type: z.literal('summary_text'), text: z.string() });
const reasoningText = z.strictObject({ type: z.literal('reasoning_text'), text: z.string() });

const item = z.discriminatedUnion(
  'type',
  [
    message,
    z.strictObject({
      type: z.literal('function_call'),
      ...calledBefore,
      name,
      arguments: z.string(),
    }),
    z.strictObject({ type: z.literal('function_call_output'), ...calledBefore, output: outcome }),
    z.strictObject({
      type: z.literal('custom_tool_call'),
      ...calledBefore,
      name,
      input: z.string(),
    }),
    z.strictObject({
      type: z.literal('custom_tool_call_output'),
      ...calledBefore,
      output: outcome,
    }),
    z.strictObject({
      type: z.literal('reasoning'),
      id: loose,
      status: loose,
      summary: z.array(summaryText),
      content: nullish(z.array(reasoningText)),
      encrypted_content: nullish(z.string()),
    }),
  ],
  {
    error: ({ input }) =>
      isRecord(input) && input['type'] === 'item_reference'
        ? 'nothing is stored that an item could refer to; set `store` to false in your client'
        : 'is of a type that the provider must have stored, or runs itself',
  },
);

const tool = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('function'),
      name,
      description: nullish(z.string()),
      parameters: nullish(schemaObject),
      strict: nullish(z.boolean()),
    }),
    z.strictObject({
      type: z.literal('custom'),
      name,
      description: nullish(z.string()),
      format: loose,
    }),
  ],
  {
    error: 'is of a type that the provider runs itself: neither its cost nor its reach is bounded',
  },
);

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name,
    description: nullish(z.string()),
    schema: schemaObject,
    strict: nullish(z.boolean()),
  }),
]);

const requestSchema = z.strictObject({
  model: name,
  input: z.union([z.string(), z.array(item).check(z.minLength(1), z.maxLength(MAX_ITEMS))]),
  instructions: nullish(z.string()),
  stream: nullish(z.boolean()),
  stream_options: nullish(z.strictObject({ include_obfuscation: z.optional(z.boolean()) })),
  max_output_tokens: nullish(z.int().check(z.minimum(1), z.maximum(MAX_TOKENS))),
  max_tool_calls: nullish(z.int()),
  metadata: nullish(
    z
      .record(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(512)))
      .check(
        z.refine(
          (tags) => Object.keys(tags).length <= MAX_METADATA,
          `at most ${MAX_METADATA} entries`,
        ),
      ),
  ),
  temperature: nullish(z.number()),
  top_p: nullish(z.number()),
  top_logprobs: nullish(z.int().check(z.minimum(0), z.maximum(20))),
  tools: nullish(z.array(tool).check(z.maxLength(1_000))),
  tool_choice: nullish(
    z.union([
      z.enum(['auto', 'none', 'required']),
      z.discriminatedUnion('type', [
        z.strictObject({ type: z.literal('function'), name }),
        z.strictObject({ type: z.literal('custom'), name }),
        z.strictObject({
          type: z.literal('allowed_tools'),
          mode: z.enum(['auto', 'required']),
          tools: z.array(z.unknown()),
        }),
      ]),
    ]),
  ),
  parallel_tool_calls: nullish(z.boolean()),
  text: nullish(z.strictObject({ format: nullish(format), verbosity: nullish(z.string()) })),
  reasoning: nullish(
    z.strictObject({
      effort: nullish(z.string().check(z.maxLength(32))),
      summary: nullish(z.enum(['auto', 'concise', 'detailed'])),
      generate_summary: nullish(z.enum(['auto', 'concise', 'detailed'])),
      context: nullish(z.string()),
    }),
  ),
  include: nullish(
    z.array(
      z.enum([
        'reasoning.encrypted_content',
        'message.output_text.logprobs',
        'message.input_image.image_url',
      ]),
    ),
  ),
  truncation: nullish(z.enum(['auto', 'disabled'])),
  // Other tiers have other prices; none is priced yet, so none is sent.
  service_tier: nullish(z.enum(['auto', 'default'])),
  user: nullish(z.string().check(z.maxLength(512))),
  store: nullish(z.boolean()),
  safety_identifier: loose,
  prompt_cache_key: loose,
  prompt_cache_retention: loose,
  background: loose,
  conversation: loose,
  previous_response_id: loose,
  prompt: loose,
});

const readRequest = bodyReader(requestSchema, (issue) => invalidField(deepest(issue)));

export type ResponsesBody = z.infer<typeof requestSchema>;
export type InputItem = z.infer<typeof item>;

interface ResponsesRequest {
  readonly body: ResponsesBody;
  readonly sent: SentBody;
}

/** Understood here and never sent on: the gateway's own, another's in effect, or refused unless empty. */
const NOT_FORWARDED: readonly (keyof ResponsesBody)[] = [
  'metadata',
  'user',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'background',
  'conversation',
  'previous_response_id',
  'prompt',
];

/** Throws GatewayError `invalid_request` that names the field. */
export function parseResponsesRequest(bytes: Uint8Array): ResponsesRequest {
  const sent = parseJsonBody(bytes);
  const body = readRequest(withItemTypes(sent.json));
  const [refused] = refusedFields(body, 'every provider');
  if (refused !== undefined) {
    const { field, reason } = refused;
    throw new GatewayError('invalid_request', `'${field}' is not supported: ${reason}.`, {
      param: field,
    });
  }
  return { body, sent };
}

/** The body for a provider of the same dialect: model and maximum replaced, nothing stored there. */
export function upstreamResponsesBody(
  { body, sent }: ResponsesRequest,
  target: Target,
): string | readonly Uint8Array[] {
  const { model, maxOutputTokens, extra } = target;
  const forwarded: Record<string, unknown> = { ...body, model, ...extra };
  for (const field of NOT_FORWARDED) delete forwarded[field];
  if (body.stream !== true) delete forwarded['stream_options'];
  // Another provider's reasoning, which the gateway has wrapped, means nothing to this one.
  if (typeof body.input !== 'string' && body.input.some(isOwnReasoning))
    forwarded['input'] = body.input.filter((each) => !isOwnReasoning(each));
  return writeBody({ ...forwarded, max_output_tokens: maxOutputTokens, store: false }, sent);
}

/** Messages may come without their type. */
function withItemTypes(body: unknown): unknown {
  if (!isRecord(body) || !Array.isArray(body['input'])) return body;
  const input: readonly unknown[] = body['input'];
  if (!input.some(hasNoType)) return body;
  return {
    ...body,
    input: input.map((each) => (hasNoType(each) ? { type: 'message', ...each } : each)),
  };
}

function hasNoType(item: unknown): item is Readonly<Record<string, unknown>> {
  return isRecord(item) && item['type'] === undefined && 'role' in item;
}

/** Of a choice that nothing fits, what is wrong in the alternative that fits best. */
function deepest(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== 'invalid_union') return issue;
  const inner = issue.errors
    .flatMap(([first]) => deepest(first) ?? [])
    .toSorted((a, b) => b.path.length - a.path.length)[0];
  if (inner === undefined || inner.path.length === 0) return issue;
  return { ...inner, path: [...issue.path, ...inner.path] };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
