import { once } from 'node:events';
import { createServer } from 'node:http';
import {
  DynamoDBClient,
  DynamoDBServiceException,
  InternalServerError,
  ThrottlingException,
  TransactionCanceledException,
  TransactionConflictException,
} from '@aws-sdk/client-dynamodb';
import { describe, expect, it, vi } from 'vitest';
import type { AccountWrite } from '../../../core/limits/account-write.ts';
import { ATTEMPT_MS } from '../../../core/limits/patient-store.ts';
import { createDynamoAccounts } from '../../../lambdas/adapters/dynamo-accounts.ts';
import { createSdkDynamo, overSdk } from '../../../lambdas/adapters/dynamo-sdk.ts';

const WRITE: AccountWrite = {
  conditions: [{ kind: 'equals', path: ['st'], value: 'active' }],
  set: [[['st'], 'revoked']],
  add: [],
  remove: [],
};

/** A table that answers with these faults in turn, and then with success. No local engine has such conflicts. */
function tableWith(faults: readonly Error[]) {
  const client = new DynamoDBClient({
    endpoint: 'http://127.0.0.1:9',
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const sent: string[] = [];
  client.middlewareStack.add(
    (_next, { commandName = '' }) =>
      async () => {
        const fault = faults[sent.length];
        sent.push(commandName);
        if (fault !== undefined) throw fault;
        return { output: { $metadata: {}, Attributes: { st: { S: 'revoked' } } }, response: {} };
      },
    { step: 'initialize', priority: 'high' },
  );
  return { sent, store: createDynamoAccounts({ dynamo: overSdk(client), tableName: 'accounts' }) };
}

function conflict(): Error {
  return new TransactionConflictException({ message: 'conflict', $metadata: {} });
}

function cancelled(...codes: string[]): Error {
  return new TransactionCanceledException({
    message: 'cancelled',
    $metadata: {},
    CancellationReasons: codes.map((Code) => ({ Code })),
  });
}

describe('a write to an item that a transaction is at', () => {
  it('comes again until the transaction is over', async () => {
    const { store, sent } = tableWith([conflict(), conflict()]);
    expect(await store.write('a', WRITE)).toMatchObject({ kind: 'applied' });
    expect(sent).toHaveLength(3);
  });

  it('is out of reach when the conflicts do not end', async () => {
    const { store } = tableWith(Array.from({ length: 20 }, conflict));
    await expect(store.write('a', WRITE)).rejects.toMatchObject({ code: 'limiter_unavailable' });
  });
});

describe('a write that fails', () => {
  const named = (name: string, code?: string) =>
    Object.assign(new Error('fails'), { name }, code === undefined ? {} : { code });
  const details = { message: 'no', $metadata: {} };

  it.each([
    ['throttled', new ThrottlingException(details), false],
    [
      'told that it is not valid',
      new DynamoDBServiceException({ ...details, name: 'ValidationException', $fault: 'client' }),
      false,
    ],
    ['not connected', named('TimeoutError', 'ECONNREFUSED'), false],
    ['not resolved', named('Error', 'ENOTFOUND'), false],
    ['not answered in time', named('TimeoutError'), true],
    ['cut off', named('TimeoutError', 'ECONNRESET'), true],
    ['told of a failure inside', new InternalServerError(details), true],
  ])('because it was %s is sent once, and in doubt: %#', async (_what, fault, isDoubtful) => {
    const { store, sent } = tableWith([fault]);
    await expect(store.write('a', WRITE)).rejects.toMatchObject({
      code: 'limiter_unavailable',
      isDoubtful,
    });
    expect(sent).toHaveLength(1);
  });
});

describe('the client for accounts', () => {
  it('makes one attempt, which ends in time', async () => {
    let attempts = 0;
    const server = createServer(() => {
      attempts += 1;
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', `http://127.0.0.1:${address.port}`);
    vi.stubEnv('AWS_REGION', 'us-east-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'local');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'local');
    const { accounts, client } = createSdkDynamo();
    const store = createDynamoAccounts({ dynamo: accounts, tableName: 'accounts' });
    const startMs = performance.now();
    await expect(store.write('a', WRITE)).rejects.toMatchObject({ isDoubtful: true });
    expect(performance.now() - startMs).toBeLessThan(2 * ATTEMPT_MS);
    expect(attempts).toBe(1);
    vi.unstubAllEnvs();
    client.destroy();
    server.close();
    server.closeAllConnections();
  });
});

describe('a transaction', () => {
  const both = [
    { key: 'a', write: WRITE },
    { key: 'b', write: WRITE },
  ];

  it.each([
    [['ConditionalCheckFailed', 'None']],
    [['None', 'TransactionConflict']],
    [['ConditionalCheckFailed', 'TransactionConflict']],
  ])('that is cancelled for %s was refused', async (codes) => {
    const { store } = tableWith([cancelled(...codes)]);
    expect(await store.writeTogether(both)).toBe(false);
  });

  it.each([
    [['ThrottlingError', 'None']],
    [['ConditionalCheckFailed', 'ProvisionedThroughputExceeded']],
    [[]],
  ])('that is cancelled for %s is a fault, not a refusal', async (codes) => {
    const { store } = tableWith([cancelled(...codes)]);
    await expect(store.writeTogether(both)).rejects.toMatchObject({ code: 'limiter_unavailable' });
  });
});
