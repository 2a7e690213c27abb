import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { bedrockConverse } from '../../../../core/dialects/bedrock/converse.ts';
import type { Part, Turn } from '../../../../core/dialects/conversation.ts';
import { GatewayError } from '../../../../core/errors.ts';

const MODELS = [
  'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
  'amazon.nova-pro-v1:0',
  'mistral.mistral-large-2407-v1:0',
  'meta.llama3-3-70b-instruct-v1:0',
];
const cache = fc.option(fc.constantFrom('5m' as const, '1h' as const), { nil: undefined });
const text = fc.oneof(fc.constantFrom('', ' ', '\n\t'), fc.string({ unit: 'grapheme' }));
const textPart = fc.tuple(text, cache).map(([said, ttl]) => ({
  kind: 'text' as const,
  text: said,
  ...(ttl === undefined ? {} : { cache: ttl }),
}));
const id = fc.oneof(fc.constantFrom('call_1', 'abc123XYZ'), fc.string({ unit: 'grapheme' }));
const part: fc.Arbitrary<Part> = fc.oneof(
  textPart,
  fc.record({
    kind: fc.constant('tool-call' as const),
    id,
    name: fc.constant('weather'),
    arguments: fc.oneof(fc.constantFrom('', '{', '[]', '{"a":1}'), fc.json()),
  }),
  fc.record({
    kind: fc.constant('tool-result' as const),
    callId: id,
    content: fc.array(textPart, { maxLength: 3 }),
    isError: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('thinking' as const),
    text,
    signature: fc.option(fc.string(), { nil: undefined }),
  }),
);
const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({
    role: fc.constantFrom('user' as const, 'assistant' as const),
    parts: fc.array(part, { maxLength: 4 }),
  }),
  { maxLength: 6 },
);

const blockSchema = z.union([
  z.strictObject({ text: z.string().regex(/\S/) }),
  z.strictObject({
    toolUse: z.strictObject({
      toolUseId: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
      name: z.string(),
      input: z.record(z.string(), z.unknown()),
    }),
  }),
  z.strictObject({
    toolResult: z.strictObject({
      toolUseId: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/),
      content: z.array(z.strictObject({ text: z.string().regex(/\S/) })),
      status: z.literal('error').optional(),
    }),
  }),
  z.strictObject({ cachePoint: z.object({ type: z.literal('default') }) }),
  z.strictObject({
    reasoningContent: z.object({ reasoningText: z.object({ signature: z.string() }) }),
  }),
]);
const bodySchema = z.object({
  messages: z
    .array(z.object({ role: z.enum(['user', 'assistant']), content: z.array(blockSchema).min(1) }))
    .min(1),
});

describe('any conversation', () => {
  it('becomes messages that Converse takes, or is refused by name', () => {
    let written = 0;
    fc.assert(
      fc.property(turns, fc.constantFrom(...MODELS), (given, model) => {
        const target = {
          dialect: 'bedrock-converse',
          model,
          maxOutputTokens: 9,
          extra: {},
        } as const;
        const conversation = {
          system: [],
          turns: given,
          tools: [{ name: 'weather', description: undefined, schema: {} }],
          stop: [],
          others: {},
        };
        let body: string;
        try {
          ({ body } = bedrockConverse.encode(conversation, { ...target, stream: true }));
        } catch (refusal) {
          expect(refusal).toBeInstanceOf(GatewayError);
          expect(refusal).toMatchObject({ code: 'invalid_request', param: 'messages' });
          return;
        }
        written += 1;
        const { messages } = bodySchema.parse(JSON.parse(body));
        for (const [index, { role, content }] of messages.entries()) {
          expect(role).toBe(index % 2 === 0 ? 'user' : 'assistant');
          const kinds = content.map((block) => Object.keys(block)[0]);
          const first = kinds.indexOf('text');
          if (first !== -1) expect(kinds.slice(first)).not.toContain('toolResult');
        }
      }),
      { numRuns: 2_000 },
    );
    expect(written).toBeGreaterThan(100);
  });
});
