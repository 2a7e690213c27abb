/**
 * The shape of an Anthropic messages request: strict, so that a field nobody here knows is refused by name
 * and neither forwarded blindly nor dropped silently. What the API has and the gateway refuses on purpose
 * is told by unsupported.ts before this shape is looked at.
 * Source: Anthropic API reference, "Create a Message" (anthropic-version 2023-06-01, as of 2026-11).
 */
import * as z from 'zod/mini';

const MAX_MESSAGES = 10_000;
const MAX_TOKENS = 10_000_000;
const MAX_TOOLS = 1_000;
const MAX_STOP_SEQUENCES = 100;
const MAX_NAME = 256;

const name = z.string().check(z.minLength(1), z.maxLength(MAX_NAME));
const loose = z.optional(z.unknown());
const share = z.number().check(z.minimum(0), z.maximum(1));

const cacheControl = z.strictObject({
  type: z.literal('ephemeral'),
  ttl: z.optional(z.enum(['5m', '1h'])),
});
const cacheable = { cache_control: z.optional(z.nullable(cacheControl)) };

const text = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  citations: z.optional(z.nullable(z.array(z.unknown()))),
  ...cacheable,
});

const image = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('base64'),
      media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
      data: z.string(),
    }),
    z.strictObject({
      type: z.literal('url'),
      url: z.string().check(z.startsWith('https://'), z.maxLength(8_192)),
    }),
  ]),
  transformations: loose,
  ...cacheable,
});

const citationsConfig = z.optional(
  z.nullable(z.strictObject({ enabled: z.optional(z.boolean()) })),
);

const document = z.strictObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('text'),
      media_type: z.literal('text/plain'),
      data: z.string(),
    }),
    z.strictObject({
      type: z.literal('content'),
      content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image]))]),
    }),
  ]),
  title: z.optional(z.nullable(z.string())),
  context: z.optional(z.nullable(z.string())),
  citations: citationsConfig,
  ...cacheable,
});

const searchResult = z.strictObject({
  type: z.literal('search_result'),
  content: z.array(text),
  source: z.string(),
  title: z.string(),
  citations: citationsConfig,
  ...cacheable,
});

const toolUse = z.strictObject({
  type: z.literal('tool_use'),
  id: name,
  name,
  input: z.record(z.string(), z.unknown()),
  caller: z.optional(z.strictObject({ type: z.literal('direct') })),
  ...cacheable,
});

const toolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: name,
  content: z.optional(
    z.union([
      z.string(),
      z.array(z.discriminatedUnion('type', [text, image, document, searchResult])),
    ]),
  ),
  is_error: z.optional(z.boolean()),
  ...cacheable,
});

const thinkingBlock = z.strictObject({
  type: z.literal('thinking'),
  thinking: z.string(),
  signature: z.string(),
});

const redactedThinking = z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() });

const block = z.discriminatedUnion('type', [
  text,
  image,
  document,
  searchResult,
  toolUse,
  toolResult,
  thinkingBlock,
  redactedThinking,
]);

const systemText = z.union([z.string(), z.array(text)]);

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('user'), content: z.union([z.string(), z.array(block)]) }),
  z.strictObject({ role: z.literal('assistant'), content: z.union([z.string(), z.array(block)]) }),
  z.strictObject({ role: z.literal('system'), content: systemText }),
]);

const toolExtras = {
  ...cacheable,
  strict: z.optional(z.boolean()),
  defer_loading: z.optional(z.boolean()),
  allowed_callers: z.optional(z.array(z.literal('direct'))),
};

const customTool = z.strictObject({
  type: z.optional(z.nullable(z.literal('custom'))),
  name,
  description: z.optional(z.string()),
  input_schema: z.record(z.string(), z.unknown()),
  eager_input_streaming: z.optional(z.nullable(z.boolean())),
  input_examples: z.optional(z.array(z.record(z.string(), z.unknown()))),
  ...toolExtras,
});

/** Tools whose definition Anthropic writes and the caller runs. */
const clientTool = z.strictObject({
  type: z.enum([
    'bash_20250124',
    'text_editor_20250124',
    'text_editor_20250429',
    'text_editor_20250728',
  ]),
  name,
  max_characters: z.optional(z.nullable(z.int())),
  input_examples: z.optional(z.array(z.record(z.string(), z.unknown()))),
  ...toolExtras,
});

const notParallel = { disable_parallel_tool_use: z.optional(z.boolean()) };
const toolChoice = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('auto'), ...notParallel }),
  z.strictObject({ type: z.literal('any'), ...notParallel }),
  z.strictObject({ type: z.literal('tool'), name, ...notParallel }),
  z.strictObject({ type: z.literal('none') }),
]);

const display = { display: z.optional(z.nullable(z.enum(['summarized', 'omitted']))) };
const thinking = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('enabled'),
    budget_tokens: z.int().check(z.minimum(1), z.maximum(MAX_TOKENS)),
    ...display,
  }),
  z.strictObject({ type: z.literal('adaptive'), ...display }),
  z.strictObject({ type: z.literal('between_tools') }),
  z.strictObject({ type: z.literal('disabled') }),
]);

const outputFormat = z.optional(
  z.nullable(
    z.strictObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) }),
  ),
);

/** Edits that take tokens out of the prompt; those that make new ones (compaction) are not bounded. */
const contextManagement = z.strictObject({
  edits: z.optional(
    z.array(
      z.looseObject({ type: z.enum(['clear_tool_uses_20250919', 'clear_thinking_20251015']) }),
    ),
  ),
});

/** What counting tokens needs; it is counted without the rest. */
const promptFields = {
  model: name,
  messages: z.array(message).check(z.minLength(1), z.maxLength(MAX_MESSAGES)),
  system: z.optional(systemText),
  tools: z.optional(z.array(z.union([customTool, clientTool])).check(z.maxLength(MAX_TOOLS))),
  tool_choice: z.optional(toolChoice),
  thinking: z.optional(thinking),
  output_config: z.optional(
    z.strictObject({
      effort: z.optional(z.nullable(z.enum(['low', 'medium', 'high', 'xhigh', 'max']))),
      format: outputFormat,
    }),
  ),
  /** The name of `output_config.format` before it left its beta. */
  output_format: outputFormat,
  context_management: z.optional(z.nullable(contextManagement)),
  speed: z.optional(z.nullable(z.literal('standard'))),
  ...cacheable,
};

export const countRequestSchema = z.strictObject(promptFields);

export const messagesRequestSchema = z.strictObject({
  ...promptFields,
  max_tokens: z.int().check(z.minimum(1), z.maximum(MAX_TOKENS)),
  stream: z.optional(z.boolean()),
  stop_sequences: z.optional(
    z.array(z.string().check(z.minLength(1))).check(z.maxLength(MAX_STOP_SEQUENCES)),
  ),
  temperature: z.optional(share),
  top_p: z.optional(share),
  top_k: z.optional(z.int().check(z.minimum(0))),
  metadata: z.optional(
    z.strictObject({ user_id: z.optional(z.nullable(z.string().check(z.maxLength(256)))) }),
  ),
  service_tier: z.optional(z.enum(['auto', 'standard_only'])),
});

export type CountRequest = z.infer<typeof countRequestSchema>;
export type MessagesRequest = z.infer<typeof messagesRequestSchema>;
export type MessageParam = MessagesRequest['messages'][number];
export type BlockParam = z.infer<typeof block>;
export type TextParam = z.infer<typeof text>;
export type ImageParam = z.infer<typeof image>;
export type DocumentParam = z.infer<typeof document>;
export type ToolResultParam = z.infer<typeof toolResult>;
