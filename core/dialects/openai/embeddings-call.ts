/** An embeddings call: input only, no output to bound. Providers of the same dialect alone can serve it. */
import * as z from 'zod/mini';
import { GatewayError } from '../../errors.ts';
import { createTokenEstimate } from '../../usage/tokens.ts';
import type { Call, Target, WholeAnswer } from '../call.ts';
import { bodyReader, parseJsonBody } from '../request-body.ts';
import { writeBody } from '../written-body.ts';
import { parseRecord } from './record.ts';
import { parseEmbeddingsUsage } from './usage.ts';
import { openAiVoice } from './voice.ts';

/** OpenAI API reference, "Create embeddings". */
const MAX_INPUTS = 2_048;
const MAX_DIMENSIONS = 65_536;

const token = z.int().check(z.nonnegative());
const bounded = [z.minLength(1), z.maxLength(MAX_INPUTS)] as const;

const embeddingsRequestSchema = z.strictObject({
  model: z.string().check(z.minLength(1), z.maxLength(256)),
  input: z.union([
    z.string().check(z.minLength(1)),
    z.array(z.string()).check(...bounded),
    z.array(token).check(z.minLength(1)),
    z.array(z.array(token).check(z.minLength(1))).check(...bounded),
  ]),
  dimensions: z.optional(z.nullable(z.int().check(z.minimum(1), z.maximum(MAX_DIMENSIONS)))),
  encoding_format: z.optional(z.nullable(z.enum(['float', 'base64']))),
  user: z.optional(z.nullable(z.string().check(z.maxLength(512)))),
});
const readRequest = bodyReader(embeddingsRequestSchema);
type EmbeddingsRequest = z.infer<typeof embeddingsRequestSchema>;

/** Throws GatewayError `invalid_request` that names the field. */
export function embeddingsCall(bytes: Uint8Array): Call {
  const sent = parseJsonBody(bytes);
  const body = readRequest(sent.json);
  return {
    dialect: 'openai-embeddings',
    voice: openAiVoice,
    alias: body.model,
    stream: false,
    maxOutputTokens: 0,
    choices: 1,
    // A token takes two bytes of the body at least, as a number or as text with its quotes.
    tokensBesideText: 0,
    cacheWrites: 'none',
    tags: {},
    endUser: body.user ?? undefined,
    estimatedInputTokens: () => estimatedTokens(body.input),
    pass: ({ model, extra }: Target) => ({
      body: writeBody(upstreamFields(body, { model, extra }), sent),
      dropped: [],
      stream: () => {
        throw new TypeError('embeddings are never streamed');
      },
      whole: readEmbeddings,
    }),
  };
}

/** `user` stays here, as a tag of the call. */
function upstreamFields(
  { user: _tag, ...body }: EmbeddingsRequest,
  added: Pick<Target, 'model' | 'extra'>,
): Record<string, unknown> {
  return { ...body, ...added.extra, model: added.model };
}

function estimatedTokens(input: EmbeddingsRequest['input']): number {
  const estimate = createTokenEstimate();
  let tokens = 0;
  for (const each of typeof input === 'string' ? [input] : input) {
    if (typeof each === 'string') estimate.add(each);
    else tokens += typeof each === 'number' ? 1 : each.length;
  }
  return tokens + estimate.tokens();
}

function readEmbeddings(body: Buffer): WholeAnswer {
  const answer = parseRecord(body.toString('utf8'));
  if (!Array.isArray(answer?.['data']))
    throw new GatewayError(
      'upstream_error',
      'The provider answered with something that is no list of embeddings.',
    );
  const usage = parseEmbeddingsUsage(answer['usage']);
  return { body, usage, estimatedOutputTokens: 0, stopReason: undefined };
}
