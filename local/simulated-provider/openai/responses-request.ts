/** A request to OpenAI's responses, as far as a stateless caller can go; hosted tools and stored state are unknown here. */
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
  unpaired,
} from '../question.ts';

const text = z.string();
const partSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('input_text'), text }),
  z.strictObject({
    type: z.literal('output_text'),
    text,
    annotations: z.array(z.unknown()).optional(),
    logprobs: z.array(z.unknown()).nullish(),
  }),
  z.strictObject({ type: z.literal('refusal'), refusal: text }),
  z.strictObject({
    type: z.literal('input_image'),
    image_url: z.string().regex(/^(data:image\/[a-z+]+;base64,|https?:\/\/)/),
    detail: z.enum(['auto', 'low', 'high', 'original']).optional(),
  }),
]);
const contentSchema = z.union([text, z.array(partSchema).min(1)]);
const id = z.string().nullish();
const status = z.enum(['in_progress', 'completed', 'incomplete']).nullish();
const summarySchema = z.strictObject({ type: z.literal('summary_text'), text });

const messageSchema = z.strictObject({
  type: z.literal('message').default('message'),
  id,
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: contentSchema,
  status,
  phase: z.string().nullish(),
});
const otherItemSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('function_call'),
    id,
    call_id: text,
    name: text,
    arguments: text.refine(isObjectText, 'not the JSON of an object'),
    status,
    namespace: z.string().nullish(),
  }),
  z.strictObject({
    type: z.literal('function_call_output'),
    id,
    call_id: text,
    output: contentSchema,
    status,
  }),
  z.strictObject({
    type: z.literal('reasoning'),
    id,
    summary: z.array(summarySchema),
    content: z.array(z.unknown()).nullish(),
    encrypted_content: z.string().nullish(),
    status,
  }),
]);

const requestSchema = z.strictObject({
  model: z.string().min(1),
  input: z.union([text.min(1), z.array(z.union([otherItemSchema, messageSchema])).min(1)]),
  instructions: z.string().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_obfuscation: z.boolean().optional() }).nullish(),
  max_output_tokens: z.int().min(16).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  tools: z
    .array(
      z.strictObject({
        type: z.literal('function'),
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
        description: z.string().nullish(),
        parameters: jsonSchemaSchema.nullish(),
        strict: z.boolean().nullish(),
      }),
    )
    .nullish(),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.strictObject({ type: z.literal('function'), name: z.string() }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z
    .strictObject({
      format: z
        .union([
          z.strictObject({ type: z.enum(['text', 'json_object']) }),
          z.strictObject({
            type: z.literal('json_schema'),
            name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
            description: z.string().nullish(),
            schema: jsonSchemaSchema,
            strict: z.boolean().nullish(),
          }),
        ])
        .nullish(),
      verbosity: z.enum(['low', 'medium', 'high']).nullish(),
    })
    .nullish(),
  reasoning: z
    .strictObject({
      effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
    })
    .nullish(),
  include: z
    .array(z.enum(['reasoning.encrypted_content', 'message.output_text.logprobs']))
    .nullish(),
  store: z.boolean().nullish(),
  background: z.literal(false).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  max_tool_calls: z.int().positive().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  service_tier: z.string().nullish(),
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  prompt_cache_retention: z.string().nullish(),
});

type Request = z.infer<typeof requestSchema>;
type Item = Exclude<Request['input'], string>[number];
type Content = z.infer<typeof contentSchema>;

export interface ReadResponses {
  readonly kind: 'ok';
  readonly question: Question;
  readonly stream: boolean;
  /** Thoughts are summed up in words, or kept to the model. */
  readonly summary: boolean;
  readonly encrypted: boolean;
}

export function readResponses(body: string): Invalid | ReadResponses {
  const parsed = parseBody(body, requestSchema);
  if (parsed.kind === 'invalid') return parsed;
  const request = parsed.value;
  const items: readonly Item[] =
    typeof request.input === 'string'
      ? [{ type: 'message', role: 'user', content: request.input }]
      : request.input;
  const broken = unpaired(toolTurns(items));
  if (broken !== undefined) return invalid(broken, 'input');
  return {
    kind: 'ok',
    question: questionOf(request, items),
    stream: request.stream ?? false,
    summary: request.reasoning?.summary != null,
    encrypted: request.include?.includes('reasoning.encrypted_content') ?? false,
  };
}

function questionOf(request: Request, items: readonly Item[]): Question {
  const { tools, tool_choice: choice, reasoning, instructions } = request;
  const last = items.at(-1);
  const images = items.reduce((sum, item) => sum + imagesOf(item), 0);
  const texts = [...(instructions == null ? [] : [instructions]), ...items.map(textOf)];
  return {
    model: request.model,
    lastText: last === undefined ? '' : textOf(last),
    lastImages: last === undefined ? 0 : imagesOf(last),
    mayCallTools: last?.type === 'message' && last.role === 'user',
    promptTokens: images * IMAGE_TOKENS + countTokens(texts, tools ?? []),
    cacheMarks: [],
    maxTokens: request.max_output_tokens ?? undefined,
    choices: 1,
    stop: [],
    tools: (tools ?? []).map(({ name, parameters }) => {
      return { name, schema: parameters ?? { type: 'object' } };
    }),
    toolChoice:
      typeof choice === 'object' && choice !== null ? { name: choice.name } : (choice ?? 'auto'),
    parallel: request.parallel_tool_calls ?? true,
    output: outputOf(request),
    thinks: reasoning?.effort != null && reasoning.effort !== 'none',
  };
}

function outputOf({ text: asked }: Request): Question['output'] {
  const format = asked?.format;
  if (format?.type === 'json_schema') return { schema: format.schema };
  return format?.type === 'json_object' ? 'json' : 'text';
}

/** Calls and their outputs are items of their own here; neighbours of one kind are one turn. */
function toolTurns(items: readonly Item[]) {
  const turns: { type: string; calls: string[]; results: string[] }[] = [];
  for (const item of items) {
    if (item.type === 'reasoning') continue;
    const last = turns.at(-1);
    const turn = { type: item.type, calls: [], results: [] };
    const same = last?.type === item.type ? last : (turns[turns.push(turn) - 1] ?? turn);
    if (item.type === 'function_call') same.calls.push(item.call_id);
    if (item.type === 'function_call_output') same.results.push(item.call_id);
  }
  return turns;
}

function textOf(item: Item): string {
  switch (item.type) {
    case 'message':
      return textOfContent(item.content);
    case 'function_call_output':
      return textOfContent(item.output);
    case 'function_call':
      return '';
    case 'reasoning':
      return '';
  }
}

function textOfContent(content: Content): string {
  if (typeof content === 'string') return content;
  return content
    .map((part) => ('text' in part ? part.text : part.type === 'refusal' ? part.refusal : ''))
    .join('');
}

function imagesOf(item: Item): number {
  const content =
    item.type === 'message'
      ? item.content
      : item.type === 'function_call_output'
        ? item.output
        : '';
  return typeof content === 'string'
    ? 0
    : content.filter(({ type }) => type === 'input_image').length;
}
