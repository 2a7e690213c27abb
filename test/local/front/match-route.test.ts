import { expect, it } from 'vitest';
import { matchRoute } from '../../../local/front/match-route.ts';

const routes = [
  ['POST', '/v1/chat/completions'],
  ['ANY', '/v1/{proxy+}'],
  ['GET', '/v1/models/{id}'],
  ['GET', '/health'],
].map(([method = '', path = '']) => ({
  method,
  path,
  resourceId: path,
  functionName: 'f',
  streaming: true,
  timeoutMs: 1,
}));

it.each([
  ['POST', '/v1/chat/completions', '/v1/chat/completions', {}],
  ['POST', '/v1/chat/completions/', '/v1/chat/completions', {}],
  ['PUT', '/v1/chat', '/v1/{proxy+}', { proxy: 'chat' }],
  ['GET', '/v1/a/b%2Fc', '/v1/{proxy+}', { proxy: 'a/b/c' }],
  ['GET', '/v1/%zz', '/v1/{proxy+}', { proxy: '%zz' }],
  ['GET', '/v1/models/gpt-5', '/v1/models/{id}', { id: 'gpt-5' }],
  ['GET', '/health', '/health', {}],
])('%s %s goes to %s', (method, path, expected, pathParameters) => {
  expect(matchRoute(routes, method, path)).toMatchObject({
    route: { path: expected },
    pathParameters,
  });
});

it.each([
  ['GET', '/v1/chat/completions'],
  ['POST', '/health'],
  ['GET', '/v1'],
  ['GET', '/'],
  ['GET', '/healthy'],
])('%s %s goes nowhere', (method, path) => {
  expect(matchRoute(routes, method, path)).toBeUndefined();
});
