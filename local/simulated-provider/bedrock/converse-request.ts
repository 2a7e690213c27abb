/** A request to Bedrock's Converse, as strict as the service is with a Claude model. Source: its API reference. */
import { z } from 'zod';
import { jsonSchemaSchema } from '../example-of-schema.ts';

const textSchema = z.strictObject({ text: z.string().regex(/\S/, 'text is blank') });
const cachePointSchema = z.strictObject({
  cachePoint: z.strictObject({ type: z.literal('default'), ttl: z.enum(['5m', '1h']).optional() }),
});
const imageSchema = z.strictObject({
  image: z.strictObject({
    format: z.enum(['png', 'jpeg', 'gif', 'webp']),
    source: z.strictObject({ bytes: z.base64().min(1) }),
  }),
});
const idSchema = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/);
const nameSchema = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/);
const toolUseSchema = z.strictObject({
  toolUse: z.strictObject({
    toolUseId: idSchema,
    name: nameSchema,
    input: z.record(z.string(), z.unknown()),
  }),
});
const toolResultSchema = z.strictObject({
  toolResult: z.strictObject({
    toolUseId: idSchema,
    content: z
      .array(
        z.union([
          z.strictObject({ text: z.string() }),
          imageSchema,
          z.strictObject({ json: z.unknown() }),
        ]),
      )
      .min(1),
    status: z.enum(['success', 'error']).optional(),
  }),
});
const reasoningSchema = z.strictObject({
  reasoningContent: z.union([
    z.strictObject({
      reasoningText: z.strictObject({ text: z.string(), signature: z.string().optional() }),
    }),
    z.strictObject({ redactedContent: z.base64() }),
  ]),
});
const blockSchema = z.union([
  textSchema,
  imageSchema,
  toolUseSchema,
  toolResultSchema,
  reasoningSchema,
  cachePointSchema,
]);

const thinkingSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('enabled'), budget_tokens: z.int().min(1024) }),
  z.strictObject({ type: z.literal('adaptive') }),
  z.strictObject({ type: z.literal('disabled') }),
]);

export const converseRequestSchema = z.strictObject({
  messages: z
    .array(
      z.strictObject({
        role: z.enum(['user', 'assistant']),
        content: z.array(blockSchema).min(1),
      }),
    )
    .min(1),
  system: z.array(z.union([textSchema, cachePointSchema])).optional(),
  inferenceConfig: z
    .strictObject({
      maxTokens: z.int().min(1).optional(),
      temperature: z.number().min(0).max(1).optional(),
      topP: z.number().min(0).max(1).optional(),
      stopSequences: z.array(z.string().min(1)).max(2500).optional(),
    })
    .optional(),
  toolConfig: z
    .strictObject({
      tools: z
        .array(
          z.union([
            z.strictObject({
              toolSpec: z.strictObject({
                name: nameSchema,
                description: z.string().min(1).optional(),
                inputSchema: z.strictObject({ json: jsonSchemaSchema }),
                strict: z.boolean().optional(),
              }),
            }),
            cachePointSchema,
          ]),
        )
        .min(1),
      toolChoice: z
        .union([
          z.strictObject({ auto: z.strictObject({}) }),
          z.strictObject({ any: z.strictObject({}) }),
          z.strictObject({ tool: z.strictObject({ name: nameSchema }) }),
        ])
        .optional(),
    })
    .optional(),
  outputConfig: z
    .strictObject({
      textFormat: z
        .strictObject({
          type: z.literal('json_schema'),
          structure: z.strictObject({
            jsonSchema: z.strictObject({
              schema: z.string(),
              name: z.string().optional(),
              description: z.string().optional(),
            }),
          }),
        })
        .optional(),
      effort: z.string().optional(),
    })
    .optional(),
  additionalModelRequestFields: z
    .strictObject({
      thinking: thinkingSchema.optional(),
      top_k: z.int().optional(),
      anthropic_beta: z.array(z.string()).optional(),
      output_config: z.strictObject({ effort: z.string().optional() }).optional(),
      tool_choice: z
        .strictObject({
          type: z.enum(['auto', 'any', 'tool']),
          name: z.string().optional(),
          disable_parallel_tool_use: z.boolean().optional(),
        })
        .optional(),
    })
    .optional(),
  additionalModelResponseFieldPaths: z.array(z.string()).optional(),
  serviceTier: z
    .strictObject({ type: z.enum(['default', 'flex', 'priority', 'reserved']) })
    .optional(),
  performanceConfig: z.strictObject({ latency: z.enum(['standard', 'optimized']) }).optional(),
  requestMetadata: z.record(z.string(), z.string()).optional(),
});

export type ConverseRequest = z.infer<typeof converseRequestSchema>;
export type ConverseBlock = z.infer<typeof blockSchema>;
