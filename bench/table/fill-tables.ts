import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { systemClock } from '../../core/clock.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { createCatalogWriter } from '../../lambdas/admin/catalog-writer.ts';
import { createKeyStore } from '../../lambdas/admin/key-store.ts';
import type { Company } from '../company.ts';

/** As the functions find them in their environment. */
export const TABLES = { accountsTable: 'accounts', catalogTable: 'catalog' } as const;

/** What the control plane does when a policy is applied for the first time. */
export async function fillTables(url: string, company: Company): Promise<void> {
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
  const client = new DynamoDBClient({ endpoint: url, region: 'us-east-1', credentials });
  try {
    await fill(client, company);
  } finally {
    client.destroy();
  }
}

async function fill(client: DynamoDBClient, company: Company): Promise<void> {
  for (const TableName of Object.values(TABLES)) {
    const create = new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: TABLE_KEY, AttributeType: 'S' }],
      KeySchema: [{ AttributeName: TABLE_KEY, KeyType: 'HASH' }],
    });
    await client.send(create);
  }
  const { snapshot, accounts, records } = company;
  const policyVersion = snapshot.version;
  const writer = createCatalogWriter({ client, ...TABLES });
  const document = { version: policyVersion, tree: {}, source: '', fileVersion: policyVersion };
  await writer.policies.store(document, snapshot);
  await writer.policies.switchTo(undefined, { version: policyVersion, pending: [], done: 0 }, []);
  const keys = createKeyStore({ client, catalogTable: TABLES.catalogTable });
  for (const [keyHash, record] of records) await keys.store({ record, keyHash, revision: 0 });
  const nowMs = systemClock.nowMs();
  const at = momentOf(nowMs, calendarDay(nowMs, snapshot.timeZone));
  for (const { scope, limits } of accounts)
    await writer.setUpAccount(scope, { limits, policyVersion }, at);
}
