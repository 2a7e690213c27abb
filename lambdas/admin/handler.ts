/** The admin function: one table of routes, one door. Every route wants a key, and a role that may use it. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { AthenaClient } from '@aws-sdk/client-athena';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import middy from '@middy/core';
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import type { Principal } from '../../core/governance/principal.ts';
import { createAthena } from '../adapters/athena.ts';
import { createClosedMonths } from '../adapters/closed-months.ts';
import { pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createLakeFiles } from '../adapters/lake-files.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { refused } from './admin-route.ts';
import { createCatalogWriter } from './catalog-writer.ts';
import { answerRequest, type WireAnswer, type WireRequest } from './router.ts';
import { adminRoutes, unrecorded } from './routes.ts';

const ADMIN_KEY_AGE_MS = 60_000;

const telemetry = createTelemetry('admin');
const env = readEnvironment([
  'accountsTable',
  'catalogTable',
  'adminKeySecret',
  'athenaWorkGroup',
  'lakeBucket',
]);
const client = new DynamoDBClient({ maxAttempts: 3 });
const writer = createCatalogWriter({
  client,
  catalogTable: env.catalogTable,
  accountsTable: env.accountsTable,
});
const closedMonths = createClosedMonths({ client, tableName: env.catalogTable });
const ledger = {
  athena: createAthena({
    client: new AthenaClient({ maxAttempts: 3 }),
    workGroup: env.athenaWorkGroup,
    clock: systemClock,
    pause: pauseRandomly,
  }),
  files: createLakeFiles({ client: new S3Client({ maxAttempts: 3 }), bucket: env.lakeBucket }),
  closedMonths,
  writer,
  clock: systemClock,
};
const routes = adminRoutes({
  change: { writer, clock: systemClock, recorded: unrecorded },
  ledger,
});
const secrets = new SecretsManagerClient({ maxAttempts: 3 });
const ROOT = { id: 'root', name: 'root', role: 'platform-admin' } as const;
let adminKey: { readonly digest: Buffer; readonly readAtMs: number } | undefined;

export const handler = middy<APIGatewayProxyEvent>()
  .handler(async (event): Promise<APIGatewayProxyResult> => {
    if (!(await isAdmin(event)))
      return answer(refused(401, 'invalid_admin_key', 'Send the admin key as a Bearer token.'));
    const wire = wireOf(event, ROOT);
    const result = await answerRequest(routes, wire);
    telemetry.log('admin request', {
      method: wire.method,
      path: wire.path,
      status: result.status,
      sourceIp: wire.sourceIp,
    });
    return answer(result);
  })
  .onError(({ error: fault }) => {
    telemetry.report('admin request failed', fault);
    return answer(refused(500, 'internal_error', 'The change may be incomplete; apply it again.'));
  });

function wireOf(event: APIGatewayProxyEvent, principal: Principal): WireRequest {
  const { headers, requestContext } = event;
  const encoding = event.isBase64Encoded ? 'base64' : 'utf8';
  return {
    method: event.httpMethod,
    path: event.path.replace(/^\/admin\/v1/, ''),
    query: event.queryStringParameters ?? {},
    body: Buffer.from(event.body ?? '', encoding).toString('utf8'),
    ifMatch: headerOf(headers, 'if-match'),
    reason: headerOf(headers, 'x-tollgate-reason'),
    sourceIp: requestContext.identity.sourceIp,
    requestId: requestContext.requestId,
    principal,
  };
}

function headerOf(headers: APIGatewayProxyEvent['headers'], wanted: string): string | undefined {
  return Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === wanted)?.[1];
}

/** Compared by digest in constant time; the secret is read at most once a minute. */
async function isAdmin(event: APIGatewayProxyEvent): Promise<boolean> {
  const header = headerOf(event.headers, 'authorization') ?? '';
  const given = /^Bearer +(\S{1,256})$/i.exec(header)?.[1];
  if (given === undefined) return false;
  if (adminKey === undefined || systemClock.nowMs() - adminKey.readAtMs > ADMIN_KEY_AGE_MS) {
    const { SecretString } = await secrets.send(
      new GetSecretValueCommand({ SecretId: env.adminKeySecret }),
    );
    if (SecretString === undefined || SecretString === '')
      throw new Error('the admin key secret is empty');
    adminKey = { digest: digest(SecretString), readAtMs: systemClock.nowMs() };
  }
  return timingSafeEqual(digest(given), adminKey.digest);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** The policy's version is what a later change may be tied to. */
function answer({ status, body, version, allow }: WireAnswer): APIGatewayProxyResult {
  return {
    statusCode: status,
    headers: {
      'content-type': 'application/json',
      ...(version === undefined ? {} : { etag: `"${version}"` }),
      ...(allow === undefined ? {} : { allow: allow.join(', ') }),
    },
    body: JSON.stringify(body),
  };
}
