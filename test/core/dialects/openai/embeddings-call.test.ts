import { describe, expect, it } from 'vitest';
import { embeddingsCall } from '../../../../core/dialects/openai/embeddings-call.ts';
import { bodyText } from '../../../support/body-text.ts';
import { schemaErrors } from './published-schema.ts';

const TARGET = {
  dialect: 'openai-embeddings',
  model: 'text-embedding-3-small',
  maxOutputTokens: 0,
  extra: {},
} as const;

function call(body: Record<string, unknown>) {
  return embeddingsCall(Buffer.from(JSON.stringify({ model: 'alias', input: 'Hi', ...body })));
}

describe('an embeddings call', () => {
  it.each([
    ['a text', 'Hi', 1],
    ['texts', ['Hi', 'you'], 2],
    ['tokens', [1, 2, 3], 3],
    ['lists of tokens', [[1, 2], [3]], 3],
  ])('of %s goes on as it came but for the model, and has no output', (_what, input, tokens) => {
    const embeddings = call({ input, dimensions: 256, encoding_format: 'base64', user: 'jane' });
    const body = JSON.parse(bodyText(embeddings.pass(TARGET).body));
    expect(body).toEqual({
      model: 'text-embedding-3-small',
      input,
      dimensions: 256,
      encoding_format: 'base64',
    });
    expect(schemaErrors('CreateEmbeddingRequest', body)).toEqual([]);
    expect(embeddings).toMatchObject({ maxOutputTokens: 0, endUser: 'jane', stream: false });
    expect(embeddings.estimatedInputTokens()).toBe(tokens);
  });

  it.each([
    ['input', { input: '' }],
    ['input', { input: [] }],
    ['input', { input: ['a', 1] }],
    ['input.0', { input: [-1] }],
    ['input', { input: [1.5] }],
    ['input', { input: Array(2_049).fill('a') }],
    ['dimensions', { dimensions: 0 }],
    ['encoding_format', { encoding_format: 'hex' }],
    ['stream', { stream: true }],
    ['api_base', { api_base: 'https://elsewhere' }],
  ])('is refused for its %s', (param, body) => {
    expect(() => call(body)).toThrow(expect.objectContaining({ code: 'invalid_request', param }));
  });

  it.each(['<html>', '{}', '{"data":{}}'])('takes no %s for an answer', (body) => {
    expect(() => call({}).pass(TARGET).whole(Buffer.from(body))).toThrow(/list of embeddings/);
  });

  it('reads the usage, and knows none where the provider tells none', () => {
    const whole = (usage: unknown) =>
      call({})
        .pass(TARGET)
        .whole(Buffer.from(JSON.stringify({ data: [], usage }))).usage;
    expect(whole({ prompt_tokens: 5, total_tokens: 5 })).toMatchObject({
      inputTokens: 5,
      outputTokens: 0,
    });
    expect(whole(undefined)).toBeUndefined();
  });
});
