import { expect, it } from 'vitest';
import { anthropic } from '../../../../core/providers/anthropic/adapter.ts';

const DISPATCH = {
  provider: {
    id: 'anthropic',
    kind: 'anthropic',
    baseUrl: 'https://api.anthropic.com',
    connectTimeoutMs: 1,
    firstByteTimeoutMs: 1,
    idleTimeoutMs: 1,
  },
  dialect: 'anthropic-messages',
  model: 'claude-fable-5',
  stream: true,
  apiKey: 'sk-secret',
  requestId: 'req_1',
} as const;

it('asks for a message with the key in its own header alone', () => {
  const { url, headers } = anthropic.request(DISPATCH);
  expect(url).toBe('https://api.anthropic.com/v1/messages');
  expect(headers).toEqual({
    'content-type': 'application/json',
    accept: 'text/event-stream',
    'anthropic-version': '2023-06-01',
    'x-request-id': 'req_1',
    'x-api-key': 'sk-secret',
  });
});

it('asks for a count at its own path, and without a key where the server wants none', () => {
  const call = { ...DISPATCH, stream: false, apiKey: undefined, task: 'count-tokens' } as const;
  const { url, headers } = anthropic.request(call);
  expect(url).toBe('https://api.anthropic.com/v1/messages/count_tokens');
  expect(headers).toMatchObject({ accept: 'application/json' });
  expect(Object.keys(headers)).not.toContain('x-api-key');
});
