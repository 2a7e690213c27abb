import { z } from 'zod';
import { jsonSchemaSchema } from './example-of-schema.ts';

const MAX_CHOICES = 128;
const MAX_STOPS = 4;

const partSchema = z.looseObject({ type: z.string(), text: z.string().optional() });
const contentSchema = z.union([z.string(), z.array(partSchema)]).nullish();
const roleSchema = z.enum(['developer', 'system', 'user', 'assistant', 'tool', 'function']);
const maxTokens = z.int().positive().nullish();

/** The fields of a chat completion request that change what is answered; all others are ignored. */
const chatRequestSchema = z.object({
  model: z.string().min(1),
  messages: z.array(z.looseObject({ role: roleSchema, content: contentSchema })).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: maxTokens,
  max_completion_tokens: maxTokens,
  n: z.int().min(1).max(MAX_CHOICES).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(MAX_STOPS)]).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  tools: z
    .array(
      z.object({
        type: z.literal('function'),
        function: z.object({ name: z.string(), parameters: jsonSchemaSchema.optional() }),
      }),
    )
    .nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
    ])
    .nullish(),
  response_format: z
    .union([
      z.object({ type: z.enum(['text', 'json_object']) }),
      z.object({
        type: z.literal('json_schema'),
        json_schema: z.object({ schema: jsonSchemaSchema.optional() }),
      }),
    ])
    .nullish(),
});

export type ChatRequest = z.infer<typeof chatRequestSchema>;

type ReadChatRequest =
  | { readonly kind: 'ok'; readonly request: ChatRequest }
  | { readonly kind: 'invalid'; readonly message: string; readonly param: string | null };

export function readChatRequest(body: string): ReadChatRequest {
  const json = parseJson(body);
  if (json === undefined) {
    const message = 'We could not parse the JSON body of your request.';
    return { kind: 'invalid', message, param: null };
  }
  const parsed = chatRequestSchema.safeParse(json.value);
  if (parsed.success) return { kind: 'ok', request: parsed.data };
  const [issue] = parsed.error.issues;
  const param = issue?.path.map(String).join('.') || null;
  return { kind: 'invalid', message: `Invalid value for '${param}': ${issue?.message}`, param };
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Tokens of the prompt by a fixed rule: a quarter of the UTF-8 bytes of every message and of the tools,
 * and four for each message. Never more than the bytes of the request's body.
 */
export function countPromptTokens({ messages, tools }: ChatRequest): number {
  const ofMessages = messages.map(({ content }) => 4 + quarter(textOf(content)));
  const ofTools = tools ? quarter(JSON.stringify(tools)) : 0;
  return ofMessages.reduce((sum, tokens) => sum + tokens, ofTools);
}

export function textOf(content: ChatRequest['messages'][number]['content']): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? JSON.stringify(part)).join('');
}

function quarter(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4);
}
