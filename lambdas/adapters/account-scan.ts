/** Looks through the accounts table, page by page. */
import {
  type DynamoDBClient,
  ScanCommand,
  type ScanCommandInput,
  type ScanCommandOutput,
} from '@aws-sdk/client-dynamodb';
import { type AccountItem, ATTR } from '../../core/limits/account.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { fromAttributes } from './attribute-values.ts';

export interface AccountScan {
  /** Keys of accounts; an account that changes meanwhile may be missed, and is found the next time. */
  withHolds(): AsyncGenerator<string>;
  /** All items whose keys begin so, each as it was at one moment of the scan. */
  startingWith(
    prefixes: readonly string[],
  ): AsyncGenerator<{ readonly key: string; readonly item: AccountItem }>;
}

export function createAccountScan({
  client,
  tableName,
}: {
  client: DynamoDBClient;
  tableName: string;
}): AccountScan {
  async function* scan(options: Omit<ScanCommandInput, 'TableName' | 'ExclusiveStartKey'>) {
    let from: ScanCommandOutput['LastEvaluatedKey'];
    const page = () =>
      client.send(
        new ScanCommand({
          TableName: tableName,
          ...options,
          ...(from === undefined ? {} : { ExclusiveStartKey: from }),
        }),
      );
    do {
      const { Items = [], LastEvaluatedKey } = await page();
      yield* Items;
      from = LastEvaluatedKey;
    } while (from !== undefined);
  }
  return {
    async *withHolds() {
      const filter = {
        ProjectionExpression: '#pk',
        FilterExpression: 'size(#h) > :none OR size(#x) > :none',
        ExpressionAttributeNames: { '#pk': TABLE_KEY, '#h': ATTR.holds, '#x': ATTR.voided },
        ExpressionAttributeValues: { ':none': { N: '0' } },
      };
      for await (const item of scan(filter)) {
        const key = item[TABLE_KEY]?.S;
        if (key !== undefined) yield key;
      }
    },
    async *startingWith(prefixes) {
      const filter = {
        ConsistentRead: true,
        FilterExpression: prefixes.map((_, n) => `begins_with(#pk, :${n})`).join(' OR '),
        ExpressionAttributeNames: { '#pk': TABLE_KEY },
        ExpressionAttributeValues: Object.fromEntries(
          prefixes.map((prefix, n) => [`:${n}`, { S: prefix }]),
        ),
      };
      for await (const attributes of scan(filter)) {
        const key = attributes[TABLE_KEY]?.S;
        const item = fromAttributes(attributes);
        if (key !== undefined && item !== undefined) yield { key, item };
      }
    },
  };
}
