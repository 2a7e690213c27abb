/**
 * Marks of cancelled calls, beside the accounts. The key of a mark holds the key that made it, so that no
 * caller can reach another's calls. Looking costs half a read unit, a mark two write units at most.
 */
import type { Cancellations, RunningCall } from '../../core/cancel.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { compositeKey } from '../../core/ids.ts';
import { TABLE_KEY, TABLE_TTL } from '../../core/names.ts';
import type { DynamoPort } from './dynamo-port.ts';

/** Longer than any call runs; DynamoDB deletes within days after. */
const KEPT_SECONDS = 3_600;

export function createDynamoCancellations({
  dynamo,
  tableName,
  clock,
}: {
  dynamo: DynamoPort;
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
        dynamo.updateItem({
          TableName: tableName,
          Key: keyOf(call),
          UpdateExpression: 'SET #ttl = :ends',
          ExpressionAttributeNames: { '#ttl': TABLE_TTL },
          ExpressionAttributeValues: { ':ends': { N: String(endsAtSeconds) } },
        }),
      );
    },
    async isMarked(call) {
      const address = { TableName: tableName, Key: keyOf(call) };
      return (await reached(() => dynamo.getItem(address))) !== undefined;
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
