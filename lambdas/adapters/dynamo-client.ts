import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ATTEMPT_MS } from '../../core/limits/patient-store.ts';

export interface DynamoClients {
  /** One attempt a send: the engine repeats by itself, because it must know of every copy (ADR 0009). */
  readonly accounts: DynamoDBClient;
  /** Reads that may be repeated by anybody; over the same connections. */
  readonly catalog: DynamoDBClient;
}

export function createDynamoClients(): DynamoClients {
  const accounts = new DynamoDBClient({
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: ATTEMPT_MS / 2,
      requestTimeout: ATTEMPT_MS,
      throwOnRequestTimeout: true,
    },
  });
  const { requestHandler } = accounts.config;
  return { accounts, catalog: new DynamoDBClient({ maxAttempts: 2, requestHandler }) };
}
