/**
 * The operations of DynamoDB that accounts, keys, policy, marks and rollups need, whoever carries them: the request path's
 * own client (dynamo-lean.ts) or the SDK of the control plane (dynamo-sdk.ts). Attributes are in wire form on
 * the way in and plain on the way back.
 */
import type { Attributes, Item } from './attribute-values.ts';

export interface DynamoPort {
  getItem(input: ItemAddress & { readonly ConsistentRead?: boolean }): Promise<Item | undefined>;
  /** What `ReturnValues` asks for. Of an input, or its JSON text. */
  updateItem(input: UpdateInput | string): Promise<Item | undefined>;
  /** Each as the JSON text of one `Update`. */
  transactWrite(updates: readonly string[]): Promise<void>;
  /** One page. `next` is where the page after it begins: what the operation gave as its `LastEvaluatedKey`. */
  query(input: QueryInput): Promise<Page>;
}

interface ItemAddress {
  readonly TableName: string;
  readonly Key: Attributes;
}

export interface UpdateInput extends ItemAddress {
  readonly UpdateExpression: string;
  readonly ConditionExpression?: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues?: Attributes;
  readonly ReturnValues?: 'ALL_NEW';
  readonly ReturnValuesOnConditionCheckFailure?: 'ALL_OLD';
}

export interface QueryInput {
  readonly TableName: string;
  readonly ConsistentRead: boolean;
  readonly KeyConditionExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Attributes;
  readonly ExclusiveStartKey?: Attributes;
}

interface Page {
  readonly items: readonly Item[];
  readonly next: Item | undefined;
}

/** How an operation ended that has no result. */
export type DynamoOutcome =
  /** The item as it is, where it was asked for and exists. */
  | { readonly kind: 'condition-failed'; readonly item: Item | undefined }
  /** The reason of each update: `None`, `ConditionalCheckFailed` and others. Nothing was written. */
  | { readonly kind: 'cancelled'; readonly reasons: readonly string[] }
  /** A transaction was at the item. Nothing was written. */
  | { readonly kind: 'conflict' }
  /** Nothing was written, and nothing will be: refused, throttled or never sent. */
  | { readonly kind: 'not-applied' }
  /** It may have been applied, or may still be on its way. */
  | { readonly kind: 'in-doubt' };

/** What every method of the port throws. */
export class DynamoFault extends Error {
  override readonly name = 'DynamoFault';
  readonly #outcome: DynamoOutcome;

  constructor(outcome: DynamoOutcome, cause: unknown) {
    super(`${outcome.kind}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.#outcome = outcome;
  }

  /** No property of its own, because logs list those, and an item is a whole account. */
  get outcome(): DynamoOutcome {
    return this.#outcome;
  }
}
