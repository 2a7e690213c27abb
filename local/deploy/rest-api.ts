import * as z from 'zod';
import type { ApiDefinition, GatewayResponse, Route } from '../front/api-definition.ts';
import { nameFromArn } from '../templates/physical.ts';
import type { Assembly, LocalResource } from '../templates.ts';

/** API Gateway's own default. */
const DEFAULT_TIMEOUT_MS = 29_000;

const resourceSchema = z.object({ ParentId: z.string(), PathPart: z.string() });
const methodSchema = z.object({
  HttpMethod: z.string(),
  ResourceId: z.string(),
  AuthorizationType: z.literal('NONE', 'only AuthorizationType NONE is known locally'),
  Integration: z.object({
    Type: z.literal('AWS_PROXY', 'only AWS_PROXY integrations are known locally'),
    Uri: z.string(),
    TimeoutInMillis: z.number().default(DEFAULT_TIMEOUT_MS),
    ResponseTransferMode: z.enum(['STREAM', 'BUFFERED']).default('BUFFERED'),
  }),
});
const responseSchema = z.object({
  ResponseType: z.string(),
  StatusCode: z.coerce.number().optional(),
  ResponseParameters: z.record(z.string(), z.string()).default({}),
  ResponseTemplates: z.record(z.string(), z.string()).default({}),
});
const stageSchema = z.object({
  StageName: z.string(),
  MethodSettings: z
    .array(
      z.object({
        HttpMethod: z.string(),
        ResourcePath: z.string(),
        ThrottlingRateLimit: z.number().optional(),
        ThrottlingBurstLimit: z.number().optional(),
      }),
    )
    .default([]),
});
const apiSchema = z.object({ BinaryMediaTypes: z.array(z.string()).default([]) });

/** The one REST API of the templates. */
export function readRestApi({ resources, place }: Assembly): ApiDefinition {
  const ofType = (type: string): LocalResource[] =>
    resources.filter((each) => each.type === `AWS::ApiGateway::${type}`);
  const [api, ...others] = ofType('RestApi');
  const [stage] = ofType('Stage');
  if (api === undefined || stage === undefined || others.length > 0) {
    throw new Error('the templates must hold exactly one REST API and its stage');
  }
  const stageProperties = stageSchema.parse(stage.properties);
  const throttle = throttleOf(stageProperties);
  return {
    id: api.ref,
    stage: stageProperties.StageName,
    accountId: place.accountId,
    binaryMediaTypes: apiSchema.parse(api.properties).BinaryMediaTypes,
    routes: readRoutes(ofType('Method'), pathsOf(ofType('Resource'), api)),
    gatewayResponses: Object.fromEntries(ofType('GatewayResponse').map(readGatewayResponse)),
    ...(throttle === undefined ? {} : { throttle }),
  };
}

function readRoutes(
  methods: readonly LocalResource[],
  paths: ReadonlyMap<string, string>,
): Route[] {
  return methods.map(({ logicalId, properties }) => {
    const { HttpMethod, ResourceId, Integration } = methodSchema.parse(properties);
    const path = paths.get(ResourceId);
    const functionArn = /\/functions\/(.+)\/(?:invocations|response-streaming-invocations)$/.exec(
      Integration.Uri,
    )?.[1];
    if (path === undefined || functionArn === undefined)
      throw new Error(`${logicalId}: not a route to a function`);
    return {
      path,
      resourceId: ResourceId,
      method: HttpMethod,
      functionName: nameFromArn(functionArn),
      streaming: Integration.ResponseTransferMode === 'STREAM',
      timeoutMs: Integration.TimeoutInMillis,
    };
  });
}

/** Path by resource id. Each resource knows only its parent and its own segment. */
function pathsOf(resources: readonly LocalResource[], api: LocalResource): Map<string, string> {
  const parsed = new Map(
    resources.map(({ ref, properties }) => [ref, resourceSchema.parse(properties)]),
  );
  const root = api.attributes['RootResourceId'] ?? '';
  const pathOf = (id: string): string => {
    const resource = parsed.get(id);
    return resource === undefined ? '' : `${pathOf(resource.ParentId)}/${resource.PathPart}`;
  };
  return new Map([
    [root, '/'],
    ...[...parsed.keys()].map((id): [string, string] => [id, pathOf(id)]),
  ]);
}

function readGatewayResponse({ properties }: LocalResource): [string, GatewayResponse] {
  const { ResponseType, StatusCode, ResponseParameters, ResponseTemplates } =
    responseSchema.parse(properties);
  const response = { parameters: ResponseParameters, templates: ResponseTemplates };
  return [
    ResponseType,
    StatusCode === undefined ? response : { ...response, statusCode: StatusCode },
  ];
}

function throttleOf({ MethodSettings }: z.infer<typeof stageSchema>): ApiDefinition['throttle'] {
  const all = MethodSettings.find(
    ({ HttpMethod, ResourcePath }) => HttpMethod === '*' && ResourcePath === '/*',
  );
  if (all?.ThrottlingRateLimit === undefined || all.ThrottlingBurstLimit === undefined)
    return undefined;
  return { ratePerSecond: all.ThrottlingRateLimit, burst: all.ThrottlingBurstLimit };
}
