/** The admin API over a real table engine, without the function around it. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Clock } from '../../core/clock.ts';
import type { Principal } from '../../core/governance/principal.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { type CatalogWriter, createCatalogWriter } from '../../lambdas/admin/catalog-writer.ts';
import type { AdminRoute } from '../../lambdas/admin/route.ts';
import { answerRequest, type WireAnswer } from '../../lambdas/admin/router.ts';
import { adminRoutes, unrecorded } from '../../lambdas/admin/routes.ts';
import { startDynamo } from '../../local/dynamo.ts';

const ROOT: Principal = { id: 'root', name: 'root', role: 'platform-admin' };

interface Asked {
  readonly principal?: Principal;
  readonly ifMatch?: string;
  readonly query?: Readonly<Record<string, string>>;
}

export interface AdminApi {
  readonly client: DynamoDBClient;
  readonly writer: CatalogWriter;
  readonly routes: readonly AdminRoute[];
  /** The body is sent as JSON unless it is a text. */
  ask(call: string, body?: unknown, options?: Asked): Promise<WireAnswer>;
  close(): Promise<void>;
}

export const TABLES = { catalogTable: 'catalog', accountsTable: 'accounts' } as const;

export async function startAdminApi(clock: Clock): Promise<AdminApi> {
  const dynamo = await startDynamo({
    dataDir: mkdtempSync(join(tmpdir(), 'tollgate-admin-')),
    env: { PATH: process.env['PATH'] },
    log: () => {},
  });
  const client = new DynamoDBClient({
    endpoint: dynamo.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  for (const TableName of Object.values(TABLES))
    await client.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: TABLE_KEY, AttributeType: 'S' }],
        KeySchema: [{ AttributeName: TABLE_KEY, KeyType: 'HASH' }],
      }),
    );
  const writer = createCatalogWriter({ client, ...TABLES });
  const routes = adminRoutes({
    change: { writer, clock, recorded: unrecorded },
    ledger: { ...emptyLedger(), writer, clock },
  });
  return {
    client,
    writer,
    routes,
    ask(call, body, { principal = ROOT, ifMatch, query = {} } = {}) {
      const [method = '', path = ''] = call.split(' ');
      const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
      return answerRequest(routes, {
        ...{ method, path, query, body: text, principal, ifMatch },
        ...{ reason: undefined, sourceIp: '127.0.0.1', requestId: 'req_1' },
      });
    },
    async close() {
      client.destroy();
      await dynamo.close();
    },
  };
}

/** No calls, no closed months, no files. */
function emptyLedger() {
  const files = new Map<string, string>();
  let closed: string | undefined;
  return {
    athena: { run: async () => [] },
    files: {
      read: async (key: string) => files.get(key),
      write: async (key: string, text: string) => void files.set(key, text),
    },
    closedMonths: {
      through: async () => closed,
      closeThrough: async (period: string) => {
        closed = period;
      },
    },
  };
}
