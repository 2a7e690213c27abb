/** Policy versions in the catalog table: stored whole, then put in force by one conditional write of the pointer. */
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import {
  CURRENT_POLICY,
  type CurrentPolicy,
  currentPolicyItemSchema,
  LATEST_POLICY,
  policyPartKey,
  policyVersionKey,
} from '../../core/catalog/catalog-items.ts';
import type { PolicySnapshot } from '../../core/catalog/snapshot.ts';
import { EMPTY, fromJson, type Tree } from '../../core/governance/tree.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { fromAttributes, type Plain, toAttribute } from '../adapters/attribute-values.ts';
import { packDocument, parseHead, readSnapshot, readTree } from '../adapters/policy-parts.ts';

/** What a version was made of. Immutable once stored. */
export interface PolicyVersion {
  readonly version: number;
  readonly tree: Tree;
  /** The last file that was applied, as its author wrote it; the tree differs where objects were changed since. */
  readonly source: string;
  /** The version that the file made. */
  readonly fileVersion: number;
}

type CatalogItem = Readonly<Record<string, Plain>>;

export type Pointer = Omit<CurrentPolicy, 'pk'>;

export interface PolicyStore {
  pointer(): Promise<Pointer | undefined>;
  /** The version's document; one that cannot be read is empty, so that a new file can take its place. */
  version(version: number): Promise<PolicyVersion>;
  snapshot(version: number): Promise<PolicySnapshot>;
  /** Stores a version that is not in force yet. False when its number is taken. */
  store(document: PolicyVersion, snapshot: PolicySnapshot): Promise<boolean>;
  /**
   * Puts a version in force if `from` still is, and writes the items beside it, all or nothing. False when
   * another policy came first.
   */
  switchTo(
    from: number | undefined,
    to: Pointer,
    beside: readonly TransactWriteItem[],
  ): Promise<boolean>;
  /** Puts the head where cold starts look first; an older copy never replaces a newer one. */
  copyLatest(version: number): Promise<void>;
  /** False when another version is in force by now. */
  saveProgress(version: number, progress: Pick<Pointer, 'pending' | 'done'>): Promise<boolean>;
}

/** Trees of some megabytes each. */
const MAX_KNOWN = 4;

const documentSchema = z.object({
  tree: z.unknown(),
  source: z.string(),
  fileVersion: z.number(),
});

export function createPolicyStore({
  client,
  catalogTable,
}: {
  readonly client: DynamoDBClient;
  readonly catalogTable: string;
}): PolicyStore {
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
  const put: Put = (item, condition = {}) =>
    unlessRefused(() => client.send(new PutItemCommand(putOf(catalogTable, item, condition))));
  const head = async (version: number) => parseHead(await read(policyVersionKey(version)));
  // Versions are immutable, and most requests ask for the one in force.
  const known = new Map<number, PolicyVersion>();
  let lastSnapshot: PolicySnapshot | undefined;

  return {
    async pointer() {
      const item = await read(CURRENT_POLICY);
      if (item === undefined) return undefined;
      const { pk: _pk, ...pointer } = currentPolicyItemSchema.parse(item);
      return pointer;
    },
    async version(version) {
      const cached = known.get(version);
      if (cached !== undefined) return cached;
      const found = await head(version);
      if (found === undefined) return { version, tree: EMPTY, source: '', fileVersion: version };
      const document = documentSchema.parse(await readTree(read, found));
      const tree = fromJson(document.tree);
      const value = { ...document, version, tree: tree.kind === 'tree' ? tree.tree : EMPTY };
      if (known.size >= MAX_KNOWN) known.clear();
      known.set(version, value);
      return value;
    },
    async snapshot(version) {
      if (lastSnapshot?.version === version) return lastSnapshot;
      const found = await head(version);
      if (found === undefined) throw new Error(`policy version ${version} cannot be read`);
      lastSnapshot = await readSnapshot(read, found);
      return lastSnapshot;
    },
    store: (document, snapshot) => storeVersion(put, document, snapshot),
    async switchTo(from, to, beside) {
      const item = { [TABLE_KEY]: CURRENT_POLICY, ...defined(to) };
      const condition = from === undefined ? ABSENT : versionCondition('#v = :v', from);
      if (beside.length === 0) return put(item, condition);
      const items = [{ Put: putOf(catalogTable, item, condition) }, ...beside];
      return unlessRefused(() =>
        client.send(new TransactWriteItemsCommand({ TransactItems: items })),
      );
    },
    async copyLatest(version) {
      const found = await head(version);
      if (found === undefined) return;
      const older = versionCondition(`${ABSENT.text} OR #v < :v`, version);
      await put({ ...found, [TABLE_KEY]: LATEST_POLICY }, older);
    },
    saveProgress: (version, { pending, done }) =>
      unlessRefused(() =>
        client.send(
          new UpdateItemCommand({
            TableName: catalogTable,
            Key: { [TABLE_KEY]: { S: CURRENT_POLICY } },
            UpdateExpression: 'SET #p = :p, #d = :d',
            ConditionExpression: '#v = :v',
            ExpressionAttributeNames: { '#p': 'pending', '#d': 'done', '#v': 'version' },
            ExpressionAttributeValues: toAttributes({ ':p': pending, ':d': done, ':v': version }),
          }),
        ),
      ),
  };
}

type Put = (item: CatalogItem, condition?: Condition) => Promise<boolean>;

async function storeVersion(
  put: Put,
  { version, ...document }: PolicyVersion,
  snapshot: PolicySnapshot,
): Promise<boolean> {
  const [packed, tree] = await Promise.all([packDocument(snapshot), packDocument(document)]);
  const item = {
    ...{ [TABLE_KEY]: policyVersionKey(version), version },
    ...{ snapshot: packed[0] ?? new Uint8Array(), snapshotParts: packed.length },
    treeParts: tree.length,
  };
  // The head first: it claims the number, and nobody reads the version before the pointer names it.
  if (!(await put(item, ABSENT))) return false;
  const part = (of: 'snapshot' | 'tree', index: number, bytes: Uint8Array) =>
    put({ [TABLE_KEY]: policyPartKey(version, of, index), part: bytes });
  await Promise.all([
    ...packed.slice(1).map((bytes, index) => part('snapshot', index + 1, bytes)),
    ...tree.map((bytes, index) => part('tree', index, bytes)),
  ]);
  return true;
}

interface Condition {
  readonly text?: string;
  readonly names?: Record<string, string>;
  readonly values?: Readonly<Record<string, number>>;
}

const ABSENT = { text: `attribute_not_exists(${TABLE_KEY})` } as const;

function versionCondition(text: string, version: number): Condition {
  return { text, names: { '#v': 'version' }, values: { ':v': version } };
}

function putOf(tableName: string, item: CatalogItem, { text, names, values }: Condition) {
  return {
    TableName: tableName,
    Item: toAttributes(item),
    ...(text === undefined ? {} : { ConditionExpression: text }),
    ...(names === undefined ? {} : { ExpressionAttributeNames: names }),
    ...(values === undefined ? {} : { ExpressionAttributeValues: toAttributes(values) }),
  };
}

/** Exactly the condition's exception, or another transaction at the pointer, is a "no"; the rest are faults. */
async function unlessRefused(write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException || isLostRace(error)) return false;
    throw error;
  }
}

const LOST = ['ConditionalCheckFailed', 'TransactionConflict'];

function isLostRace(error: unknown): boolean {
  if (!(error instanceof TransactionCanceledException)) return false;
  return (error.CancellationReasons ?? []).some(({ Code = '' }) => LOST.includes(Code));
}

function defined({ previous, ...pointer }: Pointer): CatalogItem {
  return previous === undefined ? pointer : { ...pointer, previous };
}

function toAttributes(plain: CatalogItem) {
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => [name, toAttribute(value)]),
  );
}
