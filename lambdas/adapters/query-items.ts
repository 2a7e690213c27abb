/** All items of a partition of the rollups table between two sort keys, or with a prefix; page by page, strongly consistent. */
import { TABLE_KEY, TABLE_SORT } from '../../core/names.ts';
import type { Item } from './attribute-values.ts';
import type { DynamoPort, QueryInput } from './dynamo-port.ts';

export interface ItemQuery {
  readonly tableName: string;
  readonly partition: string;
  readonly prefix?: string;
  /** Both ends included. */
  readonly between?: readonly [from: string, to: string];
}

/** A megabyte each. */
const MAX_PAGES = 100;

export async function queryItems(
  dynamo: Pick<DynamoPort, 'query'>,
  query: ItemQuery,
): Promise<Item[]> {
  const input = inputOf(query);
  const found: Item[] = [];
  let from: Pick<QueryInput, 'ExclusiveStartKey'> = {};
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { items, next } = await dynamo.query({ ...input, ...from });
    found.push(...items);
    if (next === undefined) return found;
    from = {
      ExclusiveStartKey: {
        [TABLE_KEY]: text(next[TABLE_KEY]),
        [TABLE_SORT]: text(next[TABLE_SORT]),
      },
    };
  }
  throw new Error(`${query.partition} has more than ${MAX_PAGES} pages between the two ends`);
}

function inputOf({ tableName, partition, prefix = '', between }: ItemQuery): QueryInput {
  const range =
    between === undefined
      ? { condition: 'begins_with(#sk, :from)', values: { ':from': text(prefix) } }
      : {
          condition: '#sk BETWEEN :from AND :to',
          values: { ':from': text(between[0]), ':to': text(between[1]) },
        };
  const isWhole = between === undefined && prefix === '';
  return {
    TableName: tableName,
    ConsistentRead: true,
    KeyConditionExpression: isWhole ? '#pk = :pk' : `#pk = :pk AND ${range.condition}`,
    ExpressionAttributeNames: { '#pk': TABLE_KEY, ...(isWhole ? {} : { '#sk': TABLE_SORT }) },
    ExpressionAttributeValues: { ':pk': text(partition), ...(isWhole ? {} : range.values) },
  };
}

function text(value: unknown) {
  return { S: String(value) };
}
