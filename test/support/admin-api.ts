/** The admin API over a real table engine, without the function around it. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Clock } from '../../core/clock.ts';
import type { AuditRecord } from '../../core/governance/audit.ts';
import type { Principal } from '../../core/governance/principal.ts';
import type { CatalogWriter } from '../../lambdas/admin/catalog-writer.ts';
import type { KeyStore } from '../../lambdas/admin/key-store.ts';
import type { AdminRoute } from '../../lambdas/admin/route.ts';
import { answerRequest, type WireAnswer } from '../../lambdas/admin/router.ts';
import { startDynamo } from '../../local/dynamo.ts';
import { openControlPlane, ROOT } from './control-plane.ts';

interface Asked {
  readonly principal?: Principal;
  readonly ifMatch?: string;
  readonly query?: Readonly<Record<string, string>>;
}

export interface AdminApi {
  readonly client: DynamoDBClient;
  readonly writer: CatalogWriter;
  readonly keys: KeyStore;
  records(): Promise<readonly AuditRecord[]>;
  readonly routes: readonly AdminRoute[];
  /** The body is sent as JSON unless it is a text. */
  ask(call: string, body?: unknown, options?: Asked): Promise<WireAnswer>;
  close(): Promise<void>;
}

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
  const plane = await openControlPlane(client, clock);
  const { routes, writer, keys } = plane;
  return {
    client,
    writer,
    keys,
    routes,
    async records() {
      const range = { from: '2026', to: '2099', limit: 10_000 };
      return (await plane.audit.recent(range, {})).records;
    },
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
