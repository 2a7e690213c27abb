/** The admin function: one table of routes, one door. Every route wants a key, and a role that may use it. */
import { AthenaClient } from '@aws-sdk/client-athena';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import middy from '@middy/core';
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { systemClock } from '../../core/clock.ts';
import type { Principal } from '../../core/governance/principal.ts';
import { createAthena } from '../adapters/athena.ts';
import { createAuditLog } from '../adapters/audit-log.ts';
import { createClosedMonths } from '../adapters/closed-months.ts';
import { pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createLakeFiles } from '../adapters/lake-files.ts';
import { createLakeObjects } from '../adapters/lake-object.ts';
import { createObjects } from '../adapters/objects.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { refused } from './admin-route.ts';
import { createGovernance } from './governance-ports.ts';
import { createIdentify } from './identify.ts';
import { readPlace } from './request-place.ts';
import { rollOut } from './roll-out.ts';
import { answerRequest, type WireAnswer, type WireRequest } from './router.ts';
import { adminRoutes } from './routes.ts';

/** Of a tick; what is left is for the next one. */
const ROLLOUT_MS = 20_000;

const telemetry = createTelemetry('admin');
const env = readEnvironment([
  'accountsTable',
  'catalogTable',
  'rollupsTable',
  'adminKeySecret',
  'athenaWorkGroup',
  'questionsWorkGroup',
  'requestPlace',
  'lakeBucket',
  'auditTable',
  'auditBucket',
]);
const client = new DynamoDBClient({ maxAttempts: 3 });
const s3 = new S3Client({ maxAttempts: 3 });
const audit = createAuditLog({
  client,
  tableName: env.auditTable,
  objects: createObjects({ client: s3, bucket: env.auditBucket }),
  clock: systemClock,
  report: telemetry.report,
});
const { ports, requests, writer, principals } = createGovernance({
  client,
  catalogTable: env.catalogTable,
  accountsTable: env.accountsTable,
  rollupsTable: env.rollupsTable,
  audit,
  clock: systemClock,
});
const athena = new AthenaClient({ maxAttempts: 3 });
const athenaOf = (workGroup: string) =>
  createAthena({ client: athena, workGroup, clock: systemClock, pause: pauseRandomly });
const lakeBucket = { client: s3, bucket: env.lakeBucket };
const ledger = {
  athena: athenaOf(env.athenaWorkGroup),
  files: createLakeFiles(lakeBucket),
  open: createLakeObjects(lakeBucket),
  closedMonths: createClosedMonths({ client, tableName: env.catalogTable }),
  writer,
  clock: systemClock,
};
const routes = adminRoutes({
  ...ports,
  ledger,
  requests: {
    ...requests,
    athena: athenaOf(env.questionsWorkGroup),
    place: readPlace(env.requestPlace),
  },
});
const secrets = new SecretsManagerClient({ maxAttempts: 3 });
const identify = createIdentify({
  client,
  catalogTable: env.catalogTable,
  principals,
  clock: systemClock,
  async rootSecret() {
    const command = new GetSecretValueCommand({ SecretId: env.adminKeySecret });
    return (await secrets.send(command)).SecretString ?? '';
  },
});

/** Of the schedule: a change may not have reached all accounts by the time it was answered. */
interface Tick {
  readonly job: 'rollout';
}

export const handler = middy<APIGatewayProxyEvent | Tick>()
  .handler(
    async (event): Promise<APIGatewayProxyResult | { readonly left: number }> =>
      'job' in event ? finishRollouts() : answerCall(event),
  )
  .onError(({ error: fault }) => {
    telemetry.report('admin request failed', fault);
    return answer(refused(500, 'internal_error', 'The change may be incomplete; apply it again.'));
  });

async function finishRollouts(): Promise<{ readonly left: number }> {
  const rollout = await rollOut(ports.change, systemClock.nowMs() + ROLLOUT_MS);
  return { left: rollout === undefined ? 0 : rollout.total - rollout.done };
}

async function answerCall(event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> {
  const principal = await identify(headerOf(event.headers, 'authorization'));
  if (principal === undefined)
    return answer(refused(401, 'invalid_admin_key', 'Send an admin key as a Bearer token.'));
  const wire = wireOf(event, principal);
  const result = await answerRequest(routes, wire);
  telemetry.log('admin request', {
    method: wire.method,
    path: wire.path,
    status: result.status,
    principalId: principal.id,
    sourceIp: wire.sourceIp,
  });
  return answer(result);
}

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
