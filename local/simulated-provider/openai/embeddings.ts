/** OpenAI's embeddings: vectors of length one, the same for the same text. */
import { z } from 'zod';
import { randomFrom } from '../answer.ts';
import { countTokens, parseBody } from '../question.ts';
import { type Call, type Dialect, jsonText, toldUsage } from '../wire.ts';
import { openAiError } from './errors.ts';

const MAX_INPUTS = 2048;
const USUAL_DIMENSIONS = 1536;

const tokensSchema = z.array(z.int().nonnegative()).min(1);
const requestSchema = z.strictObject({
  model: z.string().min(1),
  input: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1).max(MAX_INPUTS),
    tokensSchema.max(MAX_INPUTS),
    z.array(tokensSchema).min(1).max(MAX_INPUTS),
  ]),
  dimensions: z.int().min(1).max(USUAL_DIMENSIONS).optional(),
  encoding_format: z.enum(['float', 'base64']).optional(),
  user: z.string().optional(),
});

type Input = string | readonly number[];
type Request = z.infer<typeof requestSchema>;

export const embeddings: Dialect = {
  name: 'openai-embeddings',
  idPrefix: 'emb-',
  cachesAlone: false,
  error: openAiError,
  read: (body) => {
    const parsed = parseBody(body, requestSchema);
    if (parsed.kind === 'invalid') return parsed;
    const inputs = inputsOf(parsed.value.input);
    const promptTokens = inputs.reduce((sum, input) => sum + tokensOf(input), 0);
    return {
      kind: 'ok',
      stream: false,
      question: { ...NOTHING_TO_SAY, model: parsed.value.model, promptTokens },
      open: (_answer, call) => ({
        contentType: 'application/json',
        whole: () => jsonText(listOf(inputs, { request: parsed.value, call, promptTokens })),
      }),
    };
  },
};

const NOTHING_TO_SAY = {
  lastText: '',
  lastImages: 0,
  mayCallTools: false,
  cacheMarks: [],
  maxTokens: undefined,
  choices: 0,
  stop: [],
  tools: [],
  toolChoice: 'none',
  parallel: false,
  output: 'text',
  thinks: false,
} as const;

function inputsOf(input: Request['input']): readonly Input[] {
  if (typeof input === 'string') return [input];
  const [first] = input;
  return typeof first === 'number'
    ? [input.filter((token) => typeof token === 'number')]
    : input.filter((item) => typeof item !== 'number');
}

function tokensOf(input: Input): number {
  return typeof input === 'string' ? countTokens([input]) : input.length;
}

function listOf(
  inputs: readonly Input[],
  { request, call, promptTokens }: { request: Request; call: Call; promptTokens: number },
) {
  const { dimensions = USUAL_DIMENSIONS, encoding_format: format = 'float' } = request;
  const data = inputs.map((input, index) => {
    const vector = vectorOf(input, dimensions);
    const base64 = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
    return { object: 'embedding', index, embedding: format === 'base64' ? base64 : vector };
  });
  const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens };
  return {
    object: 'list',
    data,
    model: call.model,
    usage: toldUsage(usage, call.behaviour.fault),
  };
}

function vectorOf(input: Input, dimensions: number): readonly number[] {
  const random = randomFrom(`embedding:${JSON.stringify(input)}`);
  const values = Array.from({ length: dimensions }, () => random() - 0.5);
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}
