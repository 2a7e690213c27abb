import { describe, expect, it } from 'vitest';
import { upstreamRefusal } from '../../../core/providers/upstream.ts';

const NOW_MS = Date.UTC(2026, 10, 21);
const refusal = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  upstreamRefusal(
    {
      status,
      headers,
      body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    },
    NOW_MS,
  );
const aws = (kind: string) => ({
  'x-amzn-errortype': `${kind}:http://internal.amazon.com/coral/com.amazon.bedrock/`,
});

describe('what an error of a provider means', () => {
  it.each([
    ['OpenAI rejects', 400, { error: { message: 'bad', code: null } }, {}, 'upstream_rejected'],
    [
      'OpenAI, too long',
      400,
      { error: { message: 'x', code: 'context_length_exceeded' } },
      {},
      'context_length_exceeded',
    ],
    [
      'vLLM, too long',
      400,
      {
        error: {
          message: "This model's maximum context length is 8192 tokens.",
          type: 'BadRequestError',
          code: 400,
        },
      },
      {},
      'context_length_exceeded',
    ],
    ['vLLM wants another key', 401, { error: 'Unauthorized' }, {}, 'upstream_misconfigured'],
    [
      'vLLM knows no such model',
      404,
      { error: { message: 'The model x does not exist.', code: 404 } },
      {},
      'upstream_misconfigured',
    ],
    [
      'vLLM, queue full',
      503,
      { error: { message: 'full', code: 503 } },
      {},
      'upstream_unreachable',
    ],
    [
      'vLLM, engine dead',
      500,
      { error: { message: 'EngineDeadError', code: 500 } },
      {},
      'upstream_error',
    ],
    [
      'Azure filters the prompt',
      400,
      {
        error: {
          message: 'filtered',
          code: 'content_filter',
          innererror: { content_filter_result: {} },
        },
      },
      {},
      'upstream_rejected',
    ],
    [
      'Azure knows no such deployment',
      404,
      { error: { code: 'DeploymentNotFound', message: 'none' } },
      {},
      'upstream_misconfigured',
    ],
    [
      'Anthropic, too long',
      400,
      {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: 'prompt is too long: 9 tokens > 8 maximum',
        },
      },
      {},
      'context_length_exceeded',
    ],
    [
      'Anthropic, overloaded',
      529,
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      {},
      'upstream_unreachable',
    ],
    [
      'Bedrock rejects',
      400,
      { message: 'messages: text must not be blank' },
      aws('ValidationException'),
      'upstream_rejected',
    ],
    [
      'Bedrock, too long',
      400,
      { message: 'Input is too long for requested model.' },
      aws('ValidationException'),
      'context_length_exceeded',
    ],
    [
      'Bedrock, wrong route',
      400,
      { message: 'The provided model identifier is invalid.' },
      aws('ValidationException'),
      'upstream_misconfigured',
    ],
    [
      'Bedrock, wrong route',
      400,
      { message: 'Invocation of model ID x with on-demand throughput isn’t supported.' },
      aws('ValidationException'),
      'upstream_misconfigured',
    ],
    [
      'Bedrock, no permission',
      403,
      { Message: 'User: arn:aws:sts::1:x is not authorized' },
      aws('AccessDeniedException'),
      'upstream_misconfigured',
    ],
    [
      'Bedrock, bad signature',
      403,
      { message: 'expired' },
      aws('ExpiredTokenException'),
      'upstream_misconfigured',
    ],
    [
      'Bedrock, no such model',
      404,
      { message: 'none' },
      aws('ResourceNotFoundException'),
      'upstream_misconfigured',
    ],
    [
      'Bedrock throttles',
      429,
      { message: 'slow down' },
      aws('ThrottlingException'),
      'upstream_rate_limited',
    ],
    [
      'Bedrock wakes a model',
      429,
      { message: 'not ready' },
      aws('ModelNotReadyException'),
      'upstream_rate_limited',
    ],
    [
      'Bedrock, quota spent',
      400,
      { message: 'quota' },
      aws('ServiceQuotaExceededException'),
      'upstream_rate_limited',
    ],
    [
      'Bedrock, slow model',
      408,
      { message: 'late' },
      aws('ModelTimeoutException'),
      'upstream_timeout',
    ],
    [
      'Bedrock, broken model',
      424,
      { message: 'bad' },
      aws('ModelErrorException'),
      'upstream_error',
    ],
    ['Bedrock, broken', 500, { message: 'bad' }, aws('InternalServerException'), 'upstream_error'],
    [
      'Bedrock, unavailable',
      503,
      { message: 'bad' },
      aws('ServiceUnavailableException'),
      'upstream_unreachable',
    ],
    ['a framework rejects', 422, { detail: 'field required' }, {}, 'upstream_rejected'],
    ['a page', 502, '<html>', {}, 'upstream_error'],
  ])('%s with %i', (_, status, body, headers, code) => {
    expect(refusal(status, body, headers)).toMatchObject({ code });
  });

  it('is told to callers in the words of the provider, without names of our resources', () => {
    const message = `model arn:aws:bedrock:us-east-1:111122223333:inference-profile/x is bad`;
    const { publicMessage } = refusal(400, { message }, aws('ValidationException'));
    expect(publicMessage).toBe('model (a resource) is bad');
    expect(refusal(400, { error: { message: 'm'.repeat(9_000) } }).publicMessage).toHaveLength(500);
    expect(refusal(400, { error: 'plain' }).publicMessage).toBe('plain');
    const filtered = { error: { message: 'filtered', innererror: { secret: 'x' } } };
    expect(refusal(400, filtered).publicMessage).toBe('filtered');
  });

  it.each([
    [{ 'retry-after': '2' }, 2_000],
    [{ 'retry-after': '2', 'retry-after-ms': '150' }, 150],
    [{ 'retry-after-ms': 'soon', 'retry-after': '3' }, 3_000],
    [{ 'retry-after': '1e9' }, undefined],
    [{ 'retry-after': '1000000000' }, 60_000],
    [{ 'retry-after': new Date(NOW_MS + 5_000).toUTCString() }, 5_000],
    [{ 'retry-after': 'later' }, undefined],
    [{}, undefined],
  ])('carries its advice when to come back: %j', (headers, retryAfterMs) => {
    expect(refusal(429, {}, headers)).toMatchObject({ retryAfterMs });
  });
});
