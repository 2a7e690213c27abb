/** DynamoDB through the SDK, which the control plane has anyway. */
import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  DynamoDBServiceException,
  GetItemCommand,
  QueryCommand,
  TransactionCanceledException,
  TransactionConflictException,
  TransactionInProgressException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { ATTEMPT_MS } from '../../core/limits/patient-store.ts';
import { fromAttributes } from './attribute-values.ts';
import { DynamoFault, type DynamoOutcome, type DynamoPort } from './dynamo-port.ts';

export interface SdkDynamo {
  /** One attempt a call: the engine repeats by itself, because it must know of every copy (ADR 0009). */
  readonly accounts: DynamoPort;
  /** Reads that may be repeated by anybody; over the same connections. */
  readonly catalog: DynamoPort;
  /** The client of `catalog`, for scans. */
  readonly client: DynamoDBClient;
}

export function createSdkDynamo(): SdkDynamo {
  const once = new DynamoDBClient({
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: ATTEMPT_MS / 2,
      requestTimeout: ATTEMPT_MS,
      throwOnRequestTimeout: true,
    },
  });
  const { requestHandler } = once.config;
  const client = new DynamoDBClient({ maxAttempts: 2, requestHandler });
  return { accounts: overSdk(once), catalog: overSdk(client), client };
}

export function overSdk(client: Pick<DynamoDBClient, 'send'>): DynamoPort {
  return {
    async getItem(input) {
      const { Item } = await reached(() => client.send(new GetItemCommand(input)));
      return fromAttributes(Item);
    },
    async updateItem(input) {
      const update = typeof input === 'string' ? JSON.parse(input) : input;
      const { Attributes } = await reached(() => client.send(new UpdateItemCommand(update)));
      return fromAttributes(Attributes);
    },
    async transactWrite(updates) {
      const TransactItems = updates.map((text) => ({ Update: JSON.parse(text) }));
      await reached(() => client.send(new TransactWriteItemsCommand({ TransactItems })));
    },
    async query(input) {
      const page = await reached(() => client.send(new QueryCommand(input)));
      const items = (page.Items ?? []).map((item) => fromAttributes(item) ?? {});
      return { items, next: fromAttributes(page.LastEvaluatedKey) };
    },
  };
}

async function reached<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw new DynamoFault(outcomeOf(cause), cause);
  }
}

function outcomeOf(cause: unknown): DynamoOutcome {
  if (cause instanceof ConditionalCheckFailedException)
    return { kind: 'condition-failed', item: fromAttributes(cause.Item) };
  if (cause instanceof TransactionCanceledException) {
    const reasons = (cause.CancellationReasons ?? []).map(({ Code }) => Code ?? 'None');
    return { kind: 'cancelled', reasons };
  }
  if (cause instanceof TransactionConflictException) return { kind: 'conflict' };
  return { kind: wasNeverApplied(cause) ? 'not-applied' : 'in-doubt' };
}

/** True for answers of the table itself that say no, throttling among them, and for connections that were never made. */
function wasNeverApplied(cause: unknown): boolean {
  if (cause instanceof TransactionInProgressException) return false;
  if (cause instanceof DynamoDBServiceException) return cause.$fault === 'client';
  return cause instanceof Error && 'code' in cause && NEVER_CONNECTED.has(String(cause.code));
}

const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
