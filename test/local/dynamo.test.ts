import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  CreateTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startDynamo } from '../../local/dynamo.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tollgate-dynamo-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const start = () => startDynamo({ dataDir, env: {}, log: () => {} });

function clientOf(endpoint: string): DynamoDBClient {
  return new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
}

it('keeps its data over a restart', async () => {
  const first = await start();
  const table = {
    TableName: 'kept',
    BillingMode: 'PAY_PER_REQUEST' as const,
    KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' as const }],
    AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' as const }],
  };
  const before = clientOf(first.url);
  await before.send(new CreateTableCommand(table));
  await before.send(
    new PutItemCommand({ TableName: 'kept', Item: { pk: { S: 'a' }, n: { N: '7' } } }),
  );
  await first.close();
  const second = await start();
  const { Item } = await clientOf(second.url).send(
    new GetItemCommand({ TableName: 'kept', Key: { pk: { S: 'a' } } }),
  );
  await second.close();
  expect(Item?.['n']).toEqual({ N: '7' });
});

it('uses the endpoint of the environment and starts nothing', async () => {
  const env = { AWS_ENDPOINT_URL_DYNAMODB: 'http://127.0.0.1:1' };
  expect(await startDynamo({ dataDir, env, log: () => {} })).toMatchObject({
    url: 'http://127.0.0.1:1',
  });
});

it('ends with the process that started it, even when that is killed', async () => {
  const script = `import { startDynamo } from ${JSON.stringify(new URL('../../local/dynamo.ts', import.meta.url).href)};
    const { url } = await startDynamo({ dataDir: ${JSON.stringify(dataDir)}, env: {}, log: () => {} });
    console.log(url); setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = await once(createInterface(parent.stdout), 'line');
  expect((await fetch(String(url))).status).toBeGreaterThan(0);
  parent.kill('SIGKILL');
  const answers = () =>
    fetch(String(url)).then(
      () => true,
      () => false,
    );
  await expect.poll(answers, { timeout: 5_000 }).toBe(false);
});
