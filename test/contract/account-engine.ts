/**
 * The engine that the accounts' contract is held to: dynoxide, or the one at `CONTRACT_DYNAMODB`, an address such as
 * http://127.0.0.1:8000 of DynamoDB Local, or `aws` for DynamoDB itself with the credentials and region of the environment.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { randomText } from '../../core/ids.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { dynoxideBinary } from '../support/dynoxide.ts';

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
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
};

/** The engine is an optional dependency that exists for Linux x64 only. */
export const HAS_ENGINE = given !== undefined || binary !== undefined;

export async function openAccountEngine(): Promise<AccountEngine> {
  const local = given === undefined ? await startDynoxide() : undefined;
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
  const credentials = {
    accessKeyId: LOCAL.AWS_ACCESS_KEY_ID,
    secretAccessKey: LOCAL.AWS_SECRET_ACCESS_KEY,
  };
  return new DynamoDBClient({ endpoint, region: LOCAL.AWS_REGION, credentials, maxAttempts: 10 });
}

async function startDynoxide() {
  const port = await freePort();
  const child = spawn(binary ?? '', ['--port', String(port)], { stdio: 'ignore' });
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
