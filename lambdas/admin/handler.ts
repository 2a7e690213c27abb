/** The admin function: applies policies, makes and revokes keys, closes months. Every route wants the admin key. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { AthenaClient } from '@aws-sdk/client-athena';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import middy from '@middy/core';
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import * as z from 'zod';
import { policySnapshotSchema } from '../../core/catalog/snapshot.ts';
import { systemClock } from '../../core/clock.ts';
import type { Principal } from '../../core/governance/principal.ts';
import type { Problem } from '../../core/invoices/invoice.ts';
import { createAthena } from '../adapters/athena.ts';
import { createClosedMonths } from '../adapters/closed-months.ts';
import { createDynamoAccounts, pauseRandomly } from '../adapters/dynamo-accounts.ts';
import { overSdk } from '../adapters/dynamo-sdk.ts';
import { readEnvironment } from '../adapters/environment.ts';
import { createLakeFiles } from '../adapters/lake-files.ts';
import { createLakeObjects } from '../adapters/lake-object.ts';
import { createTelemetry } from '../adapters/telemetry.ts';
import { applyPolicy } from './apply-policy.ts';
import { createCatalogWriter } from './catalog-writer.ts';
import { closedAnswer, closeLedgerMonth } from './close-ledger.ts';
import { approveInvoice, type InvoiceAnswer, importInvoice, showInvoice } from './invoices.ts';
import type { Audit } from './key-changes.ts';
import { createKeyRoutes } from './key-routes.ts';
import { createKeyStore } from './key-store.ts';

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
const lakeBucket = { client: new S3Client({ maxAttempts: 3 }), bucket: env.lakeBucket };
const invoices = {
  athena: createAthena({
    client: new AthenaClient({ maxAttempts: 3 }),
    workGroup: env.athenaWorkGroup,
    clock: systemClock,
    pause: pauseRandomly,
  }),
  files: createLakeFiles(lakeBucket),
  open: createLakeObjects(lakeBucket),
  closedMonths,
  writer,
  clock: systemClock,
};
const accountStore = createDynamoAccounts({
  dynamo: overSdk(client),
  tableName: env.accountsTable,
});
const audit: Audit = {
  record: async ({ principal, ...asker }, { target, before, after, ...change }) =>
    telemetry.log('admin change', {
      principalId: principal.id,
      ...asker,
      ...target,
      ...change,
      before: JSON.stringify(before),
      after: JSON.stringify(after),
    }),
};
const keyPorts = {
  keys: createKeyStore({ client, catalogTable: env.catalogTable }),
  accounts: writer,
  clock: systemClock,
};
const keyRoutes = createKeyRoutes({
  ...keyPorts,
  audit,
  accountStore,
  async currentPolicy() {
    const current = await writer.currentPolicy();
    return current === undefined ? undefined : policySnapshotSchema.parse(current.snapshot);
  },
});
const secrets = new SecretsManagerClient({ maxAttempts: 3 });
let adminKey: { readonly digest: Buffer; readonly readAtMs: number } | undefined;

export const handler = middy<APIGatewayProxyEvent>()
  .handler(async (event): Promise<APIGatewayProxyResult> => {
    if (!(await isAdmin(event)))
      return answer(401, error('invalid_admin_key', 'Send the admin key as a Bearer token.'));
    const body = Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8').toString(
      'utf8',
    );
    const path = event.path.replace(/^\/admin\/v1/, '');
    const result =
      (await routeKeys(event, path, body)) ?? (await route(event.httpMethod, path, body));
    telemetry.log('admin request', {
      method: event.httpMethod,
      path,
      status: result.statusCode,
      sourceIp: event.requestContext.identity.sourceIp,
    });
    return result;
  })
  .onError(({ error: fault }) => {
    telemetry.report('admin request failed', fault);
    return answer(500, error('internal_error', 'The change may be incomplete; apply it again.'));
  });

async function route(method: string, path: string, body: string): Promise<APIGatewayProxyResult> {
  if (path === '/policy' && method === 'GET') return showPolicy();
  if (path === '/policy' && method === 'PUT') return putPolicy(body);
  if (path === '/ledger/close' && method === 'GET') return showClosed();
  if (path === '/ledger/close' && method === 'POST') return closeLedger(body);
  const invoice = await routeInvoice(method, path, body);
  if (invoice !== undefined) return invoiceResult(invoice);
  return answer(404, error('not_found', `Nothing is at ${method} ${path}.`));
}

const INVOICE_PATH = /^\/invoices\/([^/]{1,64})(?:\/([0-9a-f]{16})(\/approve)?)?$/;

async function routeInvoice(
  method: string,
  path: string,
  body: string,
): Promise<InvoiceAnswer | undefined> {
  const [, provider, id, approve] = INVOICE_PATH.exec(path) ?? [];
  if (provider === undefined) return undefined;
  if (id === undefined)
    return method === 'PUT' ? importInvoice(invoices, provider, body) : undefined;
  if (approve === undefined)
    return method === 'GET' ? showInvoice(invoices, provider, id) : undefined;
  const request = body === '' ? {} : parseJson(body);
  return method === 'POST' ? approveInvoice(invoices, { provider, id }, request) : undefined;
}

function invoiceResult(result: InvoiceAnswer): APIGatewayProxyResult {
  switch (result.kind) {
    case 'done':
      return answer(result.status, result.body);
    case 'not found':
      return answer(404, error('not_found', result.what));
    case 'refused': {
      const message = `Nothing was kept. ${result.problems.map(problemText).join('; ')}.`;
      return answer(400, {
        error: { code: 'invalid_invoice', message, problems: result.problems },
      });
    }
  }
}

async function showPolicy(): Promise<APIGatewayProxyResult> {
  const current = await writer.currentPolicy();
  return current === undefined
    ? answer(404, error('not_found', 'No policy has been applied yet.'))
    : answer(200, { version: current.version, source: current.source });
}

async function putPolicy(source: string): Promise<APIGatewayProxyResult> {
  const result = await applyPolicy({ ...keyPorts, writer }, source);
  switch (result.kind) {
    case 'applied':
      return answer(200, { version: result.version, accounts: result.accounts });
    case 'invalid':
      return answer(400, {
        error: {
          code: 'invalid_policy',
          message: 'The policy has errors; the one in force stays.',
          errors: result.errors,
        },
      });
    case 'conflict':
      return answer(
        409,
        error(
          'policy_conflict',
          'Another policy was applied at the same time; the one in force stays.',
        ),
      );
  }
}

async function routeKeys(
  { httpMethod, queryStringParameters, requestContext, headers }: APIGatewayProxyEvent,
  path: string,
  body: string,
): Promise<APIGatewayProxyResult | undefined> {
  for (const route of keyRoutes) {
    const params = route.method === httpMethod ? paramsIn(route.path, path) : undefined;
    if (params === undefined) continue;
    const input = z
      .object({ params: route.params, query: route.query, body: route.body })
      .safeParse({ params, query: { ...queryStringParameters }, body: parseJson(body || '{}') });
    if (!input.success) return answer(400, error('invalid_key', problemsOf(input.error)));
    const { status, body: said } = await route.handle({
      ...input.data,
      principal: ROOT,
      reason: headers['x-tollgate-reason'],
      sourceIp: requestContext.identity.sourceIp,
      requestId: requestContext.requestId,
    });
    return answer(status, said);
  }
  return undefined;
}

const ROOT: Principal = { id: 'root', name: 'root', role: 'platform-admin' };

function paramsIn(pattern: string, path: string): Record<string, string> | undefined {
  const names = [...pattern.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const found = new RegExp(`^${pattern.replace(/\{\w+\}/g, '([^/]+)')}$`).exec(path);
  return found === null
    ? undefined
    : Object.fromEntries(names.map((name, index) => [name, found[index + 1] ?? '']));
}

function problemsOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.slice(1).join('.')}: ${message}`).join('; ');
}

async function showClosed(): Promise<APIGatewayProxyResult> {
  return answer(200, closedAnswer(await closedMonths.through()));
}

async function closeLedger(body: string): Promise<APIGatewayProxyResult> {
  const result = await closeLedgerMonth(
    { writer, closedMonths, clock: systemClock },
    parseJson(body),
  );
  return result.kind === 'closed'
    ? answer(200, closedAnswer(result.closedThrough))
    : answer(400, error('invalid_period', result.reason));
}

function problemText({ line, message }: Problem): string {
  return line === null ? message : `Line ${line}: ${message}`;
}

/** Compared by digest in constant time; the secret is read at most once a minute. */
async function isAdmin(event: APIGatewayProxyEvent): Promise<boolean> {
  const header = Object.entries(event.headers ?? {}).find(
    ([name]) => name.toLowerCase() === 'authorization',
  )?.[1];
  const given = /^Bearer +(\S{1,256})$/i.exec(header ?? '')?.[1];
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function error(code: string, message: string): object {
  return { error: { code, message } };
}

function answer(statusCode: number, body: object): APIGatewayProxyResult {
  return {
    statusCode,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
}
