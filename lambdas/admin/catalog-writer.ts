/** Writes of the control plane to accounts and keys, and the policy in force for those who look something up in it. */
import {
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  paginateScan,
} from '@aws-sdk/client-dynamodb';
import { documentItemSchema, keyIdKey, keyRecordKey } from '../../core/catalog/catalog-items.ts';
import { type KeyRecord, keyRecordSchema } from '../../core/catalog/snapshot.ts';
import { type Account, type KeyStatus, parseAccount } from '../../core/limits/account.ts';
import { type AccountSetup, planStatus } from '../../core/limits/account-setup.ts';
import { readScope } from '../../core/limits/account-store.ts';
import type { Moment } from '../../core/limits/denial.ts';
import { setUpScope } from '../../core/limits/shard-setup.ts';
import { shardKey } from '../../core/limits/shards.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import { fromAttributes, toAttribute } from '../adapters/attribute-values.ts';
import { createDynamoAccounts } from '../adapters/dynamo-accounts.ts';
import { createPolicyStore, type PolicyStore } from './policy-store.ts';

export interface CatalogWriter {
  readonly policies: PolicyStore;
  currentPolicy(): Promise<{ version: number; snapshot: unknown; source: string } | undefined>;
  /** Brings the scope's accounts to the setup; what they have granted is counted at the moment. */
  setUpAccount(scope: Scope, setup: AccountSetup, at: Moment): Promise<void>;
  /** The scope's accounts as one. */
  account(scope: Scope): Promise<Account | undefined>;
  /** False when there is no such account. */
  setStatus(scope: Scope, status: KeyStatus): Promise<boolean>;
  storeKey(keyHash: string, record: KeyRecord): Promise<void>;
  findKey(keyId: string): Promise<KeyRecord | undefined>;
  /** Every key there is; reads the whole table, which only the removal of teams and projects is worth. */
  allKeys(): Promise<readonly KeyRecord[]>;
}

export interface CatalogTables {
  readonly client: DynamoDBClient;
  readonly catalogTable: string;
  readonly accountsTable: string;
}

export function createCatalogWriter({
  client,
  catalogTable,
  accountsTable,
}: CatalogTables): CatalogWriter {
  const accounts = createDynamoAccounts({ client, tableName: accountsTable });
  const policies = createPolicyStore({ client, catalogTable });
  const putDocument = (key: string, document: object) =>
    client.send(
      new PutItemCommand({
        TableName: catalogTable,
        Item: {
          [TABLE_KEY]: toAttribute(key),
          document: toAttribute(JSON.stringify(document)),
        },
      }),
    );

  return {
    policies,
    async currentPolicy() {
      const pointer = await policies.pointer();
      if (pointer === undefined) return undefined;
      const { version } = pointer;
      const [snapshot, { source }] = await Promise.all([
        policies.snapshot(version),
        policies.version(version),
      ]);
      return { version, snapshot, source };
    },
    async setUpAccount(scope, setup, at) {
      const key = accountKey(scope);
      if (!(await setUpScope(accounts, key, { setup, at })))
        throw new Error(`the accounts of ${key} kept changing`);
    },
    account: (scope) => readScope(accounts, accountKey(scope)),
    async setStatus(scope, status) {
      const key = accountKey(scope);
      // The first account first: shards that are made from now on take the status over from it.
      const { kind, item } = await accounts.write(key, planStatus(status));
      if (kind === 'refused' || item === undefined) return false;
      for (let index = 1; index < parseAccount(item).shards; index += 1)
        await accounts.write(shardKey(key, index), planStatus(status));
      return true;
    },
    async storeKey(keyHash, record) {
      await putDocument(keyRecordKey(keyHash), record);
      await putDocument(keyIdKey(record.keyId), record);
    },
    async findKey(keyId) {
      const { Item } = await client.send(
        new GetItemCommand({
          TableName: catalogTable,
          Key: { [TABLE_KEY]: { S: keyIdKey(keyId) } },
          ConsistentRead: true,
        }),
      );
      return Item === undefined ? undefined : recordOf(fromAttributes(Item));
    },
    async allKeys() {
      const records: KeyRecord[] = [];
      const query = {
        TableName: catalogTable,
        FilterExpression: `begins_with(${TABLE_KEY}, :k)`,
        ExpressionAttributeValues: { ':k': { S: keyIdKey('') } },
      };
      for await (const { Items = [] } of paginateScan({ client }, query))
        records.push(...Items.map((item) => recordOf(fromAttributes(item))));
      return records;
    },
  };
}

function recordOf(item: unknown): KeyRecord {
  return keyRecordSchema.parse(JSON.parse(documentItemSchema.parse(item).document));
}
