/** Keys in the catalog table: found by id, listed by whose they are, changed all at once or not at all. */
import {
  type AttributeValue,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { keyIdKey, keyRecordKey } from '../../core/catalog/catalog-items.ts';
import {
  type KeyItem,
  keyItems,
  keysList,
  listPrefix,
  parseKeyItem,
  type StoredKey,
  suspensionKey,
} from '../../core/catalog/key-items.ts';
import type { KeyRecord } from '../../core/catalog/snapshot.ts';
import { TABLE_KEY, TABLE_LIST } from '../../core/names.ts';
import type { Suspensions } from '../../core/tenancy/key-status.ts';
import { fromAttributes, toAttribute } from '../adapters/attribute-values.ts';

/** Whose keys: each part needs the one before it. */
interface KeyFilter {
  readonly tenantId?: string | undefined;
  readonly teamId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly owner?: string | undefined;
}

interface KeyPage {
  readonly records: readonly KeyRecord[];
  /** Where the next page begins; absent on the last one. */
  readonly next?: string;
}

export interface KeyStore {
  find(keyId: string): Promise<StoredKey | undefined>;
  /** Stores the next revision of a key. False when somebody changed the key since it was read. */
  store(key: StoredKey, dropped?: readonly string[]): Promise<boolean>;
  /** Stores at most `MAX_NEW` keys at once. False, and none is stored, when one of them is there already. */
  storeNew(keys: readonly StoredKey[]): Promise<boolean>;
  /** May lag behind `store` by a moment. */
  list(
    filter: KeyFilter,
    page: { readonly limit: number; readonly after?: string | undefined },
  ): Promise<KeyPage>;
  suspensions(record: Pick<KeyRecord, 'tenantId' | 'teamId'>): Promise<Suspensions>;
  setSuspended(
    target: { readonly tenantId: string; readonly teamId?: string },
    is: boolean,
  ): Promise<void>;
}

/** A transaction takes 100 items, and a key has one by its id and one by its secret. */
export const MAX_NEW = 50;

export interface KeyTable {
  readonly client: DynamoDBClient;
  readonly catalogTable: string;
}

export function createKeyStore({ client, catalogTable: TableName }: KeyTable): KeyStore {
  const read = async (key: string) => {
    const Key = { [TABLE_KEY]: { S: key } };
    const { Item } = await client.send(
      new GetItemCommand({ TableName, Key, ConsistentRead: true }),
    );
    return fromAttributes(Item);
  };

  return {
    async find(keyId) {
      const item = await read(keyIdKey(keyId));
      return item === undefined ? undefined : parseKeyItem(item);
    },
    async store(key, dropped = []) {
      const [own, ...secrets] = keyItems({ ...key, revision: key.revision + 1 });
      if (own === undefined) throw new TypeError('a key has an item');
      return unlessRefused(async () => {
        const items = [
          { Put: { TableName, Item: attributesOf(own), ...isUnchanged(key) } },
          ...secrets.map((item) => ({ Put: { TableName, Item: attributesOf(item) } })),
          ...dropped.map((hash) => ({
            Delete: { TableName, Key: { [TABLE_KEY]: { S: keyRecordKey(hash) } } },
          })),
        ] satisfies TransactWriteItem[];
        await client.send(new TransactWriteItemsCommand({ TransactItems: items }));
      });
    },
    async storeNew(keys) {
      if (keys.length === 0) return true;
      const items = keys.flatMap((key) =>
        keyItems({ ...key, revision: 1 }).map((item, index) => ({
          Put: { TableName, Item: attributesOf(item), ...(index === 0 ? IS_NEW : {}) },
        })),
      );
      return unlessRefused(async () => {
        await client.send(new TransactWriteItemsCommand({ TransactItems: items }));
      });
    },
    async list(filter, { limit, after }) {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({ TableName, ...listQuery(filter, after), Limit: limit }),
      );
      const records = Items.map((item) => parseKeyItem(fromAttributes(item)).record);
      const next = LastEvaluatedKey?.[TABLE_LIST.sort]?.S;
      return next === undefined ? { records } : { records, next };
    },
    async suspensions({ tenantId, teamId }) {
      const [tenant, team] = await Promise.all([
        read(suspensionKey(tenantId)),
        read(suspensionKey(tenantId, teamId)),
      ]);
      return { tenant: tenant !== undefined, team: team !== undefined };
    },
    async setSuspended({ tenantId, teamId }, is) {
      const key = { [TABLE_KEY]: { S: suspensionKey(tenantId, teamId) } };
      await (is
        ? client.send(new PutItemCommand({ TableName, Item: key }))
        : client.send(new DeleteItemCommand({ TableName, Key: key })));
    },
  };
}

/** From the place after the last page on. One outside of what is asked for is none: it must not open what is before it. */
function listQuery(
  { tenantId, teamId, projectId, owner }: KeyFilter,
  after: string | undefined,
): Pick<
  QueryCommandInput,
  'IndexName' | 'KeyConditionExpression' | 'ExpressionAttributeNames' | 'ExpressionAttributeValues'
> {
  const prefix = listPrefix(...[tenantId, teamId, projectId].filter((part) => part !== undefined));
  const from = after?.startsWith(prefix) === true ? `${after}\0` : prefix;
  return {
    IndexName: TABLE_LIST.index,
    KeyConditionExpression: '#list = :list AND #sort BETWEEN :from AND :to',
    ExpressionAttributeNames: { '#list': TABLE_LIST.partition, '#sort': TABLE_LIST.sort },
    ExpressionAttributeValues: {
      ':list': { S: keysList(owner) },
      // A key's attribute is never empty, and no id begins with what is below a space.
      ':from': { S: from === '' ? ' ' : from },
      ':to': { S: `${prefix}\u{10FFFF}` },
    },
  };
}

/** Nobody has declared it before, so nobody has suspended or revoked it: what is written hides no change. */
const IS_NEW = { ConditionExpression: `attribute_not_exists(${TABLE_KEY})` };

/** Closes the race of two changes of one key: the second would write back what it read before the first. */
function isUnchanged({ revision }: StoredKey) {
  if (revision === 0)
    return {
      ConditionExpression: `attribute_not_exists(${TABLE_KEY}) OR #revision = :revision`,
      ...revisionIs(0),
    };
  return { ConditionExpression: '#revision = :revision', ...revisionIs(revision) };
}

function revisionIs(revision: number) {
  return {
    ExpressionAttributeNames: { '#revision': 'revision' },
    ExpressionAttributeValues: { ':revision': { N: String(revision) } },
  };
}

function attributesOf(item: KeyItem): Record<string, AttributeValue> {
  return Object.fromEntries(
    Object.entries(item).map(([name, value]) => [name, toAttribute(value)]),
  );
}

/** A condition that did not hold, or another transaction at the same key. */
async function unlessRefused(write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error;
    const codes = (error.CancellationReasons ?? []).map(({ Code }) => Code ?? 'None');
    const isNo = codes.every((code) =>
      ['None', 'ConditionalCheckFailed', 'TransactionConflict'].includes(code),
    );
    if (isNo) return false;
    throw error;
  }
}
