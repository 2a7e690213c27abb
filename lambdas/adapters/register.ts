/**
 * Registers: small collections of governed documents (principals, overrides) that are listed whole and changed one at a
 * time. Each is a fixed number of items of the catalog table, a document in the one that its id's hash says, so that a
 * list is a few strongly consistent reads, and a change is one transaction with its audit record.
 */
import { createHash } from 'node:crypto';
import {
  type DynamoDBClient,
  GetItemCommand,
  TransactionCanceledException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import * as z from 'zod/mini';
import { compositeKey } from '../../core/ids.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { fromAttributes } from './attribute-values.ts';

export interface Register<T> {
  /** In the order of their ids. */
  all(): Promise<readonly T[]>;
  find(id: string): Promise<T | undefined>;
  /**
   * Reads, decides and writes as one: where somebody else was faster, the decision is taken again on what there is now.
   * Throws where that never ends, and where there is no room for another document.
   */
  change<R>(id: string, decide: (current: T | undefined) => RegisterStep<T, R>): Promise<R>;
}

type RegisterStep<T, R> =
  /** Nothing is written. */
  | { readonly kind: 'keep'; readonly result: R }
  | {
      readonly kind: 'write';
      readonly document: T;
      /** What else the transaction writes: the audit record, and what leads to the document. */
      readonly items: readonly TransactWriteItem[];
      readonly result: R;
    };

export interface RegisterOptions<T> {
  readonly client: DynamoDBClient;
  readonly tableName: string;
  readonly name: string;
  readonly parse: (document: unknown) => T;
  readonly idOf: (document: T) => string;
  /** Those that are over go when their page is written next; the audit log keeps their history. */
  readonly isOver: (document: T) => boolean;
}

const PAGES = 16;
const MAX_ATTEMPTS = 8;
/** An item has 400 KB. */
const MAX_PAGE_BYTES = 350_000;

const pageSchema = z.object({ version: z.int(), document: z.string() });

interface Page<T> {
  readonly version: number;
  readonly documents: readonly T[];
}

export function createRegister<T>(options: RegisterOptions<T>): Register<T> {
  const { client, tableName, name, parse, idOf, isOver } = options;
  async function readPage(page: number): Promise<Page<T>> {
    const { Item } = await client.send(
      new GetItemCommand({
        TableName: tableName,
        Key: { [TABLE_KEY]: { S: pageKey(name, page) } },
        ConsistentRead: true,
      }),
    );
    if (Item === undefined) return { version: 0, documents: [] };
    const { version, document } = pageSchema.parse(fromAttributes(Item));
    return { version, documents: z.array(z.unknown()).parse(JSON.parse(document)).map(parse) };
  }
  const isOf = (id: string) => (document: T) => idOf(document) === id;

  return {
    async all() {
      const pages = await Promise.all(Array.from({ length: PAGES }, (_, page) => readPage(page)));
      return pages
        .flatMap(({ documents }) => documents)
        .toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
    },
    async find(id) {
      const { documents } = await readPage(pageOf(id));
      return documents.find(isOf(id));
    },
    async change(id, decide) {
      const page = pageOf(id);
      for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
        const { version, documents } = await readPage(page);
        const step = decide(documents.find(isOf(id)));
        if (step.kind === 'keep') return step.result;
        const others = documents.filter((each) => !isOf(id)(each) && !isOver(each));
        const put = putPage(options, page, { version, documents: [...others, step.document] });
        if (await writeAll(client, [put, ...step.items])) return step.result;
      }
      throw new Error(`the register ${name} kept changing`);
    },
  };
}

function putPage<T>(
  { tableName, name }: RegisterOptions<T>,
  page: number,
  { version, documents }: Page<T>,
): TransactWriteItem {
  const document = JSON.stringify(documents);
  if (Buffer.byteLength(document) > MAX_PAGE_BYTES)
    throw new Error(`the register ${name} has no room for more`);
  return {
    Put: {
      TableName: tableName,
      Item: {
        [TABLE_KEY]: { S: pageKey(name, page) },
        version: { N: String(version + 1) },
        document: { S: document },
      },
      // Closes the race with whoever changes another document of the page.
      ...(version === 0
        ? { ConditionExpression: `attribute_not_exists(${TABLE_KEY})` }
        : {
            ConditionExpression: '#v = :v',
            ExpressionAttributeNames: { '#v': 'version' },
            ExpressionAttributeValues: { ':v': { N: String(version) } },
          }),
    },
  };
}

/** False where a condition did not hold, or another transaction was at one of the items. */
async function writeAll(client: DynamoDBClient, items: TransactWriteItem[]): Promise<boolean> {
  try {
    await client.send(new TransactWriteItemsCommand({ TransactItems: items }));
    return true;
  } catch (error) {
    if (!(error instanceof TransactionCanceledException)) throw error;
    const codes = (error.CancellationReasons ?? []).map(({ Code }) => Code);
    if (codes.some((code) => code === 'ConditionalCheckFailed' || code === 'TransactionConflict'))
      return false;
    throw error;
  }
}

function pageOf(id: string): number {
  return createHash('sha256').update(id).digest().readUInt8(0) % PAGES;
}

function pageKey(name: string, page: number): string {
  return compositeKey('register', name, String(page));
}
