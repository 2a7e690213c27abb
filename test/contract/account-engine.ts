/**
 * The engine that the accounts' contract is held to: dynoxide, or the one at `CONTRACT_DYNAMODB`, an address such as
 * http://127.0.0.1:8000 of DynamoDB Local, or `aws` for DynamoDB itself with the credentials and region of the environment.
 */
import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { randomText } from '../../core/ids.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { DYNOXIDE_CREDENTIALS, dynoxideBinary, startDynoxide } from '../support/dynoxide.ts';

export interface AccountEngine {
  readonly client: DynamoDBClient;
  /** With which our own client reaches it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly tableName: string;
  close(): Promise<void>;
}

const given = process.env['CONTRACT_DYNAMODB'];
const binary = dynoxideBinary();

const LOCAL = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: DYNOXIDE_CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: DYNOXIDE_CREDENTIALS.secretAccessKey,
};

/** The engine is an optional dependency that exists for Linux x64 only. */
export const HAS_ENGINE = given !== undefined || binary !== undefined;

export async function openAccountEngine(): Promise<AccountEngine> {
  const local = given === undefined ? await startDynoxide(binary ?? '') : undefined;
  const endpoint = local?.url ?? given ?? '';
  const client = clientOf(endpoint);
  const tableName = `contract-${randomText(12)}`;
  await client.send(
    new CreateTableCommand({
      TableName: tableName,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: TABLE_KEY, KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: TABLE_KEY, AttributeType: 'S' }],
    }),
  );
  await waitUntilTableExists({ client, maxWaitTime: 60, minDelay: 1 }, { TableName: tableName });
  return {
    client,
    env: endpoint === 'aws' ? process.env : { ...LOCAL, AWS_ENDPOINT_URL_DYNAMODB: endpoint },
    tableName,
    close: async () => {
      await client.send(new DeleteTableCommand({ TableName: tableName }));
      client.destroy();
      await local?.stop();
    },
  };
}

function clientOf(endpoint: string): DynamoDBClient {
  if (endpoint === 'aws') return new DynamoDBClient({ maxAttempts: 10 });
  const credentials = DYNOXIDE_CREDENTIALS;
  return new DynamoDBClient({ endpoint, region: LOCAL.AWS_REGION, credentials, maxAttempts: 10 });
}
