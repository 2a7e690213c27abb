import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TABLE_KEY, TABLE_TTL } from '../../../core/names.ts';
import { createAccountScan } from '../../../lambdas/adapters/account-scan.ts';
import { createDynamoCancellations } from '../../../lambdas/adapters/dynamo-cancellations.ts';
import { overSdk } from '../../../lambdas/adapters/dynamo-sdk.ts';
import { startDynamo } from '../../../local/dynamo.ts';

const TABLE = 'accounts';
const NOW_MS = Date.UTC(2026, 10, 21);
const CALL = { keyId: 'vk_1', requestId: 'req_0123456789abcdefghijkl' };
const dataDir = mkdtempSync(join(tmpdir(), 'tollgate-cancel-'));
let dynamo: Awaited<ReturnType<typeof startDynamo>>;
let client: DynamoDBClient;

beforeAll(async () => {
  dynamo = await startDynamo({ dataDir, env: {}, log: () => {} });
  client = clientOf(dynamo.url);
  await client.send(
    new CreateTableCommand({
      TableName: TABLE,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: TABLE_KEY, KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: TABLE_KEY, AttributeType: 'S' }],
    }),
  );
});
afterAll(async () => {
  client.destroy();
  await dynamo.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function clientOf(endpoint: string): DynamoDBClient {
  return new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    maxAttempts: 1,
  });
}

const cancellations = (of = client) =>
  createDynamoCancellations({
    dynamo: overSdk(of),
    tableName: TABLE,
    clock: { nowMs: () => NOW_MS },
  });

describe('a mark', () => {
  it('is of one call of one key, made once or twice, and ends by itself', async () => {
    const { mark, isMarked } = cancellations();
    expect(await isMarked(CALL)).toBe(false);
    await mark(CALL);
    await mark(CALL);
    expect(await isMarked(CALL)).toBe(true);
    expect(await isMarked({ ...CALL, keyId: 'vk_2' })).toBe(false);
    expect(await isMarked({ ...CALL, requestId: 'req_z' })).toBe(false);
    expect(await isMarked({ keyId: `vk_1/${CALL.requestId}`, requestId: '' })).toBe(false);
    const { Items = [] } = await client.send(new ScanCommand({ TableName: TABLE }));
    expect(Items.map((item) => item[TABLE_TTL])).toEqual([{ N: String(NOW_MS / 1000 + 3_600) }]);
  });

  it('is no account to whoever looks for open holds', async () => {
    await cancellations().mark(CALL);
    const found: string[] = [];
    for await (const key of createAccountScan({ client, tableName: TABLE }).withHolds())
      found.push(key);
    expect(found).toEqual([]);
  });

  it('that cannot be reached says so without an address', async () => {
    const away = clientOf('http://127.0.0.1:9');
    const { mark, isMarked } = cancellations(away);
    for (const attempt of [mark(CALL), isMarked(CALL)])
      await expect(attempt).rejects.toMatchObject({
        code: 'limiter_unavailable',
        publicMessage: 'Running calls cannot be cancelled right now.',
      });
    away.destroy();
  });
});
