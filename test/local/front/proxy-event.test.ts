import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buffered, createHarness, type Harness } from '../harness.ts';

let harness: Harness;
beforeAll(() => {
  harness = createHarness();
});
afterAll(() => harness.close());

describe('the event', () => {
  const echo = buffered('return { statusCode: 200, body: JSON.stringify(event) };');

  it('is that of a REST proxy integration', async () => {
    const { url } = await harness.front(harness.pool(echo), { route: { streaming: false } });
    const response = await fetch(`${url}/v1/a%20b/c?q=1&q=2&r=%C3%A9`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Forwarded-For': '9.9.9.9' },
      body: '{"ü":1}',
    });
    const event: unknown = await response.json();
    expect(event).toMatchObject({
      resource: '/v1/{proxy+}',
      path: '/v1/a%20b/c',
      httpMethod: 'POST',
      pathParameters: { proxy: 'a b/c' },
      queryStringParameters: { q: '2', r: 'é' },
      multiValueQueryStringParameters: { q: ['1', '2'], r: ['é'] },
      headers: { 'X-Forwarded-For': '9.9.9.9, 127.0.0.1' },
      body: '{"ü":1}',
      isBase64Encoded: false,
      requestContext: {
        requestId: response.headers.get('x-amzn-requestid'),
        resourcePath: '/v1/{proxy+}',
        httpMethod: 'POST',
        stage: 'test',
        identity: { sourceIp: '127.0.0.1' },
      },
    });
  });

  it('has null where there is no body, no query and no parameter', async () => {
    const { url } = await harness.front(harness.pool(echo), {
      route: { streaming: false, path: '/health' },
    });
    const event: unknown = await (await fetch(`${url}/health`)).json();
    expect(event).toMatchObject({
      body: null,
      queryStringParameters: null,
      pathParameters: null,
      isBase64Encoded: false,
    });
  });

  it('keeps names that objects already have, and base64 for the media types that are binary', async () => {
    const pool = harness.pool(echo);
    const { url } = await harness.front(pool, {
      route: { streaming: false },
      api: { binaryMediaTypes: ['image/*'] },
    });
    const response = await fetch(`${url}/v1/x?__proto__=1&constructor=2`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: new Uint8Array([0, 255]),
    });
    const event: unknown = await response.json();
    expect(event).toMatchObject({
      body: 'AP8=',
      isBase64Encoded: true,
      queryStringParameters: { constructor: '2' },
    });
  });
});
