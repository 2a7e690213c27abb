import type { APIGatewayProxyEvent } from 'aws-lambda';
import { expect, it } from 'vitest';
import { toGatewayRequest } from '../../../lambdas/proxy/request.ts';

const EVENT: APIGatewayProxyEvent = {
  httpMethod: 'GET',
  path: '/v1/models',
  headers: { 'Anthropic-Version': '2023-06-01' },
  multiValueHeaders: {},
  queryStringParameters: null,
  multiValueQueryStringParameters: null,
  pathParameters: null,
  stageVariables: null,
  resource: '/v1/{proxy+}',
  body: null,
  isBase64Encoded: false,
  requestContext: {
    accountId: '1',
    apiId: 'a',
    authorizer: null,
    httpMethod: 'GET',
    identity: {
      accessKey: null,
      accountId: null,
      apiKey: null,
      apiKeyId: null,
      caller: null,
      clientCert: null,
      cognitoAuthenticationProvider: null,
      cognitoAuthenticationType: null,
      cognitoIdentityId: null,
      cognitoIdentityPoolId: null,
      principalOrgId: null,
      sourceIp: '127.0.0.1',
      user: null,
      userAgent: null,
      userArn: null,
    },
    path: '/v1/models',
    protocol: 'HTTP/1.1',
    requestId: 'r',
    requestTimeEpoch: 0,
    resourceId: 'x',
    resourcePath: '/v1/{proxy+}',
    stage: 'api',
  },
};

it('reads headers in lower case and the query as it was decoded', () => {
  const request = toGatewayRequest(
    { ...EVENT, queryStringParameters: { limit: '2', after_id: 'a/b' } },
    { nowMs: 5, remainingMs: 10 },
  );
  expect(request).toMatchObject({
    headers: { 'anthropic-version': '2023-06-01' },
    query: { limit: '2', after_id: 'a/b' },
    deadlineMs: 15,
  });
  expect(toGatewayRequest(EVENT, { nowMs: 5, remainingMs: 10 }).query).toEqual({});
});
