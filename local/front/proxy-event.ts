import type { IncomingMessage } from 'node:http';
import type { ApiDefinition } from './api-definition.ts';
import type { RouteMatch } from './match-route.ts';

/** Connection headers stay at the gateway. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);

export interface ProxyRequest {
  readonly api: ApiDefinition;
  readonly match: RouteMatch;
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly body: Buffer;
  readonly requestId: string;
  readonly nowMs: number;
}

/** The REST API's proxy event, format 1.0. */
export function proxyEvent(input: ProxyRequest): object {
  const { match, request, url, body, api } = input;
  const headers = headersOf(input);
  const query = groupPairs(url.searchParams);
  const binary = isBinary(api.binaryMediaTypes, request.headers['content-type'] ?? '');
  return {
    resource: match.route.path,
    path: url.pathname,
    httpMethod: request.method,
    headers: lastOfEach(headers),
    multiValueHeaders: headers,
    queryStringParameters: query === undefined ? null : lastOfEach(query),
    multiValueQueryStringParameters: query ?? null,
    pathParameters: Object.keys(match.pathParameters).length === 0 ? null : match.pathParameters,
    stageVariables: null,
    requestContext: requestContext(input),
    body: body.length === 0 ? null : body.toString(binary ? 'base64' : 'utf8'),
    isBase64Encoded: binary && body.length > 0,
  };
}

function requestContext({ api, match, request, url, requestId, nowMs }: ProxyRequest): object {
  return {
    accountId: api.accountId,
    apiId: api.id,
    deploymentId: 'local',
    domainName: request.headers.host ?? 'localhost',
    domainPrefix: api.id,
    extendedRequestId: requestId,
    httpMethod: request.method,
    identity: {
      accessKey: null,
      accountId: null,
      caller: null,
      sourceIp: request.socket.remoteAddress ?? '127.0.0.1',
      user: null,
      userAgent: request.headers['user-agent'] ?? null,
      userArn: null,
    },
    path: url.pathname,
    protocol: `HTTP/${request.httpVersion}`,
    requestId,
    requestTime: new Date(nowMs).toUTCString(),
    requestTimeEpoch: nowMs,
    resourceId: match.route.resourceId,
    resourcePath: match.route.path,
    stage: api.stage,
  };
}

function headersOf({ request, requestId }: ProxyRequest): Record<string, string[]> {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? '';
    if (!HOP_BY_HOP.has(name.toLowerCase()))
      pairs.push([name, request.rawHeaders[index + 1] ?? '']);
  }
  const forwarded = request.headers['x-forwarded-for'];
  const address = request.socket.remoteAddress ?? '127.0.0.1';
  const added: [string, string][] = [
    ['X-Forwarded-For', forwarded === undefined ? address : `${String(forwarded)}, ${address}`],
    ['X-Forwarded-Port', String(request.socket.localPort ?? 0)],
    ['X-Forwarded-Proto', 'http'],
    [
      'X-Amzn-Trace-Id',
      `Root=1-${requestId.slice(0, 8)}-${requestId.replaceAll('-', '').slice(8)}`,
    ],
  ];
  const replaced = new Set(added.map(([name]) => name.toLowerCase()));
  return (
    groupPairs([...pairs.filter(([name]) => !replaced.has(name.toLowerCase())), ...added]) ?? {}
  );
}

/** A null prototype, because a caller may well send a header named `__proto__`. */
function groupPairs(pairs: Iterable<[string, string]>): Record<string, string[]> | undefined {
  const groups: Record<string, string[]> = Object.create(null);
  for (const [name, value] of pairs) {
    const group = groups[name];
    if (group === undefined) groups[name] = [value];
    else group.push(value);
  }
  return Object.keys(groups).length === 0 ? undefined : groups;
}

function lastOfEach(groups: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(groups).map(([name, values]) => [name, values.at(-1) ?? '']),
  );
}

function isBinary(mediaTypes: readonly string[], contentType: string): boolean {
  const type = contentType.split(';')[0]?.trim() ?? '';
  return mediaTypes.some(
    (each) => each === '*/*' || each === type || each === `${type.split('/')[0]}/*`,
  );
}
