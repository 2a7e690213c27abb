import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Clock } from '../../core/clock.ts';
import { newRequestId } from '../../core/ids.ts';
import { createAccounts } from '../../core/limits/accounts.ts';
import { selectRoutes } from '../../core/routing/select-routes.ts';
import { authenticate } from '../../core/tenancy/authenticate.ts';
import { scopesOf } from '../../core/tenancy/scopes-of.ts';
import { createDynamoAccounts } from '../../lambdas/adapters/dynamo-accounts.ts';
import { createDynamoDirectory } from '../../lambdas/adapters/dynamo-directory.ts';
import { overSdk } from '../../lambdas/adapters/dynamo-sdk.ts';
import type { KeyChange } from '../../lambdas/admin/key-changes.ts';
import { createKeyRoutes } from '../../lambdas/admin/key-routes.ts';
import { startDynamo } from '../../local/dynamo.ts';
import { applyFile, openControlPlane, ROOT, TABLES } from './control-plane.ts';

export const POLICY = `
time_zone: UTC
providers:
  sim: { kind: openai, base_url: "http://127.0.0.1:1" }
models:
  chat:
    tier: shared
    context_tokens: 10K
    max_output_tokens: 1K
    default_max_output_tokens: 100
    routes: [{ provider: sim, model: chat, price: { input: $1, output: $2 } }]
keys: { max_age: 90d }
tenants:
  acme:
    teams:
      search: { owner: ann, cost_center: CC-1, limits: { monthly_budget: $100 } }
      shop: { owner: bob }
    projects:
      web: { team: search }
      lab: { team: search }
      till: { team: shop }
  other:
    teams: { search: { owner: eve } }
    projects: { web: { team: search } }
`;

/** The admin API's keys over a real engine, and as many instances of the request path as wanted, each with its own memory. */
export async function openKeyHouse(clock: Clock, policy = POLICY) {
  const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-keys-'));
  const dynamo = await startDynamo({ dataDir, env: {}, log: () => {} });
  const client = new DynamoDBClient({
    endpoint: dynamo.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
  const plane = await openControlPlane(client, clock);
  const changes: KeyChange[] = [];
  const ports = plane.ports.keys;
  await applyFile(plane.ports.change, policy);
  const routes = createKeyRoutes({
    ...ports,
    audit: { record: async (_asker, change) => void changes.push(change) },
  });

  async function ask(operation: string, input: AskInput = {}, principal = ROOT) {
    const route = routes.find((each) => each.operation === operation);
    if (route === undefined) throw new Error(`no operation ${operation}`);
    const answer = await route.handle({
      principal,
      params: input.params ?? {},
      query: route.query.parse(input.query ?? {}),
      body: route.body.parse(input.body ?? {}),
      reason: undefined,
      sourceIp: '127.0.0.1',
      requestId: 'r',
    });
    return { status: answer.status, body: JSON.parse(JSON.stringify(answer.body)) };
  }

  /** An environment of the proxy: what it answers to a call with the secret, up to the reserve. */
  function instance() {
    const directory = createDynamoDirectory({
      dynamo: overSdk(client),
      tableName: TABLES.catalogTable,
      clock,
      report: () => {},
    });
    const store = createDynamoAccounts({
      dynamo: overSdk(client),
      tableName: TABLES.accountsTable,
    });
    const accounts = createAccounts({ store, clock });
    return async (secret: string): Promise<string> => {
      try {
        const headers = { authorization: `Bearer ${secret}` };
        const caller = await authenticate({ directory }, headers, clock.nowMs());
        const selection = selectRoutes(caller, 'chat', clock.nowMs());
        const tags = { user_id: null, feature: null };
        const made = await accounts.reserve({
          requestId: newRequestId(),
          alias: 'chat',
          demand: { nanoUsd: 1, inputTokens: 1, outputTokens: 1 },
          scopes: scopesOf({ ...caller, ...selection, tags }),
          timeZone: 'UTC',
          holdSeconds: 60,
        });
        return made.kind === 'inactive' ? made.status : made.kind;
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    };
  }

  return {
    ask,
    instance,
    changes,
    keys: plane.keys,
    ports,
    routes,
    dynamoUrl: dynamo.url,
    apply: (text: string) => applyFile(plane.ports.change, text),
    async close() {
      client.destroy();
      await dynamo.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

interface AskInput {
  readonly params?: object;
  readonly query?: object;
  readonly body?: object;
}
