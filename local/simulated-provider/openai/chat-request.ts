/** A chat completion request, as strict as OpenAI's own servers, and vLLM's fields where the server is one. */
import { z } from 'zod';
import { jsonSchemaSchema } from '../example-of-schema.ts';
import {
  countTokens,
  IMAGE_TOKENS,
  type Invalid,
  invalid,
  isObjectText,
  parseBody,
  type Question,
  type ToolTurn,
  unpaired,
} from '../question.ts';
import type { Flavour } from '../wire.ts';

const MAX_CHOICES = 128;
const MAX_STOPS = 4;

const textSchema = z.strictObject({ type: z.literal('text'), text: z.string() });
const partSchema = z.discriminatedUnion('type', [
  textSchema,
  z.strictObject({ type: z.literal('refusal'), refusal: z.string() }),
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({
      url: z.string().regex(/^(data:image\/[a-z+]+;base64,|https?:\/\/)/),
      detail: z.enum(['auto', 'low', 'high', 'original']).optional(),
    }),
  }),
]);
const partsSchema = z.union([z.string(), z.array(partSchema).min(1)]);
const name = z.string().optional();
/** The official client's own loop sends its messages back with what it parsed, so these two are let through. */
const parsed = z.unknown().optional();
const toolCallSchema = z.strictObject({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.strictObject({
    name: z.string(),
    arguments: z.string().refine(isObjectText, 'not the JSON of an object'),
    parsed_arguments: parsed,
  }),
});
const calledSchema = z.strictObject({ name: z.string(), arguments: z.string() });

const messageSchema = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'developer', 'user']), content: partsSchema, name }),
  z.strictObject({
    role: z.literal('assistant'),
    content: partsSchema.nullish(),
    name,
    refusal: z.string().nullish(),
    tool_calls: z.array(toolCallSchema).min(1).optional(),
    function_call: calledSchema.nullish(),
    annotations: z.array(z.unknown()).optional(),
    audio: z.null().optional(),
    parsed,
    reasoning: z.string().nullish(),
    reasoning_content: z.string().nullish(),
  }),
  z.strictObject({ role: z.literal('tool'), content: partsSchema, tool_call_id: z.string() }),
  z.strictObject({ role: z.literal('function'), content: z.string().nullable(), name: z.string() }),
]);

const functionSchema = z.strictObject({
  name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
  description: z.string().optional(),
  parameters: jsonSchemaSchema.optional(),
  strict: z.boolean().nullish(),
});
const maxTokens = z.int().positive().nullish();
const anything = z.unknown().optional();

const chatRequestSchema = z.strictObject({
  model: z.string().min(1),
  messages: z.array(messageSchema).min(1),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({
      include_usage: z.boolean().nullish(),
      include_obfuscation: z.boolean().nullish(),
    })
    .nullish(),
  max_tokens: maxTokens,
  max_completion_tokens: maxTokens,
  n: z.int().min(1).max(MAX_CHOICES).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(MAX_STOPS)]).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  tools: z
    .array(z.strictObject({ type: z.literal('function'), function: functionSchema }))
    .min(1)
    .nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.strictObject({
        type: z.literal('function'),
        function: z.strictObject({ name: z.string() }),
      }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: z.array(functionSchema).nullish(),
  function_call: anything,
  response_format: z
    .union([
      z.strictObject({ type: z.enum(['text', 'json_object']) }),
      z.strictObject({
        type: z.literal('json_schema'),
        json_schema: z.strictObject({
          name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
          description: z.string().nullish(),
          schema: jsonSchemaSchema.optional(),
          strict: z.boolean().nullish(),
        }),
      }),
    ])
    .nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
  seed: z.int().nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  modalities: z.array(z.enum(['text', 'audio'])).nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'scale', 'priority']).nullish(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  user: z.string().nullish(),
  store: z.boolean().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_retention: z.string().nullish(),
  prediction: anything,
  audio: anything,
  web_search_options: anything,
});

/** vLLM, "Chat API, extra parameters": the fair ones, and the two that only the gateway sets. */
const vllmRequestSchema = chatRequestSchema.extend({
  cache_salt: z.string().min(1).optional(),
  priority: z.int().optional(),
  top_k: z.int().optional(),
  min_p: z.number().optional(),
  repetition_penalty: z.number().optional(),
  stop_token_ids: z.array(z.int()).optional(),
  include_stop_str_in_output: z.boolean().optional(),
  skip_special_tokens: z.boolean().optional(),
  bad_words: z.array(z.string()).optional(),
  include_reasoning: z.boolean().optional(),
});

type ChatRequest = z.infer<typeof chatRequestSchema>;
type Message = ChatRequest['messages'][number];
type Content = Message['content'];

export interface ReadChat {
  readonly kind: 'ok';
  readonly question: Question;
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

export function readChat(body: string, flavour: Flavour): Invalid | ReadChat {
  const schema = flavour === 'vllm' ? vllmRequestSchema : chatRequestSchema;
  const parsed = parseBody(body, schema);
  if (parsed.kind === 'invalid') return parsed;
  const request = parsed.value;
  if (request.stream_options != null && request.stream !== true) {
    return invalid("'stream_options' is only allowed when 'stream' is true.", 'stream_options');
  }
  if (request.tool_choice != null && !request.tools) {
    return invalid("'tool_choice' is only allowed when 'tools' are given.", 'tool_choice');
  }
  const broken = unpaired(toolTurns(request.messages));
  if (broken !== undefined) return invalid(broken, 'messages');
  return {
    kind: 'ok',
    question: questionOf(request),
    stream: request.stream ?? false,
    includeUsage: request.stream_options?.include_usage ?? false,
  };
}

function questionOf(request: ChatRequest): Question {
  const { messages, stop, tools, tool_choice: choice, response_format: format } = request;
  const last = messages.at(-1);
  const images = messages.reduce((sum, { content }) => sum + imagesOf(content), 0);
  return {
    model: request.model,
    lastText: textOf(last?.content),
    lastImages: imagesOf(last?.content),
    mayCallTools: last?.role === 'user',
    promptTokens:
      images * IMAGE_TOKENS +
      countTokens(
        messages.map(({ content }) => textOf(content)),
        tools ?? [],
      ),
    cacheMarks: [],
    maxTokens: request.max_completion_tokens ?? request.max_tokens ?? undefined,
    choices: request.n ?? 1,
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    tools: (tools ?? []).map(({ function: { name, parameters } }) => {
      return { name, schema: parameters ?? { type: 'object' } };
    }),
    toolChoice:
      typeof choice === 'object' && choice !== null ? choice.function : (choice ?? 'auto'),
    parallel: request.parallel_tool_calls ?? true,
    output: outputOf(format),
    thinks: request.reasoning_effort != null && request.reasoning_effort !== 'none',
  };
}

function outputOf(format: ChatRequest['response_format']): Question['output'] {
  if (format?.type === 'json_schema') return { schema: format.json_schema.schema ?? {} };
  return format?.type === 'json_object' ? 'json' : 'text';
}

/** Results of tools stand in messages of their own here; neighbours are one turn. */
function toolTurns(messages: readonly Message[]): readonly ToolTurn[] {
  const turns: { calls: string[]; results: string[] }[] = [];
  for (const [index, message] of messages.entries()) {
    const before = messages[index - 1];
    const turn =
      message.role === 'tool' && before?.role === 'tool'
        ? turns.at(-1)
        : turns[turns.push({ calls: [], results: [] }) - 1];
    if (message.role === 'tool') turn?.results.push(message.tool_call_id);
    if (message.role === 'assistant') {
      turn?.calls.push(...(message.tool_calls ?? []).map(({ id }) => id));
    }
  }
  return turns;
}

function textOf(content: Content): string {
  if (typeof content === 'string') return content;
  return (content ?? [])
    .map((part) => (part.type === 'text' ? part.text : part.type === 'refusal' ? part.refusal : ''))
    .join('');
}

function imagesOf(content: Content): number {
  if (typeof content === 'string') return 0;
  return (content ?? []).filter(({ type }) => type === 'image_url').length;
}
