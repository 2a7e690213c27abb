/**
 * Strongly consistent reads of accounts for those who list: what is asked for at once goes in batches, since a page of keys
 * may have a thousand accounts (ADR 0031) and each request to the table costs as much as reading a hundred.
 */
import { BatchGetItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { AccountItem } from '../../core/limits/account.ts';
import { type Reader, StoreFault } from '../../core/limits/account-store.ts';
import type { Pause } from '../../core/limits/patient-store.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { fromAttributes } from './attribute-values.ts';

interface BatchedReadsOptions {
  readonly client: Pick<DynamoDBClient, 'send'>;
  readonly tableName: string;
  readonly pause: Pause;
}

type Items = ReadonlyMap<string, AccountItem>;

interface Round {
  readonly keys: Set<string>;
  readonly items: Promise<Items>;
}

export function createBatchedReads(options: BatchedReadsOptions): Reader {
  let round: Round | undefined;
  const begin = (): Round => {
    const keys = new Set<string>();
    const items = new Promise((resolve) => setImmediate(resolve)).then(() => {
      round = undefined;
      return readAll(options, [...keys]);
    });
    return { keys, items };
  };
  return {
    async read(key) {
      round ??= begin();
      const { keys, items } = round;
      keys.add(key);
      return (await items).get(key);
    },
  };
}

/** What one request takes. */
const MAX_BATCH = 100;

async function readAll(options: BatchedReadsOptions, keys: readonly string[]): Promise<Items> {
  const batches = Array.from({ length: Math.ceil(keys.length / MAX_BATCH) }, (_, index) =>
    keys.slice(index * MAX_BATCH, (index + 1) * MAX_BATCH),
  );
  const read = await Promise.all(batches.map((batch) => readBatch(options, batch)));
  return new Map(read.flat());
}

const ATTEMPTS = 8;
const PAUSE_MS = 50;

/** The table leaves out what it has no room for at the moment. */
async function readBatch(
  { client, tableName, pause }: BatchedReadsOptions,
  batch: readonly string[],
): Promise<[string, AccountItem][]> {
  const found: [string, AccountItem][] = [];
  let Keys = batch.map((key) => ({ [TABLE_KEY]: { S: key } }));
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const command = new BatchGetItemCommand({
      RequestItems: { [tableName]: { Keys, ConsistentRead: true } },
    });
    const { Responses, UnprocessedKeys } = await client.send(command).catch(outOfReach);
    for (const item of Responses?.[tableName] ?? [])
      found.push([item[TABLE_KEY]?.S ?? '', fromAttributes(item) ?? {}]);
    const left = UnprocessedKeys?.[tableName]?.Keys ?? [];
    if (left.length === 0) return found;
    Keys = left.map((key) => ({ [TABLE_KEY]: { S: key[TABLE_KEY]?.S ?? '' } }));
    await pause(attempt * PAUSE_MS);
  }
  return outOfReach(new Error(`${Keys.length} accounts were not read`));
}

function outOfReach(cause: unknown): never {
  throw new StoreFault(cause, { isDoubtful: false });
}
