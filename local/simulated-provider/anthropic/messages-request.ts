/** A request to Anthropic's messages, as strict as its own servers. Hosted tools, documents and containers are unknown here. */
import { z } from 'zod';
import { jsonSchemaSchema } from '../example-of-schema.ts';

const cache = z
  .strictObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).optional() })
  .nullish();
const textSchema = z.strictObject({
  type: z.literal('text'),
  text: z.string().min(1, 'text content blocks must be non-empty'),
  cache_control: cache,
  citations: z.null().optional(),
});
const imageSchema = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('base64'),
      media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
      data: z.base64().min(1),
    }),
    z.strictObject({ type: z.literal('url'), url: z.string().regex(/^https:\/\//) }),
  ]),
  cache_control: cache,
});
const idSchema = z.string().regex(/^[a-zA-Z0-9_-]+$/);
const blockSchema = z.discriminatedUnion('type', [
  textSchema,
  imageSchema,
  z.strictObject({
    type: z.literal('tool_use'),
    id: idSchema,
    name: z.string().min(1).max(200),
    input: z.record(z.string(), z.unknown()),
    cache_control: cache,
    caller: z.unknown().optional(),
  }),
  z.strictObject({
    type: z.literal('tool_result'),
    tool_use_id: idSchema,
    content: z.union([z.string(), z.array(z.union([textSchema, imageSchema]))]).optional(),
    is_error: z.boolean().optional(),
    cache_control: cache,
  }),
  z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
  z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() }),
]);

const parallelOff = { disable_parallel_tool_use: z.boolean().optional() };
const formatSchema = z.strictObject({ type: z.literal('json_schema'), schema: jsonSchemaSchema });

export const countRequestSchema = z.strictObject({
  model: z.string().min(1),
  messages: z
    .array(
      z.strictObject({
        role: z.enum(['user', 'assistant']),
        content: z.union([z.string().min(1), z.array(blockSchema).min(1)]),
      }),
    )
    .min(1),
  system: z.union([z.string(), z.array(textSchema)]).optional(),
  tools: z
    .array(
      z.strictObject({
        type: z.literal('custom').nullish(),
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/),
        description: z.string().optional(),
        input_schema: z.looseObject({ type: z.literal('object') }),
        cache_control: cache,
        strict: z.boolean().optional(),
        eager_input_streaming: z.boolean().nullish(),
      }),
    )
    .optional(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('auto'), ...parallelOff }),
      z.strictObject({ type: z.literal('any'), ...parallelOff }),
      z.strictObject({ type: z.literal('tool'), name: z.string(), ...parallelOff }),
      z.strictObject({ type: z.literal('none') }),
    ])
    .optional(),
  thinking: z
    .discriminatedUnion('type', [
      z.strictObject({
        type: z.literal('enabled'),
        budget_tokens: z.int().min(1024),
        display: z.string().nullish(),
      }),
      z.strictObject({ type: z.literal('adaptive'), display: z.string().nullish() }),
      z.strictObject({ type: z.literal('disabled') }),
    ])
    .optional(),
  output_config: z
    .strictObject({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: formatSchema.nullish(),
    })
    .optional(),
  output_format: formatSchema.optional(),
  cache_control: cache,
});

export const messagesRequestSchema = countRequestSchema.extend({
  max_tokens: z.int().min(1),
  stream: z.boolean().optional(),
  stop_sequences: z
    .array(z.string().regex(/\S/, 'each stop sequence must contain non-whitespace'))
    .max(8191)
    .optional(),
  temperature: z.number().min(0).max(1).optional(),
  top_p: z.number().min(0).max(1).optional(),
  top_k: z.int().min(0).optional(),
  metadata: z.strictObject({ user_id: z.string().max(256).nullish() }).optional(),
  service_tier: z.enum(['auto', 'standard_only']).optional(),
});

export type CountRequest = z.infer<typeof countRequestSchema>;
export type MessagesRequest = z.infer<typeof messagesRequestSchema>;
export type ContentBlock = z.infer<typeof blockSchema>;

/** Content as blocks, whichever of its two forms it has. */
export function blocksOf(
  content: CountRequest['messages'][number]['content'],
): readonly ContentBlock[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}
