/** Finds the accounts that have open holds or marks, page by page. */
import { type DynamoDBClient, ScanCommand, type ScanCommandOutput } from '@aws-sdk/client-dynamodb';
import { ATTR } from '../../core/limits/account.ts';
import { TABLE_KEY } from '../../core/names.ts';

export interface AccountScan {
  /** Keys of accounts; an account that changes meanwhile may be missed, and is found the next time. */
  withHolds(): AsyncGenerator<string>;
}

export function createAccountScan({
  client,
  tableName,
}: {
  client: DynamoDBClient;
  tableName: string;
}): AccountScan {
  return {
    async *withHolds() {
      let from: ScanCommandOutput['LastEvaluatedKey'];
      const page = () =>
        client.send(
          new ScanCommand({
            TableName: tableName,
            ProjectionExpression: '#pk',
            FilterExpression: 'size(#h) > :none OR size(#x) > :none',
            ExpressionAttributeNames: { '#pk': TABLE_KEY, '#h': ATTR.holds, '#x': ATTR.voided },
            ExpressionAttributeValues: { ':none': { N: '0' } },
            ...(from === undefined ? {} : { ExclusiveStartKey: from }),
          }),
        );
      do {
        const { Items = [], LastEvaluatedKey } = await page();
        for (const item of Items) {
          const key = item[TABLE_KEY]?.S;
          if (key !== undefined) yield key;
        }
        from = LastEvaluatedKey;
      } while (from !== undefined);
    },
  };
}
