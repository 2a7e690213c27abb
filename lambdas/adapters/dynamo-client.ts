import { DynamoDBClient } from '@aws-sdk/client-dynamodb';

/**
 * The client of the request path. Two attempts of at most 800 ms each: an outage ends within two
 * seconds, which is what "fail closed" promises the caller.
 */
export function createDynamoClient(): DynamoDBClient {
  return new DynamoDBClient({
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 400, requestTimeout: 800, throwOnRequestTimeout: true },
  });
}
