/**
 * Marks of cancelled calls, beside the accounts. The key of a mark holds the key that made it, so that no
 * caller can reach another's calls. Looking costs half a read unit, a mark two write units at most.
 */
import { type DynamoDBClient, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type { Cancellations, RunningCall } from '../../core/cancel.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { compositeKey } from '../../core/ids.ts';
import { TABLE_KEY, TABLE_TTL } from '../../core/names.ts';

/** Longer than any call runs; DynamoDB deletes within days after. */
const KEPT_SECONDS = 3_600;

export function createDynamoCancellations({
  client,
  tableName,
  clock,
}: {
  client: DynamoDBClient;
  tableName: string;
  clock: Clock;
}): Cancellations {
  const keyOf = ({ keyId, requestId }: RunningCall) => ({
    [TABLE_KEY]: { S: compositeKey('cancel', keyId, requestId) },
  });
  return {
    async mark(call) {
      const endsAtSeconds = Math.ceil(clock.nowMs() / 1000) + KEPT_SECONDS;
      await reached(() =>
        client.send(
          new UpdateItemCommand({
            TableName: tableName,
            Key: keyOf(call),
            UpdateExpression: 'SET #ttl = :ends',
            ExpressionAttributeNames: { '#ttl': TABLE_TTL },
            ExpressionAttributeValues: { ':ends': { N: String(endsAtSeconds) } },
          }),
        ),
      );
    },
    async isMarked(call) {
      const command = new GetItemCommand({ TableName: tableName, Key: keyOf(call) });
      return (await reached(() => client.send(command))).Item !== undefined;
    },
  };
}

async function reached<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    const message = 'Running calls cannot be cancelled right now.';
    throw new GatewayError('limiter_unavailable', message, { cause });
  }
}
