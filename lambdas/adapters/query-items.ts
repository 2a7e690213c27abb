/** All items of a partition of the rollups table between two sort keys, or with a prefix; page by page, strongly consistent. */
import { type AttributeValue, type DynamoDBClient, QueryCommand } from '@aws-sdk/client-dynamodb';
import { TABLE_KEY, TABLE_SORT } from '../../core/names.ts';
import { fromAttributes } from './attribute-values.ts';

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
  client: Pick<DynamoDBClient, 'send'>,
  query: ItemQuery,
): Promise<Readonly<Record<string, unknown>>[]> {
  const items: Readonly<Record<string, unknown>>[] = [];
  let startKey: Record<string, AttributeValue> | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { Items = [], LastEvaluatedKey } = await client.send(commandOf(query, startKey));
    items.push(...Items.map((item) => fromAttributes(item) ?? {}));
    if (LastEvaluatedKey === undefined) return items;
    startKey = LastEvaluatedKey;
  }
  throw new Error(`${query.partition} has more than ${MAX_PAGES} pages between the two ends`);
}

function commandOf(
  { tableName, partition, prefix = '', between }: ItemQuery,
  startKey: Record<string, AttributeValue> | undefined,
): QueryCommand {
  const [from, to] = between ?? [];
  const range =
    from !== undefined && to !== undefined
      ? {
          text: ' AND #sk BETWEEN :from AND :to',
          values: { ':from': { S: from }, ':to': { S: to } },
        }
      : { text: ' AND begins_with(#sk, :prefix)', values: { ':prefix': { S: prefix } } };
  const isWhole = between === undefined && prefix === '';
  return new QueryCommand({
    TableName: tableName,
    ConsistentRead: true,
    KeyConditionExpression: `#pk = :pk${isWhole ? '' : range.text}`,
    ExpressionAttributeNames: {
      '#pk': TABLE_KEY,
      ...(isWhole ? {} : { '#sk': TABLE_SORT }),
    },
    ExpressionAttributeValues: { ':pk': { S: partition }, ...(isWhole ? {} : range.values) },
    ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
  });
}
