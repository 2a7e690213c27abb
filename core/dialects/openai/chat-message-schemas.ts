/**
 * The messages of a chat request as far as other dialects can say them. Clients send answers back as they
 * got them, so what only answers have is known here too.
 * Source: OpenAI API reference, "Create chat completion"; `cache_control` as OpenRouter and LiteLLM have it.
 */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import { invalidField } from '../request-body.ts';

const text = z.string();
const maybeText = z.optional(z.nullable(text));
const ignored = z.optional(z.unknown());

const cacheFields = {
  cache_control: z.optional(
    z.nullable(
      z.strictObject({
        type: z.literal('ephemeral'),
        ttl: z.optional(z.nullable(z.enum(['5m', '1h']))),
      }),
    ),
  ),
  prompt_cache_breakpoint: z.optional(
    z.nullable(z.strictObject({ mode: z.optional(z.literal('explicit')) })),
  ),
};

const partSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text, ...cacheFields }),
  z.strictObject({ type: z.literal('refusal'), refusal: text }),
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({
      url: text,
      detail: z.optional(z.nullable(z.enum(['auto', 'low', 'high', 'original']))),
    }),
    ...cacheFields,
  }),
]);
export type ContentPart = z.infer<typeof partSchema>;

/** `parsed` and `parsed_arguments` are what the official client's own helpers add to an answer. */
const functionCallSchema = z.strictObject({
  name: text,
  arguments: text,
  parsed_arguments: ignored,
});
const toolCallSchema = z.strictObject({
  id: text,
  type: z.literal('function'),
  function: functionCallSchema,
  index: ignored,
});

const content = z.optional(z.unknown());

export const messageSchemas = {
  instructions: z.strictObject({
    role: z.enum(['system', 'developer']),
    content,
    name: maybeText,
  }),
  user: z.strictObject({ role: z.literal('user'), content, name: maybeText }),
  assistant: z.strictObject({
    role: z.literal('assistant'),
    content,
    name: maybeText,
    refusal: maybeText,
    reasoning_content: maybeText,
    reasoning: maybeText,
    tool_calls: z.optional(z.nullable(z.array(toolCallSchema))),
    function_call: z.optional(z.nullable(functionCallSchema)),
    annotations: ignored,
    parsed: ignored,
    audio: z.optional(z.null()),
  }),
  tool: z.strictObject({
    role: z.literal('tool'),
    content,
    tool_call_id: text,
    name: maybeText,
  }),
  function: z.strictObject({ role: z.literal('function'), content, name: text }),
};
export type AssistantMessage = z.infer<typeof messageSchemas.assistant>;

type Path = readonly (string | number)[];

/** Throws GatewayError `invalid_request` that names the field by its whole path. */
export function checked<T extends z.ZodMiniType>(
  schema: T,
  value: unknown,
  path: Path,
): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalidField(issue === undefined ? issue : { ...issue, path: [...path, ...issue.path] });
}

/** A text is a content of one part; parts without a word in them say nothing. */
export function contentParts(value: unknown, path: Path): readonly ContentPart[] {
  if (value == null) return [];
  if (typeof value === 'string') return value === '' ? [] : [{ type: 'text', text: value }];
  if (Array.isArray(value))
    return value
      .map((part, index) => checked(partSchema, part, [...path, index]))
      .filter((part) => part.type !== 'text' || part.text !== '');
  throw invalidAt(path, 'must be a text or a list of parts');
}

export function invalidAt(path: Path, what: string): GatewayError {
  const param = path.join('.');
  return new GatewayError('invalid_request', `Invalid value for '${param}': ${what}.`, { param });
}
