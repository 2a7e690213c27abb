/** The control plane over a real engine, without the functions around it. */
import { CreateTableCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Clock } from '../../core/clock.ts';
import type { Principal } from '../../core/governance/principal.ts';
import { TABLE_KEY, TABLE_LIST, TABLE_SORT } from '../../core/names.ts';
import { parsePolicy } from '../../core/policy/parse-policy.ts';
import { createAuditLog } from '../../lambdas/adapters/audit-log.ts';
import { type ChangePorts, changePolicy } from '../../lambdas/admin/apply-policy.ts';
import { createGovernance } from '../../lambdas/admin/governance-ports.ts';
import { adminRoutes } from '../../lambdas/admin/routes.ts';
import { createMemoryObjects } from './memory-objects.ts';

export const ROOT: Principal = { id: 'root', name: 'root', role: 'platform-admin' };
export const TABLES = {
  catalogTable: 'catalog',
  accountsTable: 'accounts',
  rollupsTable: 'rollups',
} as const;

/** With the tables, which it makes. */
export async function openControlPlane(client: DynamoDBClient, clock: Clock) {
  await createTables(client);
  const objects = createMemoryObjects();
  const reports: string[] = [];
  const audit = createAuditLog({
    client,
    tableName: 'audit',
    objects,
    clock,
    report: (incident) => void reports.push(incident),
  });
  const governance = createGovernance({ client, ...TABLES, audit, clock });
  const ledger = { ...emptyLedger(), writer: governance.writer, clock };
  const place = { region: 'us-east-1', logGroup: '/proxy', traceBucket: undefined };
  const requests = { ...governance.requests, athena: ledger.athena, place };
  const routes = adminRoutes({ ...governance.ports, ledger, requests });
  return { ...governance, audit, objects, reports, routes };
}

/** Applies a policy file as the root does. Throws where it is refused. */
export async function applyFile(ports: ChangePorts, source: string): Promise<number> {
  const parsed = parsePolicy(source, 'policy.yaml');
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.errors));
  const result = await changePolicy(ports, {
    principal: ROOT,
    edit: { kind: 'file', tree: parsed.tree },
    source,
    operation: 'applyPolicy',
    reason: undefined,
    sourceIp: '127.0.0.1',
    requestId: 'req_file',
  });
  if (result.kind !== 'changed') throw new Error(JSON.stringify(result));
  return result.version;
}

/** No calls, no closed months, no files. */
function emptyLedger() {
  const files = new Map<string, string>();
  let closed: string | undefined;
  return {
    athena: { run: async () => [] },
    open: async () => undefined,
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

async function createTables(client: DynamoDBClient): Promise<void> {
  const attribute = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const });
  const keyed = (hash: string, range?: string) => [
    { AttributeName: hash, KeyType: 'HASH' as const },
    ...(range === undefined ? [] : [{ AttributeName: range, KeyType: 'RANGE' as const }]),
  ];
  const BillingMode = 'PAY_PER_REQUEST';
  const { index: IndexName, partition, sort } = TABLE_LIST;
  for (const table of [
    {
      TableName: TABLES.accountsTable,
      KeySchema: keyed(TABLE_KEY),
      AttributeDefinitions: [attribute(TABLE_KEY)],
    },
    ...['audit', TABLES.rollupsTable].map((TableName) => ({
      TableName,
      KeySchema: keyed(TABLE_KEY, TABLE_SORT),
      AttributeDefinitions: [attribute(TABLE_KEY), attribute(TABLE_SORT)],
    })),
    {
      TableName: TABLES.catalogTable,
      KeySchema: keyed(TABLE_KEY),
      AttributeDefinitions: [TABLE_KEY, partition, sort].map(attribute),
      GlobalSecondaryIndexes: [
        {
          IndexName,
          KeySchema: keyed(partition, sort),
          Projection: { ProjectionType: 'ALL' as const },
        },
      ],
    },
  ])
    await client.send(new CreateTableCommand({ ...table, BillingMode }));
}
