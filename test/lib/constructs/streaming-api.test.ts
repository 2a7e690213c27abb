import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { resources, synthesize } from '../synthesized.ts';

const { gateway } = synthesize();

const methodSchema = z.object({
  HttpMethod: z.string(),
  ResourceId: z.object({ Ref: z.string() }),
  Integration: z.object({
    Type: z.string(),
    ResponseTransferMode: z.string(),
    TimeoutInMillis: z.number(),
    Uri: z.unknown(),
  }),
});
const resourceSchema = z.object({
  PathPart: z.string(),
  ParentId: z.union([
    z.object({ Ref: z.string() }),
    z.object({ 'Fn::GetAtt': z.array(z.string()) }),
  ]),
});

/** `POST /v1/chat/completions` -> its integration. */
function routes(): Map<string, z.infer<typeof methodSchema>['Integration']> {
  const folders = resources(gateway, 'AWS::ApiGateway::Resource');
  const pathOf = (id: string): string => {
    const { PathPart, ParentId } = resourceSchema.parse(folders.get(id)?.Properties);
    return 'Ref' in ParentId ? `${pathOf(ParentId.Ref)}/${PathPart}` : `/${PathPart}`;
  };
  return new Map(
    [...resources(gateway, 'AWS::ApiGateway::Method').values()].map(({ Properties }) => {
      const method = methodSchema.parse(Properties);
      return [`${method.HttpMethod} ${pathOf(method.ResourceId.Ref)}`, method.Integration];
    }),
  );
}

describe('streaming API', () => {
  it.each(['POST /v1/chat/completions', 'ANY /v1/{proxy+}', 'GET /health'])(
    'streams %s for up to 15 minutes',
    (route) => {
      const integration = routes().get(route);
      expect(integration).toMatchObject({
        Type: 'AWS_PROXY',
        ResponseTransferMode: 'STREAM',
        TimeoutInMillis: 900_000,
      });
      const uri = JSON.stringify(integration?.Uri);
      expect(uri).toContain('/response-streaming-invocations');
      expect(uri).toMatch(/ProxyFunctionAliaslive/);
    },
  );

  it('buffers the admin routes and gives them 29 seconds', () => {
    const integration = routes().get('ANY /admin/v1/{proxy+}');
    expect(integration).toMatchObject({
      ResponseTransferMode: 'BUFFERED',
      TimeoutInMillis: 29_000,
    });
    expect(JSON.stringify(integration?.Uri)).toMatch(/AdminFunctionAliaslive/);
  });

  it('has no other route', () => {
    expect(routes().size).toBe(4);
  });

  it('gives API Gateway one permission for each function', () => {
    gateway.resourcePropertiesCountIs(
      'AWS::Lambda::Permission',
      { Principal: 'apigateway.amazonaws.com' },
      2,
    );
  });

  it('is regional, throttled, and logs requests but neither bodies nor headers', () => {
    gateway.hasResourceProperties('AWS::ApiGateway::RestApi', {
      EndpointConfiguration: { Types: ['REGIONAL'] },
    });
    gateway.hasResourceProperties('AWS::ApiGateway::Stage', {
      MethodSettings: [
        Match.objectLike({
          ThrottlingRateLimit: 200,
          ThrottlingBurstLimit: 400,
          DataTraceEnabled: false,
          LoggingLevel: 'ERROR',
        }),
      ],
      AccessLogSetting: {
        DestinationArn: Match.anyValue(),
        Format: Match.serializedJson(
          Match.objectLike({ requestId: '$context.requestId', status: '$context.status' }),
        ),
      },
    });
    const [stage] = resources(gateway, 'AWS::ApiGateway::Stage').values();
    expect(JSON.stringify(stage)).not.toMatch(/header|querystring|Authorization/i);
  });

  it('answers its own refusals in a body for the callers of every dialect', () => {
    const responseSchema = z.object({
      ResponseType: z.string(),
      StatusCode: z.string().optional(),
      ResponseParameters: z.record(z.string(), z.string()),
      ResponseTemplates: z.object({ 'application/json': z.string() }),
    });
    const errorSchema = z.strictObject({
      type: z.literal('error'),
      error: z.strictObject({
        message: z.string().min(1),
        type: z.string().min(1),
        param: z.null(),
        code: z.string().nullable(),
        gateway: z.strictObject({ request_id: z.literal('$context.requestId') }),
      }),
      request_id: z.literal('$context.requestId'),
    });
    const answers = new Map(
      [...resources(gateway, 'AWS::ApiGateway::GatewayResponse').values()].map(({ Properties }) => {
        const response = responseSchema.parse(Properties);
        expect(response.ResponseParameters).toMatchObject({
          'gatewayresponse.header.x-request-id': 'context.requestId',
          'gatewayresponse.header.request-id': 'context.requestId',
        });
        const { error } = errorSchema.parse(
          JSON.parse(response.ResponseTemplates['application/json']),
        );
        return [response.ResponseType, `${response.StatusCode} ${error.type} ${error.code}`];
      }),
    );
    expect(Object.fromEntries(answers)).toEqual({
      DEFAULT_4XX: 'undefined invalid_request_error null',
      DEFAULT_5XX: 'undefined api_error internal_error',
      MISSING_AUTHENTICATION_TOKEN: '404 not_found_error not_found',
      RESOURCE_NOT_FOUND: '404 not_found_error not_found',
      REQUEST_TOO_LARGE: '413 request_too_large request_too_large',
      THROTTLED: '429 rate_limit_error rate_limit_exceeded',
      WAF_FILTERED: '403 invalid_request_error null',
      INTEGRATION_FAILURE: '502 api_error internal_error',
      INTEGRATION_TIMEOUT: '504 timeout_error upstream_timeout',
    });
  });

  it('tells a throttled caller when to come back', () => {
    gateway.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseType: 'THROTTLED',
      ResponseParameters: Match.objectLike({ 'gatewayresponse.header.retry-after': "'1'" }),
    });
  });

  it('has neither firewall nor domain unless the stage says so', () => {
    gateway.resourceCountIs('AWS::WAFv2::WebACL', 0);
    gateway.resourceCountIs('AWS::ApiGateway::DomainName', 0);
  });
});

describe('streaming API with a domain and a firewall', () => {
  const domain = `waf: true
domain:
  name: llm.example.com
  certificateArn: arn:aws:acm:us-east-1:111122223333:certificate/00000000-0000-0000-0000-000000000000
  hostedZone: { id: Z0000000000000, name: example.com }`;
  const { gateway: guarded } = synthesize({ 'waf: false': domain });

  it('accepts TLS 1.3 only and closes the address without that policy', () => {
    guarded.hasResourceProperties('AWS::ApiGateway::DomainName', {
      DomainName: 'llm.example.com',
      SecurityPolicy: 'SecurityPolicy_TLS13_1_3_2025_09',
      EndpointConfiguration: { Types: ['REGIONAL'] },
    });
    guarded.hasResourceProperties('AWS::ApiGateway::RestApi', { DisableExecuteApiEndpoint: true });
    guarded.hasResourceProperties('AWS::Route53::RecordSet', {
      Name: 'llm.example.com.',
      Type: 'A',
    });
  });

  it('puts the firewall before the stage and lets long, code-like bodies through', () => {
    guarded.hasResourceProperties('AWS::WAFv2::WebACLAssociation', { WebACLArn: Match.anyValue() });
    const count = (name: string) => Match.objectLike({ Name: name, ActionToUse: { Count: {} } });
    guarded.hasResourceProperties('AWS::WAFv2::WebACL', {
      Scope: 'REGIONAL',
      Rules: Match.arrayWith([
        Match.objectLike({
          Statement: {
            ManagedRuleGroupStatement: Match.objectLike({
              Name: 'AWSManagedRulesCommonRuleSet',
              RuleActionOverrides: Match.arrayWith([
                count('SizeRestrictions_BODY'),
                count('CrossSiteScripting_BODY'),
              ]),
            }),
          },
        }),
        Match.objectLike({ Name: 'Flood', Action: { Block: {} } }),
      ]),
    });
  });
});
