/** How far the months of the ledger are closed: one item of the catalog table. */
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { CLOSED_MONTHS, closedMonthsItemSchema } from '../../core/catalog/catalog-items.ts';
import type { Period } from '../../core/ledger/closed-months.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { fromAttributes } from './attribute-values.ts';

export interface ClosedMonths {
  /** The last month that is closed; strongly consistent. */
  through(): Promise<Period | undefined>;
  /** Never moves back, whoever else closes a month at the same time. */
  closeThrough(period: Period): Promise<void>;
}

export function createClosedMonths({
  client,
  tableName,
}: {
  readonly client: DynamoDBClient;
  readonly tableName: string;
}): ClosedMonths {
  return {
    async through() {
      const { Item } = await client.send(
        new GetItemCommand({
          TableName: tableName,
          Key: { [TABLE_KEY]: { S: CLOSED_MONTHS } },
          ConsistentRead: true,
        }),
      );
      if (Item === undefined) return undefined;
      return closedMonthsItemSchema.parse(fromAttributes(Item)).closedThrough;
    },
    async closeThrough(period) {
      const put = new PutItemCommand({
        TableName: tableName,
        Item: { [TABLE_KEY]: { S: CLOSED_MONTHS }, closedThrough: { S: period } },
        ConditionExpression: 'attribute_not_exists(#c) OR #c < :c',
        ExpressionAttributeNames: { '#c': 'closedThrough' },
        ExpressionAttributeValues: { ':c': { S: period } },
      });
      try {
        await client.send(put);
      } catch (error) {
        // Somebody has closed this month or a later one already.
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },
  };
}
