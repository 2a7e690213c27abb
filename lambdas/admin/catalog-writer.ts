/** Writes of the control plane to the two tables: policy versions, the pointer, keys, accounts' limits. */
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import {
  CURRENT_POLICY,
  currentPolicyItemSchema,
  documentItemSchema,
  LATEST_POLICY,
  policyVersionKey,
} from '../../core/catalog/catalog-items.ts';
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import { type KeyStatus, parseAccount } from '../../core/limits/account.ts';
import { type AccountSetup, planStatus } from '../../core/limits/account-setup.ts';
import type { Moment } from '../../core/limits/denial.ts';
import { setUpScope } from '../../core/limits/shard-setup.ts';
import { shardKey } from '../../core/limits/shards.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import { fromAttributes, type Plain, toAttributes } from '../adapters/attribute-values.ts';
import { createDynamoAccounts } from '../adapters/dynamo-accounts.ts';
import { overSdk } from '../adapters/dynamo-sdk.ts';

export interface CatalogWriter {
  currentPolicy(): Promise<{ version: number; snapshot: unknown; source: string } | undefined>;
  /** Stores a version that is not in force yet. False when the number is taken. */
  storePolicy(snapshot: PolicySnapshot, source: string): Promise<boolean>;
  /** Puts a version in force if `from` still is. False when another policy came first. */
  switchPolicy(from: number | undefined, to: number): Promise<boolean>;
  /** Puts the version where cold starts look first; an older copy never replaces a newer one. */
  copyLatest(snapshot: PolicySnapshot): Promise<void>;
  /** Brings the scope's accounts to the setup; what they have granted is counted at the moment. */
  setUpAccount(scope: Scope, setup: AccountSetup, at: Moment): Promise<void>;
  /** False when there is no such account. */
  setStatus(scope: Scope, status: KeyStatus): Promise<boolean>;
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
  const read = async (key: string) => {
    const { Item } = await client.send(
      new GetItemCommand({
        TableName: catalogTable,
        Key: { [TABLE_KEY]: { S: key } },
        ConsistentRead: true,
      }),
    );
    return fromAttributes(Item);
  };
  const put = (item: Readonly<Record<string, Plain>>, condition?: PutCondition) =>
    putItem(client, catalogTable, item, condition);
  const accounts = createDynamoAccounts({ dynamo: overSdk(client), tableName: accountsTable });

  return {
    async currentPolicy() {
      const pointer = await read(CURRENT_POLICY);
      if (pointer === undefined) return undefined;
      const { version } = currentPolicyItemSchema.parse(pointer);
      const { document, source } = documentItemSchema.parse(await read(policyVersionKey(version)));
      return { version, snapshot: JSON.parse(document), source: source ?? '' };
    },
    storePolicy: (snapshot, source) =>
      put(
        {
          [TABLE_KEY]: policyVersionKey(snapshot.version),
          document: JSON.stringify(snapshot),
          source,
        },
        { text: ABSENT },
      ),
    switchPolicy: (from, to) =>
      put(
        { [TABLE_KEY]: CURRENT_POLICY, version: to },
        from === undefined ? { text: ABSENT } : versionCondition('#v = :v', from),
      ),
    async copyLatest({ version, ...policy }) {
      const document = JSON.stringify({ version, ...policy });
      const older = versionCondition(`${ABSENT} OR #v < :v`, version);
      await put({ [TABLE_KEY]: LATEST_POLICY, version, document }, older);
    },
    async setUpAccount(scope, setup, at) {
      const key = accountKey(scope);
      if (!(await setUpScope(accounts, key, { setup, at })))
        throw new Error(`the accounts of ${key} kept changing`);
    },
    async setStatus(scope, status) {
      const key = accountKey(scope);
      // The first account first: shards that are made from now on take the status over from it.
      const { kind, item } = await accounts.write(key, planStatus(status));
      if (kind === 'refused' || item === undefined) return false;
      for (let index = 1; index < parseAccount(item).shards; index += 1)
        await accounts.write(shardKey(key, index), planStatus(status));
      return true;
    },
  };
}

const ABSENT = `attribute_not_exists(${TABLE_KEY})`;

function versionCondition(text: string, version: number): PutCondition {
  return { text, names: { '#v': 'version' }, values: { ':v': version } };
}

interface PutCondition {
  readonly text: string;
  readonly names?: Readonly<Record<string, string>>;
  readonly values?: Readonly<Record<string, number>>;
}

async function putItem(
  client: DynamoDBClient,
  tableName: string,
  item: Readonly<Record<string, Plain>>,
  condition?: PutCondition,
): Promise<boolean> {
  return unlessRefused(() =>
    client.send(
      new PutItemCommand({
        TableName: tableName,
        Item: toAttributes(item),
        ...(condition === undefined ? {} : { ConditionExpression: condition.text }),
        ...(condition?.names === undefined
          ? {}
          : { ExpressionAttributeNames: { ...condition.names } }),
        ...(condition?.values === undefined
          ? {}
          : { ExpressionAttributeValues: toAttributes(condition.values) }),
      }),
    ),
  );
}

/** Exactly the condition's exception is a "no"; throttling and the rest are faults. */
async function unlessRefused(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}
