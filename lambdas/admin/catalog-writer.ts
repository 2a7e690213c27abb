/** Writes of the control plane to accounts and keys, and the policy in force for those who look something up in it. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AttributeValue,
  BatchGetItemCommand,
  type BatchGetItemCommandInput,
  type BatchGetItemCommandOutput,
  BatchWriteItemCommand,
  type BatchWriteItemCommandInput,
  type DynamoDBClient,
  GetItemCommand,
  paginateScan,
} from '@aws-sdk/client-dynamodb';
import { documentItemSchema, keyIdKey, keyRecordKey } from '../../core/catalog/catalog-items.ts';
import { type KeyRecord, keyRecordSchema } from '../../core/catalog/snapshot.ts';
import { type Account, type KeyStatus, parseAccount } from '../../core/limits/account.ts';
import { type AccountSetup, planCreate, planStatus } from '../../core/limits/account-setup.ts';
import { readScope } from '../../core/limits/account-store.ts';
import type { Moment } from '../../core/limits/denial.ts';
import { setUpScope } from '../../core/limits/shard-setup.ts';
import { shardCount, shardKey } from '../../core/limits/shards.ts';
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
  /** The account of a scope that has none; false when it has one. */
  createAccount(scope: Scope, setup: AccountSetup): Promise<boolean>;
  storeKey(keyHash: string, record: KeyRecord): Promise<void>;
  storeKeys(keys: readonly StoredKey[]): Promise<void>;
  findKey(keyId: string): Promise<KeyRecord | undefined>;
  /** Those of at most 100 ids that exist, in no order. */
  findKeys(keyIds: readonly string[]): Promise<readonly KeyRecord[]>;
  /** Every key there is; reads the whole table, which only the removal of teams and projects is worth. */
  allKeys(): Promise<readonly KeyRecord[]>;
}

interface StoredKey {
  readonly keyHash: string;
  readonly record: KeyRecord;
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
  const storeKeys = async (keys: readonly StoredKey[]) => {
    const items = keys.flatMap(keyItems);
    for (let from = 0; from < items.length; from += MAX_BATCH)
      await putAll(client, catalogTable, items.slice(from, from + MAX_BATCH));
  };

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
    async createAccount(scope, setup) {
      // Shards come with the setup of a scope, which looks at all of them.
      if (shardCount(setup.limits) > 1) return false;
      return (await accounts.write(accountKey(scope), planCreate(setup))).kind === 'applied';
    },
    storeKey: (keyHash, record) => storeKeys([{ keyHash, record }]),
    storeKeys,
    async findKeys(keyIds) {
      if (keyIds.length === 0) return [];
      let wanted: NonNullable<BatchGetItemCommandInput['RequestItems']> = {
        [catalogTable]: {
          Keys: keyIds.map((keyId) => ({ [TABLE_KEY]: { S: keyIdKey(keyId) } })),
          ConsistentRead: true,
        },
      };
      const found: KeyRecord[] = [];
      for (let tries = 0; tries < MAX_TRIES && Object.keys(wanted).length > 0; tries += 1) {
        const answer: BatchGetItemCommandOutput = await client.send(
          new BatchGetItemCommand({ RequestItems: wanted }),
        );
        const items = answer.Responses?.[catalogTable] ?? [];
        found.push(...items.map((item) => recordOf(fromAttributes(item))));
        wanted = answer.UnprocessedKeys ?? {};
      }
      if (Object.keys(wanted).length > 0) throw new Error('keys could not be read');
      return found;
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

/** What the table takes in one request. */
const MAX_BATCH = 25;
/** A table that is busy leaves some of a batch undone. */
const MAX_TRIES = 8;
const PAUSE_MS = 50;

async function putAll(
  client: DynamoDBClient,
  tableName: string,
  items: readonly Record<string, AttributeValue>[],
): Promise<void> {
  let left: NonNullable<BatchWriteItemCommandInput['RequestItems']> = {
    [tableName]: items.map((Item) => ({ PutRequest: { Item } })),
  };
  for (let tries = 1; ; tries += 1) {
    const answer = await client.send(new BatchWriteItemCommand({ RequestItems: left }));
    left = answer.UnprocessedItems ?? {};
    if (Object.keys(left).length === 0) return;
    if (tries === MAX_TRIES) throw new Error('keys could not be written');
    await sleep(PAUSE_MS * 2 ** tries * Math.random());
  }
}

/** A key is found by its hash and by its public id. */
function keyItems({ keyHash, record }: StoredKey): Record<string, AttributeValue>[] {
  const document = toAttribute(JSON.stringify(record));
  return [keyRecordKey(keyHash), keyIdKey(record.keyId)].map((key) => ({
    [TABLE_KEY]: toAttribute(key),
    document,
  }));
}

function recordOf(item: unknown): KeyRecord {
  return keyRecordSchema.parse(JSON.parse(documentItemSchema.parse(item).document));
}
